"""Restarting one host's daemons, one after another, through a lost link too."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from certkit.errors import ErrorKind, HostError
from certkit.fleet.crew import Crew
from certkit.fleet.job import Job
from certkit.fleet.policy import MEANWHILE, STOPPED
from certkit.fleet.report import Outcome, Problem
from certkit.fleet.stock import placed_end, state_of
from certkit.fleet.talk import Talk
from certkit.remote.report import RestartReport, RuntimeReport
from certkit.transport.connection import Connection

# How often a host that works on unseen is asked how it stands, in seconds.
_ASK_AGAIN = 2.0


def restart_job(
    crew: Crew, talk: Talk, job: Job, *, always: bool = False
) -> tuple[Outcome, Problem | None]:
    """Restart what is due on one host; the first daemon that does not come back ends it.

    Args:
        crew: The run.
        talk: How the host is spoken to.
        job: The host, placed; what is known of its runtimes is updated.
        always: Restart also what another run has restarted in the meantime.

    Returns:
        How the host ends, and why when that is not well.
    """
    with crew.clocked(job):
        for position, index in enumerate(job.due):
            assert job.placed is not None
            one = _Restart(crew, talk, job, job.placed.runtimes[index], always)
            try:
                problem, outcome = _restart_one(one, index)
            except HostError as error:
                problem, outcome = Problem.of(error), Outcome.FAILED
            if problem is not None:
                for later in job.due[position + 1 :]:
                    _note(job, later, ["not restarted, since the one before it failed; still due"])
                return outcome, problem
    return placed_end(job, check=False)


@dataclass
class _Restart:
    """One daemon that is to be restarted.

    Attributes:
        lost: Whether a link was lost in it, so that it may have begun.
        doubled: Whether it may have been restarted twice, because of that.
    """

    crew: Crew
    talk: Talk
    job: Job
    report: RuntimeReport
    always: bool
    lost: bool = False
    doubled: bool = False

    def work(self, connection: Connection) -> RestartReport:
        """Restart it; after a lost link, look first."""
        try:
            if self.lost:
                return self._resume(connection)
            done = self._restart(connection)
            if done.reason == "done" and _is_another(self._look(connection)):
                return done._replace(reason="replaced")
            return done
        except HostError as error:
            self.lost = self.lost or error.retryable
            raise

    @property
    def patience(self) -> float:
        """Seconds after which nothing is tried again."""
        activation = state_of(self.job.state, self.report).activation
        limit = 4.0 * (activation.timeout if activation else 0)
        return limit + self.crew.host_limit(self.job.host)

    @property
    def _due(self) -> bool:
        """Whether the host tells by itself that the restart is through."""
        return self.report.restart_due and not self.always

    def _restart(self, connection: Connection) -> RestartReport:
        report = self.report
        runtime = state_of(self.job.state, report)
        # What earlier runs changed, the host itself remembers.
        changed = [file.path for file in report.files if file.result == "changed"]
        return self.talk.restart(connection, runtime, report.user, changed, due=self._due)

    def _look(self, connection: Connection) -> RuntimeReport:
        placed = self.talk.place(
            connection,
            self.job.state,
            check=True,
            force=False,
            restarts=True,
            limit=self.crew.host_limit(self.job.host),
        )
        name, user = self.report.name, self.report.user
        for seen in placed.runtimes:
            if (seen.name, seen.user) == (name, user):
                return seen
        raise HostError(ErrorKind.DAEMON, f"no longer has {name}")

    def _resume(self, connection: Connection) -> RestartReport:
        """Learn how a restart ended whose answer was lost; do it again where it never began.

        The host's program goes on without its link, holding the host's lock until it is through.
        """
        deadline = time.monotonic() + self.patience
        while True:
            seen = self._look(connection)
            # While one is due, the way back has not ended, or could not: that is asked for again.
            if seen.daemon and not seen.restart_due and _is_another(seen):
                return RestartReport(seen.name, seen.user, "rolled_back", 0.0, restored=True)
            if self.report.restart_due and seen.daemon and not seen.restart_due:
                return RestartReport(seen.name, seen.user, "restarted", 0.0)
            # Where none was due, nothing tells whether it began: it was asked for all the same.
            self.doubled = not self.report.restart_due
            try:
                done = self._restart(connection)
            except HostError as error:
                # The lock: the restart whose answer was lost is still under way.
                if error.kind is not ErrorKind.CONFLICT or time.monotonic() > deadline:
                    raise
            else:
                if done.reason != "done" or time.monotonic() > deadline:
                    return done
            self.crew.stop.wait(_ASK_AGAIN)


def _is_another(seen: RuntimeReport) -> bool:
    """Whether other trust stands there than this run has placed."""
    return any("content" in file.reason for file in seen.files)


def _restart_one(one: _Restart, index: int) -> tuple[Problem | None, Outcome]:
    job = one.job
    try:
        done = one.crew.attempt(job, one.work, one.patience)
    except HostError:
        if one.lost:
            _note(job, index, ["its link was lost in a restart: how that ended is not known"])
        raise
    name = job.runtimes[index].name
    _note(job, index, done.journal)
    if done.restored or done.result == "rolled_back" or done.reason == "replaced":
        # Nothing that this run has changed still stands.
        job.amend(index, changed=())
    if done.reason == "replaced":
        return (
            Problem(
                ErrorKind.CONFLICT,
                f"another run restarted {name} meanwhile, and left other trust than this one "
                "placed: the old files, or those of another authority",
                "certkit status tells what is there; let one operator work at a time",
            ),
            Outcome.FAILED,
        )
    if done.result == "restarted":
        job.amend(index, restarted=True)
        if one.doubled:
            _note(job, index, ["its link was lost in a restart, so it may have had two"])
        return None, Outcome.CHANGED
    if done.result == "refused":
        _note(job, index, [MEANWHILE if done.reason == "done" else STOPPED])
        return None, Outcome.CHANGED
    again = f"certkit {'remove' if job.state.removes else 'distribute'}"
    return (
        Problem(ErrorKind.DAEMON, _how_it_ended(name, done), _what_next(done, again)),
        Outcome.ROLLED_BACK if done.result == "rolled_back" else Outcome.FAILED,
    )


def _how_it_ended(name: str, done: RestartReport) -> str:
    hung = " in time" if done.reason == "hung" else ""
    what = f"restarted {name}, which did not come back{hung}"
    if done.reason == "command":
        what = f"the command that should restart {name} failed"
    if done.result != "rollback_failed":
        what += "; it runs"
    if done.restored is None:
        return what
    if not done.restored:
        return f"{what}, and not all of its old files could be put back"
    not_even = "not even " if done.result == "rollback_failed" else ""
    return f"{what}, {not_even}on its old files"


def _what_next(done: RestartReport, again: str) -> str:
    if done.result == "rollback_failed":
        return f"log in and see what its service manager says; the next `{again}` starts it as well"
    if done.result == "stuck":
        return (
            "see its last log lines in the report, and what keeps its files from being written; "
            f"the next `{again}` restarts it once more"
        )
    if done.reason == "command":
        return "see the last log lines in the report, and try restart_command on the host"
    return "see its last log lines in the report, or `journalctl -u` on the host"


def _note(job: Job, index: int, lines: Sequence[str]) -> None:
    job.amend(index, notes=(*job.runtimes[index].notes, *lines))
