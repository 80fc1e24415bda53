"""``certkit remove``: take the trust off every host, and restart what must be."""

from __future__ import annotations

from typing import Annotated

import typer

from certkit.cli.options import (
    AskBecomePassOption,
    AskPassOption,
    BecomePasswordFileOption,
    ExcludeOption,
    FleetOutput,
    FleetOutputOption,
    HomeOption,
    HostKeyChoice,
    HostKeyOption,
    IdentityOption,
    InventoryOption,
    KeyPassphraseFileOption,
    KnownHostsOption,
    LimitOption,
    ParallelOption,
    PasswordFileOption,
    PortOption,
    QuietOption,
    RegistryArgument,
    RestartChoice,
    RetriesOption,
    RunTimeoutOption,
    TimeoutOption,
    UserOption,
    VerboseOption,
)


def remove(
    registry: RegistryArgument = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 4 when there is work to do.")
    ] = False,
    diff: Annotated[
        bool,
        typer.Option("--diff", help="Show what differs, as certificates: subject, print, expiry."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Remove ca.crt also where certkit did not write it.")
    ] = False,
    restart: Annotated[
        RestartChoice | None,
        typer.Option(
            "--restart",
            help="Which daemons are restarted: those whose trust changed; of these, those where "
            "no running container stops; all; none. Default: the inventory's, else changed.",
            show_default=False,
        ),
    ] = None,
    wave: Annotated[
        str | None,
        typer.Option(
            "--wave",
            metavar="N|N%,...",
            help="Hosts restarted together, wave by wave; the last size repeats. The next wave "
            "begins once every daemon of this one answers. Default: the inventory's, else "
            "1,10%,50%.",
            show_default=False,
        ),
    ] = None,
    max_fail: Annotated[
        str | None,
        typer.Option(
            "--max-fail",
            metavar="N|N%",
            help="Stop when more hosts than this have failed, unreachable ones included. Default: "
            "the inventory's; else only restarts stop the run: any in the first wave, or more "
            "than 10% later.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Restart without asking, although containers stop.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Leave out the hosts that the last run has done."),
    ] = False,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Only the hosts that the last run did not finish."),
    ] = False,
    home: HomeOption = None,
    inventory: InventoryOption = None,
    limit: LimitOption = None,
    exclude: ExcludeOption = None,
    output: FleetOutputOption = FleetOutput.TABLE,
    parallel: ParallelOption = None,
    timeout: TimeoutOption = None,
    run_timeout: RunTimeoutOption = None,
    retries: RetriesOption = 2,
    user: UserOption = None,
    port: PortOption = None,
    identity_file: IdentityOption = None,
    known_hosts: KnownHostsOption = None,
    host_key: HostKeyOption = HostKeyChoice.STRICT,
    ask_pass: AskPassOption = False,
    password_file: PasswordFileOption = None,
    ask_become_pass: AskBecomePassOption = False,
    become_password_file: BecomePasswordFileOption = None,
    key_passphrase_file: KeyPassphraseFileOption = None,
    verbose: VerboseOption = 0,
    quiet: QuietOption = False,
) -> None:
    """Take the registry's trust off every host, and restart the daemons that had it.

    Only what certkit put there goes, by its record on the host or by content; anything else is
    named and left. Empty directories go too, since clients take an empty one in place of a later
    one. The rest is as with distribute: files first, then restarts in waves, and a daemon that does
    not come back gets its file back. The home keeps the authority.
    """
    from certkit.cli.ask import confirm_restarts, next_steps, note_in_home, operator
    from certkit.cli.session import Flags, Session
    from certkit.fleet import distribute as engine
    from certkit.fleet.limits import connections_kept
    from certkit.fleet.plan import DistributeOptions
    from certkit.fleet.resume import Recorder
    from certkit.fleet.targets import targets_for
    from certkit.fleet.waves import DEFAULT_WAVES, Share, WavePlan

    session = Session(
        Flags(
            registry=registry,
            home=home,
            inventory=inventory,
            limit=limit,
            exclude=exclude,
            output=output,
            verbose=verbose,
            quiet=quiet,
            user=user,
            port=port,
            identity_file=identity_file,
            known_hosts=known_hosts,
            host_key=host_key,
            ask_pass=ask_pass,
            password_file=password_file,
            ask_become_pass=ask_become_pass,
            become_password_file=become_password_file,
            key_passphrase_file=key_passphrase_file,
        )
    )
    settings = session.inventory.settings
    waves, most = wave or settings.wave, max_fail or settings.max_fail
    targets = targets_for(
        session.hosts,
        session.references,
        session.bundle.pem,
        settings,
        restart.value if restart else None,
        remove=True,
    )
    plan = WavePlan.parse(waves) if waves else DEFAULT_WAVES
    budget = Share.parse(most, "--max-fail") if most else None
    width = parallel or settings.parallel or 64
    recorder = Recorder(
        "remove", session.files.reference.text, targets, resume=resume, failed=retry_failed
    )
    if not check:
        problem = recorder.begin()
        if problem:
            session.warn(problem)
    with session.running({"place": "checking" if check else "removing"}) as running:
        watcher = session.watcher(recorder, running.screen)
        recorder.announce(watcher)
        results = engine.distribute(
            recorder.targets,
            running.connector,
            DistributeOptions(
                parallel=width,
                retries=retries,
                host_timeout=timeout,
                run_timeout=run_timeout,
                keep=connections_kept(running.open_files, width),
                check=check,
                force=force,
                diff=diff,
                waves=plan,
                max_fail=budget,
                operator=operator(),
            ),
            watcher=watcher,
            stop=session.stop,
            confirm=lambda asked: confirm_restarts(session, running, asked, yes=yes),
        )
    report = session.report("remove", recorder.complete(results), check=check)
    recorder.finish(report.summary)
    if not check:
        note_in_home(session, report)
    session.show(report, next_steps(session, report))
    raise session.done(report)
