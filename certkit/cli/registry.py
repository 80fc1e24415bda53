"""``certkit registry``: the registry's own certificate, put into service and looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from certkit.cli.options import (
    AskBecomePassOption,
    AskPassOption,
    BecomePasswordFileOption,
    DocumentOutput,
    FleetOutput,
    FleetOutputOption,
    HomeOption,
    HostKeyChoice,
    HostKeyOption,
    IdentityOption,
    InventoryOption,
    KeyPassphraseFileOption,
    KnownHostsOption,
    OutputOption,
    PasswordFileOption,
    PortOption,
    QuietOption,
    RegistryArgument,
    RetriesOption,
    UserOption,
    VerboseOption,
)

if TYPE_CHECKING:
    pass

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

RegistryHostOption = Annotated[
    Path | None,
    typer.Option(
        "--registry-host",
        metavar="FILE",
        help="A YAML file that holds what stands under registry_host: in an inventory, in its "
        "place.",
        show_default=False,
    ),
]

FromOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="PATTERN",
        help="Look from these hosts of the inventory too; as --limit elsewhere.",
        show_default=False,
    ),
]


@app.callback()
def _registry() -> None:
    """The registry's own certificate: put it into service, see what is served."""


@app.command(short_help="Put the certificate and key into service.")
def deploy(
    registry: RegistryArgument = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 4 when there is work to do.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that certkit did not write.")
    ] = False,
    waiting: Annotated[
        bool,
        typer.Option(
            "--next",
            help="The certificate that `certkit renew` made; it becomes the current one when it "
            "is served.",
        ),
    ] = False,
    witnesses: FromOption = None,
    registry_host: RegistryHostOption = None,
    home: HomeOption = None,
    inventory: InventoryOption = None,
    output: FleetOutputOption = FleetOutput.TABLE,
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
    """Put the registry's certificate and key on its host, and make the registry serve them.

    The inventory's registry_host: says where, and how the registry runs. What is really served is
    compared with what was deployed; where it does not match or does not come up, the old files
    come back.
    """
    from certkit.cli import serving
    from certkit.cli.session import Flags, Session

    session = Session(
        Flags(
            registry=registry,
            home=home,
            inventory=inventory,
            limit=None,
            exclude=None,
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
            registry_host=registry_host,
        )
    )
    report = serving.deploy(
        session, check=check, force=force, waiting=waiting, witnesses=witnesses, retries=retries
    )
    raise session.done(report)


@app.command(short_help="See what is served, and whether the home says so.")
def status(
    registry: RegistryArgument = None,
    witnesses: FromOption = None,
    registry_host: RegistryHostOption = None,
    home: HomeOption = None,
    inventory: InventoryOption = None,
    output: OutputOption = DocumentOutput.TABLE,
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
) -> None:
    """Show what the registry serves now, by whom issued, until when, and what the home says.

    Looks from this machine, from the registry's host where the inventory names it, and from the
    hosts of --from. Nothing is changed. Exits with 4 when it is not what the home says, or no
    place saw a certificate.
    """
    from certkit.cli import serving
    from certkit.cli.session import Flags, Session

    session = Session(
        Flags(
            registry=registry,
            home=home,
            inventory=inventory,
            limit=None,
            exclude=None,
            output=FleetOutput(output.value),
            verbose=verbose,
            quiet=False,
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
            registry_host=registry_host,
        )
    )
    found = serving.status(session, witnesses=witnesses, output=output)
    if found.attention:
        from certkit.errors import ExitCode

        raise typer.Exit(ExitCode.ATTENTION.value)
