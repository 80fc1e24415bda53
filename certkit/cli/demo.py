"""``certkit demo``: the whole job on an embedded fleet, in a minute, on any machine."""

from __future__ import annotations

import typer

from certkit.errors import ExitCode


def demo() -> None:
    """Show the whole job on a fleet and a registry embedded in this process.

    Nothing is installed, nothing is changed outside one temporary directory, and that is removed
    at the end. Exits 0 only when every step showed what it should.
    """
    from certkit.demo.run import run

    raise typer.Exit((ExitCode.DONE if run() else ExitCode.FAILED).value)
