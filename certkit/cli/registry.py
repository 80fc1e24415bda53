"""``certkit registry``: the registry's own certificate, put into service and looked at."""

from __future__ import annotations

from typing import Annotated

import typer

from certkit.cli.flags import Flags, ServerFlags
from certkit.cli.grouped import Without, grouped
from certkit.cli.options import DocumentOutput, FromOption, OutputOption

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _registry() -> None:
    """The registry's own certificate: put it into service, see what is served."""


@app.command(short_help="Put the certificate and key into service.")
@grouped
def deploy(
    *,
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
    flags: ServerFlags,
) -> None:
    """Put the registry's certificate and key on its host, and make the registry serve them.

    The inventory's registry_host: says where, and how the registry runs. What is really served is
    compared with what was deployed; where it does not match or does not come up, the old files
    come back.
    """
    from certkit.cli.next_steps import tell_of, then_look
    from certkit.cli.session import Session
    from certkit.operations import serving

    session = Session(flags)
    put = serving.serve(session, check=check, force=force, waiting=waiting, witnesses=witnesses)
    session.show(put.report, then_look(session, put))
    if waiting:
        tell_of(session, put)
        raise typer.Exit(put.exit_code.value)
    raise session.done(put.report)


@app.command(short_help="See what is served, and whether the home says so.")
@grouped
def status(
    *,
    witnesses: FromOption = None,
    output: OutputOption = DocumentOutput.TABLE,
    flags: Annotated[
        Flags,
        Without(
            "limit", "exclude", "output", "parallel", "timeout", "run_timeout", "retries", "quiet"
        ),
    ],
) -> None:
    """Show what the registry serves now, by whom issued, until when, and what the home says.

    Looks from this machine, from the registry's host where the inventory names it, and from the
    hosts of --from. Nothing is changed. Exits with 4 when it is not what the home says, or no
    place saw a certificate.
    """
    from certkit.cli import words
    from certkit.cli.render.service import show_service
    from certkit.cli.session import Session
    from certkit.errors import ExitCode
    from certkit.operations import serving

    session = Session(flags)
    found = session.told(serving.standing(session, witnesses))
    verdict = session.again(found.verdict)
    if output is DocumentOutput.JSON:
        words.say_json({**found.to_json(), "verdict": verdict})
    else:
        show_service(words.console_for(output), found, verdict)
    if found.attention:
        raise typer.Exit(ExitCode.ATTENTION.value)
