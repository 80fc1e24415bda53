"""How a run is told to start nothing new: by the operator, a spent budget or a deadline."""

from __future__ import annotations

import threading


class Stop:
    """One decision, seen by all threads: no new host is started, those in flight are finished.

    `request` is safe in a signal handler as long as the main thread never sits in `wait`, which
    only the workers use.
    """

    def __init__(self, whole: Stop | None = None) -> None:
        self._whole = whole
        self._event = threading.Event()
        self._reason = ""
        self._interrupted = False
        self._parts: list[Stop] = []

    def part(self) -> Stop:
        """Return the stop of one part of the run; what ends the whole run ends the part as well.

        A part that is stopped by itself, by its failure budget for instance, ends alone.
        """
        part = Stop(self)
        self._parts.append(part)
        if self.requested():
            part.request(self._reason, interrupted=self._interrupted)
        return part

    def requested(self) -> bool:
        """Whether nothing new may be started."""
        return self._event.is_set()

    @property
    def reason(self) -> str:
        """Why, as a clause that reads after "not tried:"; empty while the run goes on."""
        return self._reason

    @property
    def interrupted(self) -> bool:
        """Whether it was the operator who stopped the run, by Ctrl-C or SIGTERM."""
        return self._interrupted

    def request(self, reason: str, *, interrupted: bool = False, whole: bool = False) -> None:
        """Stop the run; the first reason stays, and an interruption is remembered in any case.

        Args:
            reason: Why, as `reason` has it.
            interrupted: Whether it was the operator.
            whole: Whether the run that this is a part of ends as well.
        """
        if interrupted:
            self._interrupted = True
        if not self._reason:
            self._reason = reason
        self._event.set()
        if whole and self._whole is not None:
            self._whole.request(reason)
        for part in self._parts:
            part.request(reason, interrupted=interrupted)

    def wait(self, seconds: float) -> bool:
        """Sleep, in a worker thread; return True, and at once, when the run is to stop."""
        return self._event.wait(seconds)
