"""How many handshakes run at once, apart from how many hosts are worked on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from certkit.transport.options import ConnectorOptions


class HandshakeLimiter:
    """Semaphores for the run, for each bastion and for each address, and a small start spread.

    sshd drops unauthenticated connections at random from the tenth on (MaxStartups), and one
    machine under several names must not be hit by all of them at once.
    """

    def __init__(self, options: ConnectorOptions) -> None:
        self._all = threading.BoundedSemaphore(options.handshakes)
        self._per_bastion = options.handshakes_per_bastion
        self._per_address = options.handshakes_per_address
        self._spread = options.start_spread
        self._keyed: dict[tuple[str, object], threading.BoundedSemaphore] = {}
        self._lock = threading.Lock()
        self._next_start = 0.0

    @contextmanager
    def slot(self, address: object, bastion: object | None) -> Iterator[None]:
        """Hold one handshake's place; `bastion` is None for a direct connection.

        The narrow limits are taken before the wide one, so that hosts waiting for a busy address
        do not keep others from starting. Nobody holds the wide one while waiting for another.
        """
        with ExitStack() as stack:
            stack.enter_context(self._semaphore(("address", address), self._per_address))
            if bastion is not None:
                stack.enter_context(self._semaphore(("bastion", bastion), self._per_bastion))
            stack.enter_context(self._all)
            self._wait_for_turn()
            yield

    def _semaphore(self, key: tuple[str, object], places: int) -> threading.BoundedSemaphore:
        with self._lock:
            if key not in self._keyed:
                self._keyed[key] = threading.BoundedSemaphore(places)
            return self._keyed[key]

    def _wait_for_turn(self) -> None:
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next_start)
            self._next_start = start + self._spread
        if start > now:
            time.sleep(start - now)
