"""Trust put on hosts, or taken off them; the run and the home's journal record it."""

from __future__ import annotations

from typing import NamedTuple

from certkit.errors import CertkitError
from certkit.fleet import distribute as engine
from certkit.fleet.events import Event
from certkit.fleet.plan import DistributeOptions
from certkit.fleet.report import FleetReport
from certkit.fleet.resume import Recorder
from certkit.fleet.waves import DEFAULT_WAVES, Share, WavePlan
from certkit.inventory.folding import count, fold, fold_names
from certkit.inventory.model import RestartPolicy
from certkit.operations.run import Run, operator, report_of, targets_of


class Distribution(NamedTuple):
    """How trust is distributed.

    Attributes:
        check: Only look; nothing is changed anywhere.
        diff: Describe what differs in the report.
        force: Touch files that certkit did not write.
        restart: Which daemons are restarted; None for what the inventory says.
        wave: Sizes of the restart waves, as ``--wave`` takes them; None as above.
        max_fail: How many hosts may fail, as ``--max-fail`` takes it; None as above.
        resume: Leave out what the last run has done.
        retry_failed: Only what the last run did not finish.
        retire_insecure: Whether hosts that list the registry as insecure are to verify it then.
    """

    check: bool = False
    diff: bool = False
    force: bool = False
    restart: RestartPolicy | None = None
    wave: str | None = None
    max_fail: str | None = None
    resume: bool = False
    retry_failed: bool = False
    retire_insecure: bool = False


def distribute(run: Run, how: Distribution, *, remove: bool = False) -> FleetReport:
    """Put the run's bundle on its hosts, or take it off them.

    Raises:
        InputError: A wave or a share is malformed, or there is no last run to go on from.
    """
    command = "remove" if remove else "distribute"
    settings = run.inventory.settings
    waves, most = how.wave or settings.wave, how.max_fail or settings.max_fail
    plan = WavePlan.parse(waves) if waves else DEFAULT_WAVES
    budget = Share.parse(most, "--max-fail") if most else None
    recorder = Recorder(
        command,
        run.files.reference.text,
        targets_of(run, how.restart, remove=remove, retire_insecure=how.retire_insecure),
        resume=how.resume,
        failed=how.retry_failed,
    )
    if not how.check:
        problem = recorder.begin()
        if problem:
            run.warn(problem)
    doing = "checking" if how.check else "removing" if remove else "placing"
    with run.running({"place": doing}) as running:

        def watcher(event: Event) -> None:
            recorder(event)
            running.watcher(event)

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
            # A spent budget ends the restarts, and not what the run looks at afterwards.
            stop=run.stop.part(),
            confirm=running.confirm,
        )
    report = report_of(run, command, recorder.complete(results), check=how.check)
    recorder.finish(report.summary)
    if not how.check:
        _note(run, report, retired=how.retire_insecure)
    return report


def _note(run: Run, report: FleetReport, *, retired: bool) -> None:
    """Write one line about the run into the home's journal."""
    hosts = {
        outcome.value: fold_names(one.name for one in group)
        for outcome, group in fold(report.hosts, lambda host: host.outcome)
    }
    did = "removed trust from" if report.command == "remove" else "placed trust on"
    also = ", and retired insecure settings" if retired else ""
    try:
        run.home.journal.append(
            report.command,
            registry=report.registry,
            what=f"{did} {count(len(report.hosts), 'host')}{also}",
            hosts=hosts,
            bundle=[entry.sha256 for entry in report.bundle],
            result=report.exit_code.value,
        )
    except CertkitError as error:
        # The hosts are done; a full disk here must not make the report disappear.
        run.warn(f"the home's journal has no line of this run: {error.message}")
