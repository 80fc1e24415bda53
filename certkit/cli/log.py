"""``certkit log``: who did what, when, to which hosts."""

from __future__ import annotations

from typing import Annotated

import typer

from certkit.cli.options import DocumentOutput, HomeOption, OutputOption


def log(
    registry: Annotated[
        str | None,
        typer.Argument(
            metavar="[REGISTRY]",
            help="Only about this registry; default: everything in the home.",
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="Only from this on: a day, a moment, or a time back (7d, 12h). UTC.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", help="Only the latest N entries.", show_default=False),
    ] = None,
    home: HomeOption = None,
    output: OutputOption = DocumentOutput.TABLE,
) -> None:
    """Show the home's journal: who did what, when, to which hosts, with what result."""
    from datetime import datetime, timezone

    from certkit.cli import words
    from certkit.cli.render.text import plain
    from certkit.home.history import history_json, parse_since, read_history
    from certkit.home.home import Home
    from certkit.home.place import home_path

    start = parse_since(since, datetime.now(timezone.utc)) if since is not None else None
    entries = read_history(Home.open(home_path(home)), registry, start, limit)
    if output is DocumentOutput.JSON:
        words.say_json(history_json(entries))
        return
    console = words.console_for(output)
    if not entries:
        words.say(console, "The journal has no such entry.")
    for entry in entries:
        words.say(console, plain(entry.headline))
        words.say_pairs(console, [(plain(a), plain(b)) for a, b in entry.details], indent=4)
