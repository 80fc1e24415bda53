"""What `distribute` and the steps of a rotation do between the session and the report."""

from __future__ import annotations

from collections.abc import Callable

from certkit.cli.ask import confirm_restarts, next_steps, note_in_home, operator
from certkit.cli.flags import SpreadFlags
from certkit.cli.session import Session
from certkit.fleet import distribute as engine
from certkit.fleet.plan import DistributeOptions
from certkit.fleet.report import FleetReport
from certkit.fleet.resume import Recorder
from certkit.fleet.targets import targets_for
from certkit.fleet.waves import DEFAULT_WAVES, Share, WavePlan


def spread(
    session: Session,
    how: SpreadFlags,
    steps: Callable[[Session, FleetReport], list[str]] = next_steps,
    *,
    show: bool = True,
) -> FleetReport:
    """Distribute the session's bundle over its hosts, and show the report.

    Args:
        session: The run.
        how: The options.
        steps: What is worth running then.
        show: Whether the report is printed; one document is all that a command may print.
    """
    settings = session.inventory.settings
    waves, most = how.wave or settings.wave, how.max_fail or settings.max_fail
    targets = targets_for(
        session.hosts,
        session.references,
        session.bundle.pem,
        settings,
        how.restart.value if how.restart else None,
    )
    plan = WavePlan.parse(waves) if waves else DEFAULT_WAVES
    budget = Share.parse(most, "--max-fail") if most else None
    registry = session.files.reference.text
    recorder = Recorder("distribute", registry, targets, resume=how.resume, failed=how.retry_failed)
    if not how.check:
        problem = recorder.begin()
        if problem:
            session.warn(problem)
    with session.running({"place": "checking"} if how.check else None) as running:
        watcher = session.watcher(recorder, running.screen)
        recorder.announce(watcher)
        results = engine.distribute(
            recorder.targets,
            running.connector,
            DistributeOptions(
                **vars(running.bounds),
                check=how.check,
                force=how.force,
                diff=how.diff,
                waves=plan,
                max_fail=budget,
                operator=operator(),
            ),
            watcher=watcher,
            stop=session.stop,
            confirm=lambda asked: confirm_restarts(session, running, asked, yes=how.yes),
        )
    report = session.report("distribute", recorder.complete(results), check=how.check)
    recorder.finish(report.summary)
    if not how.check:
        note_in_home(session, report)
    if show:
        session.show(report, steps(session, report))
    return report
