"""Restarting one host's daemons, one after another, through a lost link too."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from certkit.errors import ErrorKind, HostError
from certkit.fleet.job import Crew, Job
from certkit.fleet.policy import STOPPED
from certkit.fleet.report import Outcome, Problem
from certkit.fleet.stock import placed_end, state_of
from certkit.fleet.talk import Talk
from certkit.remote.report import RestartReport, RuntimeReport
from certkit.transport.connection import Connection

# How often a host that works on unseen is asked how it stands, in seconds.
_ASK_AGAIN = 2.0


def restart_job(crew: Crew, talk: Talk, job: Job) -> tuple[Outcome, Problem | None]:
    """Restart what is due on one host; the first daemon that does not come back ends it.

    Args:
        crew: The run.
        talk: How the host is spoken to.
        job: The host, placed; what is known of its runtimes is updated.

    Returns:
        How the host ends, and why when that is not well.
    """
    with crew.clocked(job):
        for position, index in enumerate(job.due):
            try:
                problem, outcome = _restart_one(crew, talk, job, index)
            except HostError as error:
                problem, outcome = Problem.of(error), Outcome.FAILED
            if problem is not None:
                for later in job.due[position + 1 :]:
                    _note(job, later, ["not restarted, since the one before it failed; still due"])
                return outcome, problem
    return placed_end(job, check=False)


def _restart_one(crew: Crew, talk: Talk, job: Job, index: int) -> tuple[Problem | None, Outcome]:
    assert job.placed is not None
    report = job.placed.runtimes[index]
    runtime = state_of(job.state, report)
    activation = runtime.activation
    patience = 4.0 * (activation.timeout if activation else 0) + crew.host_limit(job.host)
    lost = False

    def work(connection: Connection) -> RestartReport:
        nonlocal lost
        try:
            if lost:
                return _resume(crew, talk, job, report, connection, patience)
            return talk.restart(connection, runtime, report.user, _changed(report))
        except HostError as error:
            # A restart may have begun, so the next try looks before it acts.
            lost = lost or error.retryable
            raise

    done = crew.attempt(job, work, patience)
    name = job.runtimes[index].name
    _note(job, index, done.journal)
    hung = " in time" if done.reason == "hung" else ""
    if done.result == "restarted":
        job.amend(index, restarted=True)
        return None, Outcome.CHANGED
    if done.result == "rolled_back":
        # The old files are back: nothing of this runtime is changed any more.
        job.amend(index, changed=())
        return (
            Problem(
                ErrorKind.DAEMON,
                f"restarted {name}, which did not come back{hung}; it runs on its old files again",
                "see its last log lines in the report, or `journalctl -u` on the host",
            ),
            Outcome.ROLLED_BACK,
        )
    if done.result == "refused":
        _note(job, index, [STOPPED])
        return None, Outcome.CHANGED
    return (
        Problem(
            ErrorKind.DAEMON,
            f"restarted {name}, which did not come back{hung}, not even on its old files",
            "log in and see what its service manager says",
        ),
        Outcome.FAILED,
    )


def _resume(
    crew: Crew,
    talk: Talk,
    job: Job,
    report: RuntimeReport,
    connection: Connection,
    patience: float,
) -> RestartReport:
    """Learn how a restart ended whose answer was lost; do it again where it never began.

    The host's program goes on without its link, holding the host's lock until it is through.
    """
    deadline = time.monotonic() + patience
    ask = partial(
        talk.place,
        connection,
        job.state,
        check=True,
        force=False,
        restarts=True,
        limit=crew.host_limit(job.host),
    )
    while True:
        seen = next(
            (one for one in ask().runtimes if (one.name, one.user) == (report.name, report.user)),
            None,
        )
        if seen is None:
            raise HostError(ErrorKind.DAEMON, f"no longer has {report.name}")
        back = any("content" in file.reason for file in seen.files)
        if back and seen.daemon:
            return RestartReport(report.name, report.user, "rolled_back", 0.0)
        if not seen.restart_due and seen.daemon:
            return RestartReport(report.name, report.user, "restarted", 0.0)
        try:
            runtime = state_of(job.state, report)
            return talk.restart(connection, runtime, report.user, _changed(report))
        except HostError as error:
            # The lock: the restart whose answer was lost is still under way.
            if error.kind is not ErrorKind.CONFLICT or time.monotonic() > deadline:
                raise
            crew.stop.wait(_ASK_AGAIN)


def _changed(report: RuntimeReport) -> list[str]:
    """The files this run changed; what earlier runs changed, the host itself remembers."""
    return [file.path for file in report.files if file.result == "changed"]


def _note(job: Job, index: int, lines: Sequence[str]) -> None:
    job.amend(index, notes=(*job.runtimes[index].notes, *lines))
