"""One wrong password must not be tried on a thousand hosts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from certkit.errors import HostError
from certkit.inventory.model import Host
from certkit.secret import Secret

_Secrets = tuple[Secret | None, ...]


@dataclass
class _Line:
    """The hosts that share their passwords, one at a time until one was let in.

    Attributes:
        changed: Guards the rest, and wakes those who wait.
        proven: Whether a host took the passwords.
        holder: The thread whose host is being tried.
        waiting: For each thread that waits, how often its host failed, then when it came.
        came: How many have waited so far.
    """

    changed: threading.Condition = field(default_factory=threading.Condition)
    proven: bool = False
    holder: int | None = None
    waiting: list[tuple[int, int]] = field(default_factory=list)
    came: int = 0

    def enter(self, failures: int) -> None:
        with self.changed:
            place = (failures, self.came)
            self.came += 1
            self.waiting.append(place)
            # Hosts not tried yet go first: a dead one that is tried again holds up nobody new.
            self.changed.wait_for(
                lambda: self.proven or (self.holder is None and min(self.waiting) == place)
            )
            self.waiting.remove(place)
            if not self.proven:
                self.holder = threading.get_ident()
            self.changed.notify_all()

    def leave(self) -> bool:
        """Let the next one go; return whether this thread had the turn."""
        with self.changed:
            held = self.holder == threading.get_ident()
            if held:
                self.holder = None
                self.changed.notify_all()
            return held


class PasswordGate:
    """Keeps one wrong password from being sent to a whole fleet, which locks accounts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: list[tuple[_Secrets, _Line]] = []

    @contextmanager
    def turn(self, host: Host) -> Iterator[bool]:
        """Wait until a host may be tried; yield whether its passwords were accepted before."""
        line = self._line(host)
        if line is None:
            yield True
            return
        line.enter(0)
        try:
            yield line.proven
        finally:
            line.leave()

    def back_off(
        self, host: Host, error: HostError, failures: int, pause: Callable[[], object]
    ) -> float:
        """Pause before a host is tried again; others go meanwhile if it was sent no password.

        Args:
            host: Its thread is inside `turn`.
            error: How it failed.
            failures: How often it did; hosts that failed less go before it.
            pause: Returns when the host may be tried again.

        Returns:
            Seconds waited for a new turn after the pause.
        """
        line = self._line(host)
        # Once a login has begun nobody knows whether the password was refused.
        sent = not error.unreachable or getattr(error, "login_begun", False)
        if line is None or sent or not line.leave():
            pause()
            return 0.0
        pause()
        since = time.monotonic()
        line.enter(failures)
        return time.monotonic() - since

    def accepted(self, host: Host) -> None:
        """Note that a host took its passwords: others with the same ones go ahead."""
        line = self._line(host)
        if line is not None:
            with line.changed:
                line.proven = True
                line.changed.notify_all()

    def _line(self, host: Host) -> _Line | None:
        secrets = (host.password, host.become.password)
        if secrets == (None, None):
            return None
        with self._lock:
            for known, line in self._known:
                if known == secrets:
                    return line
            self._known.append((secrets, _Line()))
            return self._known[-1][1]
