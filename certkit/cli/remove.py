"""``certkit remove``: take the trust off every host, and restart what must be."""

from __future__ import annotations

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
    from certkit.cli.ask import confirm_restarts, next_steps, note_in_home, operator
    from certkit.cli.session import Session
    from certkit.fleet import distribute as engine
    from certkit.fleet.plan import DistributeOptions
    from certkit.fleet.resume import Recorder
    from certkit.fleet.targets import targets_for
    from certkit.fleet.waves import DEFAULT_WAVES, Share, WavePlan

    session = Session(flags)
    settings = session.inventory.settings
    waves, most = how.wave or settings.wave, how.max_fail or settings.max_fail
    targets = targets_for(
        session.hosts,
        session.references,
        session.bundle.pem,
        settings,
        how.restart.value if how.restart else None,
        remove=True,
    )
    plan = WavePlan.parse(waves) if waves else DEFAULT_WAVES
    budget = Share.parse(most, "--max-fail") if most else None
    recorder = Recorder(
        "remove", session.files.reference.text, targets, resume=how.resume, failed=how.retry_failed
    )
    if not how.check:
        problem = recorder.begin()
        if problem:
            session.warn(problem)
    with session.running({"place": "checking" if how.check else "removing"}) as running:
        watcher = session.watcher(recorder, running.screen)
        recorder.announce(watcher)
        results = engine.distribute(
            recorder.targets,
            running.connector,
            DistributeOptions(
                **vars(running.bounds),
                check=how.check,
                force=force,
                diff=how.diff,
                waves=plan,
                max_fail=budget,
                operator=operator(),
            ),
            watcher=watcher,
            stop=session.stop,
            confirm=lambda asked: confirm_restarts(session, running, asked, yes=how.yes),
        )
    report = session.report("remove", recorder.complete(results), check=how.check)
    recorder.finish(report.summary)
    if not how.check:
        note_in_home(session, report)
    session.show(report, next_steps(session, report))
    raise session.done(report)
