"""How a run works on its hosts: bounded, tried again, told of, one wrong password on one host."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from certkit.errors import ErrorKind, HostError
from certkit.fleet.events import Event, HostFinished, HostRetrying, RunStopping, Watcher
from certkit.fleet.gate import PasswordGate, StoppedInLine
from certkit.fleet.job import Job, RunOptions
from certkit.fleet.pool import sweep
from certkit.fleet.report import HostResult, Outcome, Problem
from certkit.fleet.stop import Stop
from certkit.inventory.model import Host
from certkit.remote.exchange import Exchange
from certkit.transport.connection import Connection, Connector

_T = TypeVar("_T")
_J = TypeVar("_J", bound=Job)

_BACKOFF = 1.0
_BACKOFF_AT_MOST = 30.0


class Crew:
    """What all threads of one run share: the connector, the retries, the way to report.

    Args:
        connector: Opens connections.
        options: Bounds.
        watcher: Told of everything, one event at a time.
        stop: Ends retries and keeps new hosts from starting.
    """

    def __init__(
        self, connector: Connector, options: RunOptions, watcher: Watcher, stop: Stop
    ) -> None:
        self.connector = connector
        self.options = options
        self.stop = stop
        self._watcher = watcher
        self._lock = threading.RLock()
        self._passwords = PasswordGate()
        self._began = time.monotonic()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Hold the lock that counters and events share."""
        with self._lock:
            yield

    def emit(self, event: Event) -> None:
        """Tell the watcher, from whichever thread, one event at a time."""
        with self._lock:
            self._watcher(event)

    def work_on(self, jobs: Sequence[_J], work: Callable[[_J], None]) -> list[_J]:
        """Work on hosts in a sliding window; return those not started because the run stopped."""
        told = False

        def tick(left: int) -> None:
            nonlocal told
            self._look_at_clock()
            if self.stop.requested() and not told:
                told = True
                self.emit(RunStopping(self.stop.reason, left))

        return sweep(jobs, work, parallel=self.options.parallel, stop=self.stop, tick=tick)

    def _look_at_clock(self) -> None:
        """Stop the run when its time is up."""
        limit = self.options.run_timeout
        if limit is not None and not self.stop.requested() and self.elapsed > limit:
            self.stop.request(f"the run was given {limit:g} s, and they are over")

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    @contextmanager
    def clocked(self, job: Job) -> Iterator[None]:
        """Count the time inside towards the host."""
        began = time.monotonic()
        try:
            yield
        finally:
            job.seconds += time.monotonic() - began

    def attempt(self, job: Job, work: Callable[[Connection], _T], limit: float | None = None) -> _T:
        """Connect where needed and do the work, again after failures that may pass.

        A failure closes the connection, so that each further try begins afresh.

        Args:
            job: The host.
            work: What to do on its connection.
            limit: Seconds after which nothing is tried again; None for the host's own.

        Raises:
            HostError: The last failure.
        """
        deadline = time.monotonic() + (limit or self.host_limit(job.host))
        attempt = 1

        def take_turn() -> None:
            nonlocal deadline
            assert job.turn is not None
            queued = job.turn.take(self.stop)
            # Waiting for other hosts is not this one's time.
            deadline += queued
            job.seconds -= queued

        while True:
            try:
                return work(self._connected(job, take_turn))
            except HostError as error:
                job.close()
                if getattr(error, "stops_run", False):
                    self.stop.request(f"{job.host.name} {error.message}", whole=True)
                delay = backoff(attempt)
                if (
                    not error.retryable
                    or attempt > self.options.retries
                    or time.monotonic() + delay > deadline
                    or self.stop.requested()
                ):
                    raise
                self.emit(HostRetrying(job.host.name, error.message, attempt, delay))
                if job.turn is not None:
                    job.turn.pass_on(error)
                if self.stop.wait(delay):
                    raise
            attempt += 1

    def host_limit(self, host: Host) -> float:
        """Seconds for the work on one host, restarts excluded."""
        return self.options.host_timeout or host.timeouts.host

    @contextmanager
    def admitted(self, job: Job) -> Iterator[None]:
        """Have hosts that share a password logged in to one by one until it was accepted once.

        Inside, `attempt` waits for the host's turn before the first login. Where the run is
        stopped meanwhile it raises, and `fail` then counts the host as skipped.
        """
        job.turn = self._passwords.turn(job.host)
        try:
            yield
        finally:
            job.turn.end()
            job.turn = None

    def accepted(self, host: Host) -> None:
        """Note that the host took its passwords."""
        self._passwords.accepted(host)

    def finish(
        self, job: Job, outcome: Outcome, error: HostError | Problem | None = None
    ) -> HostResult:
        """Close the host's connection, fix its result and tell of it."""
        job.close()
        problem = Problem.of(error) if isinstance(error, HostError) else error
        job.result = HostResult(
            job.host.name,
            job.address or job.host.address,
            outcome,
            job.seconds,
            tuple(job.runtimes),
            problem,
            job.findings,
            job.clock,
        )
        self.emit(HostFinished(job.result))
        return job.result

    def fail(self, job: Job, error: HostError) -> HostResult:
        """Finish a host that failed; unreachable only when nothing can have changed there."""
        if isinstance(error, StoppedInLine):
            return self.skip(job)
        lost = error.unreachable and not job.reached
        return self.finish(job, Outcome.UNREACHABLE if lost else Outcome.FAILED, error)

    def skip(self, job: Job) -> HostResult:
        """Finish a host that the stop left out."""
        what, hint = "not tried", "the same command again goes on from here"
        if job.due:
            what = "not restarted"
            hint = "its files are done; the same command again restarts what is due"
        elif job.retiring:
            what, hint = "left with its insecure setting", f"its files are done; {hint}"
        return self.finish(
            job,
            Outcome.SKIPPED,
            Problem(ErrorKind.INTERRUPTED, f"was {what}: {self.stop.reason}", hint),
        )

    def _connected(self, job: Job, take_turn: Callable[[], None]) -> Connection:
        if job.connection is None:
            due = job.turn is not None and job.turn.due
            job.connection = self.connector.connect(job.host, take_turn if due else None)
            job.reached = True
            job.address = job.connection.peer or job.host.address
        return job.connection


def guarded(work: Callable[[], _T]) -> _T:
    """Do the work; what is no `HostError` becomes one, so that one host cannot end the run."""
    try:
        return work()
    except HostError:
        raise
    except Exception as error:
        raise HostError(
            ErrorKind.INTERNAL,
            f"met a defect in certkit: {type(error).__name__}: {error}",
            "run with -vv and report what it says",
        ) from error


def bounded(exchange: Exchange, seconds: float) -> Exchange:
    """Shorten an exchange's own limit to what the host has left."""
    return replace(exchange, limit=min(exchange.limit, seconds))


def backoff(attempt: int) -> float:
    """Seconds before try `attempt` + 1: 1, 2, 4 ... 30, each by 0.5 to 1.5 at random.

    The spread keeps hosts that failed together from coming back together.
    """
    base: float = min(_BACKOFF * 2 ** (attempt - 1), _BACKOFF_AT_MOST)
    return base * (0.5 + random.random())
