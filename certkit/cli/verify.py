"""``certkit verify``: prove from every host that its runtimes trust the registry."""

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
    RetriesOption,
    RunTimeoutOption,
    TimeoutOption,
    UserOption,
    VerboseOption,
)


def verify(
    registry: RegistryArgument = None,
    image: Annotated[
        str | None,
        typer.Option(
            "--image",
            metavar="REPO[:TAG|@DIGEST]",
            help="Pull this image of the registry on every host; all must come by one digest, and "
            "by that digest too. Default: ask for a name that does not exist.",
            show_default=False,
        ),
    ] = None,
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
    """Prove from every host that its runtimes trust the registry's certificate.

    Two legs: a TLS handshake with only the installed file as root, and the answer of the daemon
    itself. A pass that proves nothing (an insecure registry, localhost) counts as a failure.
    """
    from certkit.cli.session import Flags, Session
    from certkit.fleet import verify as engine
    from certkit.fleet.image import image_of
    from certkit.fleet.targets import targets_for

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
    targets = targets_for(session.hosts, session.references, session.bundle.pem, settings)
    pulled = "" if image is None else image_of(image, session.references)
    with session.running() as running:
        results = engine.verify(
            targets,
            session.references,
            running.connector,
            engine.VerifyOptions(
                parallel=parallel or settings.parallel or 64,
                retries=retries,
                host_timeout=timeout,
                run_timeout=run_timeout,
                image=pulled,
            ),
            watcher=session.watcher(running.screen),
            stop=session.stop,
        )
    report = session.report("verify", results, check=False)
    session.show(report, [])
    raise session.done(report)
