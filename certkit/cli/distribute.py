"""``certkit distribute``: put the trust on every host, and restart what must be."""

from __future__ import annotations

from certkit.cli.flags import FleetFlags, SpreadFlags
from certkit.cli.grouped import grouped


@grouped
def distribute(*, how: SpreadFlags, flags: FleetFlags) -> None:
    """Put the registry's trust on every host, and restart the daemons whose trust changed.

    Files are placed everywhere first; nothing is touched where they stand already. Then daemons
    are restarted, one host first, each proven healthy before the next wave; a daemon that does not
    come back gets its old files back. On a terminal, a run that stops containers asks first.
    """
    from certkit.cli.ask import next_steps
    from certkit.cli.session import Session
    from certkit.operations import distributing

    session = Session(flags, yes=how.yes)
    report = distributing.distribute(session, how.distribution)
    session.show(report, next_steps(session, report))
    raise session.done(report)
