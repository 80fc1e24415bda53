"""Bounds every wait. paramiko has waits without a timeout; cutting the socket ends them all."""

from __future__ import annotations

import contextlib
import heapq
import threading
import time
from collections.abc import Callable
from types import TracebackType


class Lease:
    """One wait that may last until its deadline; a context manager.

    Attributes:
        fired: Whether the deadline passed, so that the wait was cut.
        cut_off: Whether `Watchdog.abort` ended it.
    """

    __slots__ = ("_cut", "_dog", "cut_off", "deadline", "done", "fired")

    def __init__(self, dog: Watchdog, deadline: float, cut: Callable[[], object]) -> None:
        self._dog = dog
        self._cut = cut
        self.deadline = deadline
        self.fired = False
        self.cut_off = False
        self.done = False

    def __lt__(self, other: Lease) -> bool:
        return self.deadline < other.deadline

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """The wait is over; the deadline means nothing any more."""
        self._dog._forget(self)

    def _fire(self) -> None:
        # A cut that fails has nothing left to cut.
        with contextlib.suppress(Exception):
            self._cut()

    @property
    def left(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self.deadline - time.monotonic())


class Watchdog:
    """One thread that cuts what lasts too long; started when first needed.

    All deadlines are on the monotonic clock: wall clocks jump, and paramiko waits by them.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._heap: list[Lease] = []
        self._live: set[Lease] = set()
        self._thread: threading.Thread | None = None
        self._closed = False
        self.aborted = False

    def lease(self, seconds: float, cut: Callable[[], object]) -> Lease:
        """Begin a wait.

        Args:
            seconds: How long it may last.
            cut: Ends it, from another thread; must not block.
        """
        lease = Lease(self, time.monotonic() + seconds, cut)
        with self._condition:
            if self.aborted:
                lease.cut_off = lease.done = True
            else:
                self._live.add(lease)
                heapq.heappush(self._heap, lease)
                if self._thread is None and not self._closed:
                    self._thread = threading.Thread(
                        target=self._watch, name="certkit-watchdog", daemon=True
                    )
                    self._thread.start()
                elif self._heap[0] is lease:
                    self._condition.notify()
        if lease.cut_off:
            lease._fire()
        return lease

    def abort(self) -> None:
        """Cut every wait, and every one that begins from now on."""
        with self._condition:
            self.aborted = True
            leases = list(self._live)
            self._live.clear()
            for lease in leases:
                lease.cut_off = lease.done = True
        for lease in leases:
            lease._fire()

    def close(self) -> None:
        """Stop the thread; waits still under way are no longer bounded."""
        with self._condition:
            self._closed = True
            thread, self._thread = self._thread, None
            self._condition.notify()
        if thread is not None:
            thread.join(5)

    def _forget(self, lease: Lease) -> None:
        with self._condition:
            lease.done = True
            self._live.discard(lease)

    def _watch(self) -> None:
        while True:
            due: Lease | None = None
            with self._condition:
                if self._closed:
                    return
                while self._heap and self._heap[0].done:
                    heapq.heappop(self._heap)
                left = self._heap[0].deadline - time.monotonic() if self._heap else None
                if left is not None and left <= 0:
                    due = heapq.heappop(self._heap)
                    due.done = due.fired = True
                    self._live.discard(due)
                else:
                    self._condition.wait(left)
            if due is not None:
                due._fire()
