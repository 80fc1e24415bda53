"""``certkit distribute``: put the trust on every host, and restart what must be."""

from __future__ import annotations

from typing import Annotated

import typer

from certkit.cli.flags import FleetFlags, SpreadFlags
from certkit.cli.grouped import grouped


@grouped
def distribute(
    *,
    how: SpreadFlags,
    retire_insecure: Annotated[
        bool,
        typer.Option(
            "--retire-insecure",
            help="Then, where the trust is proven on the host, take the registry out of "
            "insecure-registries in Docker's daemon.json; reloaded, not restarted.",
        ),
    ] = False,
    flags: FleetFlags,
) -> None:
    """Put the registry's trust on every host, and restart the daemons whose trust changed.

    Files are placed everywhere first; nothing is touched where they stand already. Then daemons
    are restarted, one host first, each proven healthy before the next wave; a daemon that does not
    come back gets its old files back. On a terminal, a run that stops containers asks first.
    """
    from certkit.cli.next_steps import next_steps
    from certkit.cli.session import Session
    from certkit.operations import distributing

    session = Session(flags, yes=how.yes)
    wanted = how.distribution._replace(retire_insecure=retire_insecure)
    report = distributing.distribute(session, wanted)
    option = "--retire-insecure" if retire_insecure else ""
    session.show(report, next_steps(session, report, option))
    raise session.done(report)
