"""One wrong password must not be tried on a thousand hosts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from certkit.inventory.model import Host
from certkit.secret import Secret


class PasswordGate:
    """Keeps one wrong password from being sent to a whole fleet, which locks accounts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: list[tuple[tuple[Secret | None, ...], threading.Lock, threading.Event]] = []

    @contextmanager
    def turn(self, host: Host) -> Iterator[bool]:
        """Wait until a host may be tried; yield whether its passwords were accepted before."""
        entry = self._entry(host)
        if entry is None or entry[1].is_set():
            yield True
            return
        with entry[0]:
            # Others come through unhindered as soon as the first one was accepted.
            if entry[1].is_set():
                entry = None
            else:
                yield False
                return
        yield True

    def accepted(self, host: Host) -> None:
        """Note that a host took its passwords: others with the same ones go ahead."""
        entry = self._entry(host)
        if entry is not None:
            entry[1].set()

    def _entry(self, host: Host) -> tuple[threading.Lock, threading.Event] | None:
        secrets = (host.password, host.become.password)
        if secrets == (None, None):
            return None
        with self._lock:
            for known, lock, event in self._known:
                if known == secrets:
                    return lock, event
            self._known.append((secrets, threading.Lock(), threading.Event()))
            return self._known[-1][1:]
