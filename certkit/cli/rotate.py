"""``certkit rotate``: a new authority in place of the old one, without one failed pull."""

from __future__ import annotations

from typing import Annotated

import typer

from certkit.cli.flags import Flags, SpreadFlags
from certkit.cli.grouped import Only, Without, grouped
from certkit.cli.options import DocumentOutput, FromOption, OutputOption, PassphraseFileOption
from certkit.cli.rotate_steps import (
    WalkingGroup,
    carry_out,
    passphrases,
    walk_through,
    where_it_stands,
)

app = typer.Typer(rich_markup_mode=None, cls=WalkingGroup)

WaiveOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="HOST",
        help="Do not wait for this host at this gate; it is recorded. Repeatable.",
        show_default=False,
    ),
]
ServedOption = Annotated[
    bool,
    typer.Option(
        "--served", help="The certificate was put into service by hand: see for yourself."
    ),
]
NoPassphraseOption = Annotated[
    bool, typer.Option("--no-passphrase", help="Leave the new authority's key plain.")
]
# A rotation leaves nobody out but by --waive.
StepFlags = Annotated[Flags, Without("limit", "exclude", "registry_host", "run_timeout")]
ServingStepFlags = Annotated[Flags, Without("limit", "exclude", "run_timeout")]
WalkFlags = Annotated[Flags, Without("limit", "exclude", "run_timeout", "output")]
StepSpread = Annotated[SpreadFlags, Without("check", "diff", "resume", "retry_failed")]


@app.callback()
def _rotate() -> None:
    """Replace a registry's authority without one failed pull.

    start, switch, finish: hosts trust both authorities before the registry serves a certificate of
    the new one, and lose the old one after that. abort goes back. Every step can be run again.
    Without a step, and with any options of walk, it walks through them and asks before each.
    """


@app.command(short_help="Go through all steps, asking before each; the default.")
@grouped
def walk(
    *,
    passphrase_file: PassphraseFileOption = None,
    no_passphrase: NoPassphraseOption = False,
    how: StepSpread,
    flags: WalkFlags,
) -> None:
    """Go through the steps that remain, and ask before each.

    Ends with 4 where the answer is no; run again, it goes on from there. Needs a terminal.
    """
    sources = passphrases(passphrase_file, refused=no_passphrase)
    walk_through(flags, how, sources)


@app.command(short_help="Make a new authority; distribute old and new.")
@grouped
def start(
    *,
    permit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ZONE|NETWORK",
            help="Let the new authority sign for this as well. Repeatable.",
            show_default=False,
        ),
    ] = None,
    compromised: Annotated[
        bool,
        typer.Option(
            "--compromised",
            help="The old key has leaked: no overlap. Hosts pull nothing until the switch is done.",
        ),
    ] = False,
    passphrase_file: PassphraseFileOption = None,
    no_passphrase: NoPassphraseOption = False,
    how: StepSpread,
    flags: StepFlags,
) -> None:
    """Make a new authority and put both, old and new, on every host; then see who trusts both.

    What the registry serves stays as it is. Run again, it makes nothing twice. Exits with 1 when a
    host failed, with 4 when one that did not fail has not proven that it trusts both.
    """
    sources = passphrases(passphrase_file, refused=no_passphrase)
    carry_out(
        "start",
        flags,
        how,
        lambda step: step.start(sources, permit or (), compromised=compromised),
    )


@app.command(short_help="Put the new authority's certificate into service.")
@grouped
def switch(
    *,
    waive: WaiveOption = None,
    served: ServedOption = False,
    witnesses: FromOption = None,
    passphrase_file: PassphraseFileOption = None,
    how: Annotated[SpreadFlags, Only("force")],
    flags: ServingStepFlags,
) -> None:
    """Put a certificate of the new authority into service, once every host has proven its trust.

    Refused, with 1, while a host has not: one that cannot be reached has not. What is served is
    compared afterwards. Exits with 4 when the certificate has to be put into service by hand.
    """
    sources = passphrases(passphrase_file)
    carry_out(
        "switch",
        flags,
        how,
        lambda step: step.switch(
            sources, waive or (), served=served, witnesses=witnesses, force=how.force
        ),
    )


@app.command(short_help="Take the old authority off the hosts.")
@grouped
def finish(
    *,
    waive: WaiveOption = None,
    destroy_old_key: Annotated[
        bool,
        typer.Option(
            "--destroy-old-key",
            help="Remove the old keys instead of archiving them. Back-ups still have them.",
        ),
    ] = False,
    how: StepSpread,
    flags: StepFlags,
) -> None:
    """Take the old authority away, once every host has reached the registry by the new one.

    Refused, with 1, while a host has not. Exits with 1 when a host kept the old authority because
    it failed, with 4 when one that did not fail has not proven that it trusts the new one alone.
    """
    carry_out("finish", flags, how, lambda step: step.finish(waive or (), destroy=destroy_old_key))


@app.command(short_help="Go back to the old authority.")
@grouped
def abort(
    *,
    waive: WaiveOption = None,
    served: ServedOption = False,
    witnesses: FromOption = None,
    back_to_compromised: Annotated[
        bool,
        typer.Option(
            "--back-to-compromised", help="Go back although the old authority is compromised."
        ),
    ] = False,
    how: StepSpread,
    flags: ServingStepFlags,
) -> None:
    """Go back to the old authority, at any point before finish: its certificate, then its trust.

    From a compromised authority it waits until every host trusts the old one again, but for those
    of --waive. Exits with 4 when the old certificate has to be put back into service by hand.
    """
    carry_out(
        "abort",
        flags,
        how,
        lambda step: step.abort(
            waive or (),
            served=served,
            witnesses=witnesses,
            force=how.force,
            back_to_compromised=back_to_compromised,
        ),
    )


@app.command(short_help="Show where a rotation stands and what comes next.")
@grouped
def status(
    *,
    output: OutputOption = DocumentOutput.TABLE,
    flags: Annotated[Flags, Only("registry", "home", "inventory")],
) -> None:
    """Show where the rotation stands, which hosts lack proof, and what to do next.

    Read from the home; no host is asked. Without an inventory the hosts are those that the home
    has a record of. Exits with 4 while a rotation is under way.
    """
    from certkit.cli import words
    from certkit.cli.again import Again
    from certkit.cli.render import rotation
    from certkit.errors import ExitCode

    found, again = where_it_stands(flags), Again.of(vars(flags)).completed
    if output is DocumentOutput.JSON:
        words.say_json(rotation.document("status", found, again))
    else:
        rotation.show(words.console_for(output), found, again)
    if found.open:
        raise typer.Exit(ExitCode.ATTENTION.value)
