"""``certkit rotate``: a new authority in place of the old one, without one failed pull."""

from __future__ import annotations

from typing import Annotated

import typer

from certkit.cli.flags import Flags, SpreadFlags
from certkit.cli.grouped import Only, Without, grouped
from certkit.cli.options import DocumentOutput, OutputOption, PassphraseFileOption
from certkit.cli.rotate_steps import passphrases, rotating, walk

app = typer.Typer(rich_markup_mode=None)

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
# A rotation leaves nobody out but by --waive.
StepFlags = Annotated[Flags, Without("limit", "exclude", "registry_host", "run_timeout")]
ServingStepFlags = Annotated[Flags, Without("limit", "exclude", "run_timeout")]
StepSpread = Annotated[SpreadFlags, Without("check", "diff", "resume", "retry_failed")]


@app.callback(invoke_without_command=True)
def _rotate(context: typer.Context) -> None:
    """Replace a registry's authority without one failed pull.

    start, switch, finish: hosts trust both authorities before the registry serves a certificate of
    the new one, and lose the old one after that. abort goes back. Every step can be run again.
    Alone, it walks through them and asks before each; options go with the steps.
    """
    if context.invoked_subcommand is None:
        raise typer.Exit(walk().value)


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
    no_passphrase: Annotated[
        bool, typer.Option("--no-passphrase", help="Leave the new authority's key plain.")
    ] = False,
    how: StepSpread,
    flags: StepFlags,
) -> None:
    """Make a new authority and put both, old and new, on every host; then see who trusts both.

    What the registry serves stays as it is. Run again, it makes nothing twice.
    """
    step = rotating(flags, how)
    sources = passphrases(passphrase_file, refused=no_passphrase)
    code = step.start(sources, permit or (), compromised=compromised)
    raise typer.Exit(code.value)


@app.command(short_help="Put the new authority's certificate into service.")
@grouped
def switch(
    *,
    waive: WaiveOption = None,
    served: ServedOption = False,
    passphrase_file: PassphraseFileOption = None,
    how: Annotated[SpreadFlags, Only("force")],
    flags: ServingStepFlags,
) -> None:
    """Put a certificate of the new authority into service, once every host has proven its trust.

    Refused, with 1, while a host has not: one that cannot be reached has not. What is served is
    compared afterwards. Exits with 4 when the certificate has to be put into service by hand.
    """
    step = rotating(flags, how)
    sources = passphrases(passphrase_file)
    code = step.switch(sources, waive or (), served=served, force=how.force)
    raise typer.Exit(code.value)


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

    Refused, with 1, while a host has not.
    """
    step = rotating(flags, how)
    code = step.finish(waive or (), destroy=destroy_old_key)
    raise typer.Exit(code.value)


@app.command(short_help="Go back to the old authority.")
@grouped
def abort(
    *,
    served: ServedOption = False,
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

    Exits with 4 when the old certificate has to be put back into service by hand.
    """
    step = rotating(flags, how)
    code = step.abort(served=served, force=how.force, back_to_compromised=back_to_compromised)
    raise typer.Exit(code.value)


@app.command(short_help="Show where a rotation stands and what comes next.")
@grouped
def status(
    *,
    output: OutputOption = DocumentOutput.TABLE,
    flags: Annotated[Flags, Only("registry", "home", "inventory")],
) -> None:
    """Show where the rotation stands, which hosts lack proof, and what to do next.

    Read from the home; no host is asked. Exits with 4 while a rotation is under way.
    """
    from certkit.cli import words
    from certkit.errors import ExitCode

    found = rotating(flags, SpreadFlags()).report
    if output is DocumentOutput.JSON:
        words.say_json(found.to_json())
    else:
        console = words.console_for(output)
        state = found.rollover
        words.say(console, f"{found.registry}: {found.stands}", "bold")
        pairs = [("old", state.old), ("new", state.new)] if state.old else []
        if state.since is not None:
            pairs.append(("since", f"{state.since:%Y-%m-%d %H:%M} UTC"))
        pairs += found.missing
        pairs += [("waived", ", ".join(found.waived))] if found.waived else []
        words.say_pairs(console, pairs)
        sentence, command = found.next_step
        if command:
            words.say(console, f"Next: {sentence}:")
            words.say(console, f"  {command}", "cyan")
    if found.rollover.phase.under_way:
        raise typer.Exit(ExitCode.ATTENTION.value)
