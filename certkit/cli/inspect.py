"""``certkit inspect``: look at a certificate, bundle, key, registry, home or live server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from certkit.cli.options import DocumentOutput, HomeOption, OutputOption

if TYPE_CHECKING:
    from certkit.home.inspection.shape import Inspection


def inspect(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE|REGISTRY|HOST:PORT]",
            help="A PEM file, a registry of the home, or a live server; default: the home.",
            show_default=False,
        ),
    ] = None,
    live: Annotated[
        bool,
        typer.Option("--live", help="Ask the running registry, also when the home knows it."),
    ] = False,
    home: HomeOption = None,
    output: OutputOption = DocumentOutput.TABLE,
) -> None:
    """Show a certificate, a bundle, a key, the home, or what a live registry serves.

    A file that exists wins; then a registry of the home; else a live server is asked, and judged
    by the home. Keys are never printed. Exits with 4 when something has expired, is lax, or a
    live registry does not serve what the home says.
    """
    from datetime import datetime, timezone

    from certkit.cli import words
    from certkit.errors import ExitCode
    from certkit.home.inspection.inspect import inspect_target
    from certkit.home.place import home_path

    found: Inspection = inspect_target(
        target, home_path(home), live=live, now=datetime.now(timezone.utc)
    )
    console = words.console_for(output)
    if output is DocumentOutput.JSON:
        words.say_json(found.to_json())
    else:
        for number, section in enumerate(found.sections):
            if number:
                words.say(console)
            words.say(console, section.heading, "bold")
            words.say_pairs(console, section.pairs)
    if found.attention:
        raise typer.Exit(ExitCode.ATTENTION.value)
