"""Placing trust on a fleet: copy everywhere first, then restart carefully.

Placing files harms nobody, so it runs wide. A restart can stop containers, so restarts run in
waves, the canary first, each daemon proven healthy on its host before the next wave begins. Where
it was asked for, insecure settings go last, once the trust stands: a reload stops nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from certkit.errors import HostError
from certkit.fleet.crew import Crew, guarded
from certkit.fleet.events import HostAdvanced, PhaseStarted, Watcher, WaveStarted
from certkit.fleet.job import Job
from certkit.fleet.plan import DistributeOptions, RestartPlan, Target, restart_plan
from certkit.fleet.report import FAILURES, HostResult, Outcome, Problem
from certkit.fleet.restart import restart_job
from certkit.fleet.stock import placed_end, take_stock
from certkit.fleet.stop import Stop
from certkit.fleet.talk import RemoteTalk, Talk
from certkit.fleet.waves import Budget
from certkit.inventory.model import RestartPolicy
from certkit.remote.report import PlaceReport
from certkit.transport.connection import Connection, Connector

Confirm = Callable[[RestartPlan], bool]


@dataclass
class _Run:
    """What the threads of one distribution share."""

    crew: Crew
    options: DistributeOptions
    talk: Talk
    budget: Budget
    policies: Mapping[str, RestartPolicy]
    kept: int = 0
    results: dict[str, HostResult] = field(default_factory=dict)

    def settle(self, result: HostResult, *, restarting: bool = False, canary: bool = False) -> None:
        """Note a finished host, and stop the run when too many have failed."""
        with self.crew.together():
            self.results[result.name] = result
            if result.outcome in FAILURES:
                reason = self.budget.failed(result.name, restarting=restarting, canary=canary)
                if reason:
                    self.crew.stop.request(reason)


def distribute(
    targets: Sequence[Target],
    connector: Connector,
    options: DistributeOptions,
    *,
    watcher: Watcher = lambda event: None,
    stop: Stop | None = None,
    confirm: Confirm = lambda plan: True,
    talk: Talk | None = None,
) -> list[HostResult]:
    """Place trust on hosts and restart what must be, in waves.

    Args:
        targets: The hosts; each at most once.
        connector: Opens the connections; closing it is the caller's.
        options: Bounds, waves, budget.
        watcher: Told of every event, one at a time.
        stop: Lets a signal handler stop the run.
        confirm: Asked once, by the calling thread, before the first restart; False leaves every
            daemon alone.
        talk: How hosts are spoken to; the remote program by default.

    Returns:
        One result for each target, in their order.
    """
    stop = stop or Stop()
    crew = Crew(connector, options, watcher, stop)
    run = _Run(
        crew,
        options,
        talk or RemoteTalk(options.operator),
        Budget(options.max_fail, len(targets)),
        {target.host.name: target.policy for target in targets},
    )
    jobs = [Job(target.host, target.state) for target in targets]
    try:
        crew.emit(PhaseStarted("place", len(jobs)))
        left = crew.work_on(jobs, partial(_place, run))
        waiting = [job for job in jobs if job.result is None and job.due]
        if waiting and not stop.requested():
            _restart_all(run, waiting, confirm)
        retiring = [job for job in jobs if job.result is None and job.retiring and not job.due]
        if retiring and not stop.requested():
            crew.emit(PhaseStarted("retire", len(retiring)))
            crew.work_on(retiring, partial(_retire, run))
        for job in (*left, *waiting, *retiring):
            if job.result is None:
                run.settle(crew.skip(job))
    finally:
        for job in jobs:
            job.close()
    return [run.results[target.host.name] for target in targets]


def _place(run: _Run, job: Job) -> None:
    """Place the files of one host; finish it unless a restart is due."""
    crew = run.crew
    with crew.admitted(job):
        try:
            with crew.clocked(job):
                if guarded(lambda: _needs_nothing(run, job)):
                    crew.accepted(job.host)
                    guarded(lambda: _take_settings(run, job))
                    _placed(run, job)
                    return
                job.placed = placed = guarded(
                    lambda: crew.attempt(job, partial(_exchange, run, job))
                )
        except HostError as error:
            run.settle(crew.fail(job, error))
            return
        crew.accepted(job.host)
    try:
        problem = guarded(lambda: _take_stock(run, job, placed))
    except HostError as error:
        problem = Problem.of(error)
    if problem is not None:
        run.settle(crew.finish(job, Outcome.FAILED, problem))
    else:
        _placed(run, job)


def _needs_nothing(run: _Run, job: Job) -> bool:
    if job.state.removes or not any(runtime.vouched for runtime in job.state.runtimes):
        return False
    from certkit.fleet.system import needs_nothing

    return needs_nothing(run.crew, run.talk, job)


def _placed(run: _Run, job: Job) -> None:
    """Finish a host, or let it wait for the phases that follow, with its connection if few do."""
    check = run.options.check
    if check or not (job.due or job.retiring):
        run.settle(run.crew.finish(job, *placed_end(job, check=check)))
        return
    with run.crew.together():
        run.kept += 1
        keep = run.kept <= run.options.keep
    if not keep:
        job.close()
    run.crew.emit(HostAdvanced(job.host.name, "place"))


def _exchange(run: _Run, job: Job, connection: Connection) -> PlaceReport:
    options = run.options
    return run.talk.place(
        connection,
        job.state,
        check=options.check,
        force=options.force,
        restarts=run.policies[job.host.name] != "never",
        limit=run.crew.host_limit(job.host),
    )


def _take_stock(run: _Run, job: Job, placed: PlaceReport) -> Problem | None:
    check, diff = run.options.check, run.options.diff
    problem = take_stock(job, placed, run.policies[job.host.name], check=check, diff=diff)
    if problem is None:
        _take_settings(run, job)
    return problem


def _take_settings(run: _Run, job: Job) -> None:
    if job.state.retire_insecure:
        from certkit.fleet.retire import take_settings

        take_settings(job, check=run.options.check, diff=run.options.diff)


def _restart_all(run: _Run, jobs: Sequence[Job], confirm: Confirm) -> None:
    """Restart what is due, wave by wave, until done or stopped."""
    waves = run.options.waves.split(jobs)
    agreed = confirm(restart_plan(jobs, waves))
    if run.crew.stop.requested():
        # Ctrl-C at the question is an interruption, not an answer.
        return
    if not agreed:
        for job in jobs:
            for index in job.due:
                notes = (*job.runtimes[index].notes, "not restarted: declined, and still due")
                job.amend(index, notes=notes)
            _after_restarts(run, job)
        return
    run.budget.to_restart = len(jobs)
    run.crew.emit(PhaseStarted("restart", len(jobs)))
    for number, wave in enumerate(waves):
        if run.crew.stop.requested():
            break
        run.crew.emit(WaveStarted(number, len(waves), tuple(job.host.name for job in wave)))
        run.crew.work_on(wave, partial(_restart, run, number == 0))


def _restart(run: _Run, canary: bool, job: Job) -> None:
    always = run.policies[job.host.name] == "always"
    try:
        outcome, problem = guarded(lambda: restart_job(run.crew, run.talk, job, always=always))
    except HostError as error:
        outcome, problem = Outcome.FAILED, Problem.of(error)
    if job.retiring and problem in (None, job.left):
        _after_restarts(run, job)
        return
    result = run.crew.finish(job, outcome, problem)
    run.settle(result, restarting=True, canary=canary)


def _after_restarts(run: _Run, job: Job) -> None:
    """Finish a host, or let it wait for the next phase with its connection, if few do."""
    job.due = ()
    if not job.retiring:
        run.settle(run.crew.finish(job, *placed_end(job, check=False)))
        return
    if run.kept > run.options.keep:
        job.close()
    run.crew.emit(HostAdvanced(job.host.name, "restart"))


def _retire(run: _Run, job: Job) -> None:
    """Take the registry out of one host's lists of insecure ones, and finish it."""
    from certkit.fleet.retire import retire_job

    try:
        outcome, problem = guarded(lambda: retire_job(run.crew, run.talk, job))
    except HostError as error:
        outcome, problem = Outcome.FAILED, Problem.of(error)
    run.settle(run.crew.finish(job, outcome, problem))
