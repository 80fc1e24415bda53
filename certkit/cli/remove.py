"""``certkit remove``: take the trust off every host, and restart what must be."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from certkit.cli.flags import FleetFlags, SpreadFlags
from certkit.cli.grouped import Without, grouped


@grouped
def remove(
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Remove ca.crt also where certkit did not write it.")
    ] = False,
    how: Annotated[SpreadFlags, Without("force")],
    flags: FleetFlags,
) -> None:
    """Take the registry's trust off every host, and restart the daemons that had it.

    Only what certkit put there goes, by its record on the host or by content; anything else is
    named and left. Empty directories go too, since clients take an empty one in place of a later
    one. The rest is as with distribute: files first, then restarts in waves, and a daemon that does
    not come back gets its file back. The home keeps the authority.
    """
    from certkit.cli.next_steps import next_steps
    from certkit.cli.session import Session
    from certkit.operations import distributing

    session = Session(flags, yes=how.yes)
    wanted = replace(how, force=force).distribution
    report = distributing.distribute(session, wanted, remove=True)
    session.show(report, next_steps(session, report))
    raise session.done(report)
