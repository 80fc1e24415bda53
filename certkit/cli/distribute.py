"""``certkit distribute``: put the trust on every host, and restart what must be."""

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


def distribute(
    registry: RegistryArgument = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 4 when there is work to do.")
    ] = False,
    diff: Annotated[
        bool,
        typer.Option("--diff", help="Show what differs, as certificates: subject, print, expiry."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that certkit did not write.")
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
    """Put the registry's trust on every host, and restart the daemons whose trust changed.

    Files are placed everywhere first; nothing is touched where they stand already. Then daemons
    are restarted, one host first, each proven healthy before the next wave; a daemon that does not
    come back gets its old files back. On a terminal, a run that stops containers asks first.
    """
    from certkit.cli.session import Flags, Session
    from certkit.cli.spreading import Spread, spread

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
    report = spread(
        session,
        Spread(
            check=check,
            diff=diff,
            force=force,
            restart=restart.value if restart else None,
            wave=wave,
            max_fail=max_fail,
            yes=yes,
            resume=resume,
            retry_failed=retry_failed,
            parallel=parallel,
            timeout=timeout,
            run_timeout=run_timeout,
            retries=retries,
        ),
    )
    raise session.done(report)
