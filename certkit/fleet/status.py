"""How a fleet stands: every host read in one round trip, nothing written anywhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from certkit.errors import HostError
from certkit.fleet.crew import Crew, guarded
from certkit.fleet.drift.directory import Wanted
from certkit.fleet.drift.findings import Finding
from certkit.fleet.drift.runtime import judge_host, judge_runtime
from certkit.fleet.events import PhaseStarted, Watcher
from certkit.fleet.job import Job, RunOptions
from certkit.fleet.plan import Target
from certkit.fleet.report import HostResult, Outcome, RuntimeResult, Standing
from certkit.fleet.stock import nothing_found
from certkit.fleet.stop import Stop
from certkit.fleet.system import ALREADY, vouched_for
from certkit.fleet.talk import RemoteTalk, Talk
from certkit.remote.survey import HostSurvey, RuntimeSurvey
from certkit.transport.connection import Connection, Connector


def status(
    targets: Sequence[Target],
    wanted: Wanted,
    connector: Connector,
    options: RunOptions,
    *,
    watcher: Watcher = lambda event: None,
    stop: Stop | None = None,
    talk: Talk | None = None,
) -> list[HostResult]:
    """Read how every host stands.

    Args:
        targets: The hosts and what they should look like.
        wanted: What their trust is held to.
        connector: Opens the connections; closing it is the caller's.
        options: Bounds.
        watcher: Told of every event, one at a time.
        stop: Lets a signal handler stop the run.
        talk: How hosts are spoken to; the remote program by default.

    Returns:
        One result for each target, in their order: ``unchanged`` where all is as it should be,
        ``would_change`` where something wants attention.
    """
    crew = Crew(connector, options, watcher, stop or Stop())
    talk = talk or RemoteTalk()
    jobs = [Job(target.host, target.state) for target in targets]
    try:
        crew.emit(PhaseStarted("status", len(jobs)))
        crew.work_on(jobs, partial(_look, crew, talk, wanted))
        for job in jobs:
            if job.result is None:
                crew.skip(job)
    finally:
        for job in jobs:
            job.close()
    return [job.result for job in jobs if job.result is not None]


def _look(crew: Crew, talk: Talk, wanted: Wanted, job: Job) -> None:
    with crew.admitted(job):

        def ask(connection: Connection) -> tuple[HostSurvey, float]:
            survey = talk.survey(connection, job.state, crew.host_limit(job.host))
            return survey, time.time()

        try:
            with crew.clocked(job):
                survey, told_at = guarded(lambda: crew.attempt(job, ask))
                vouched = guarded(lambda: vouched_for(crew, talk, job, survey))
        except HostError as error:
            crew.fail(job, error)
            return
        crew.accepted(job.host)
    try:
        outcome = guarded(lambda: _judge(job, survey, wanted, told_at, vouched))
    except HostError as error:
        crew.fail(job, error)
        return
    crew.finish(job, outcome)


def _judge(
    job: Job,
    survey: HostSurvey,
    wanted: Wanted,
    told_at: float,
    vouched: frozenset[tuple[str, str]],
) -> Outcome:
    job.clock = survey.epoch - told_at
    job.findings = judge_host(survey, told_at)
    if not survey.runtimes:
        nothing = nothing_found(job.state)
        job.findings += (Finding("no_runtime", "", nothing.message, nothing.hint),)
    job.runtimes = [
        _result(
            runtime,
            wanted,
            survey.epoch,
            survey.uid,
            vouched=(runtime.name, runtime.user) in vouched,
        )
        for runtime in survey.runtimes
    ]
    found = [*job.findings]
    for runtime in job.runtimes:
        found += runtime.standing.findings if runtime.standing else ()
    return Outcome.WOULD_CHANGE if any(one.attention for one in found) else Outcome.UNCHANGED


def _result(
    survey: RuntimeSurvey, wanted: Wanted, epoch: int, uid: int, *, vouched: bool
) -> RuntimeResult:
    judged = judge_runtime(survey, wanted, epoch, uid)
    findings = judged.findings
    if vouched:
        findings = (
            *(one for one in findings if one.kind != "missing"),
            Finding("system", "", f"{survey.name}: {ALREADY}"),
        )
    free = [place.free for place in survey.places if place.free is not None]
    return RuntimeResult(
        name=f"{survey.name} ({survey.user})" if survey.user else survey.name,
        version=survey.version,
        standing=Standing(
            trusts=judged.trusts,
            findings=findings,
            daemon=survey.daemon,
            running=survey.running,
            live_restore=survey.live_restore,
            restart_due=survey.restart_due,
            free=min(free) * 1024 if free else None,
        ),
    )
