"""Ctrl-C in two stages, and SIGTERM as the first of them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from certkit.cli.render.output import STDERR
from certkit.errors import ExitCode
from certkit.fleet.stop import Stop

_FINISHING = "\nfinishing the hosts in flight; again to leave now\n"
_LEAVING = "\nleaving; the hosts in flight finish on their own\n"
_SHOW_CURSOR = "\x1b[?25h"

# How long the second Ctrl-C waits for connections to be cut, in seconds.
_ABORT_WAIT = 1.0


class Interrupts:
    """Stops a run at the first signal and leaves at the second.

    Args:
        stop: The run's.
        abort: Cuts every connection; called at the second signal, in a thread of its own.
    """

    def __init__(self, stop: Stop, abort: Callable[[], None]) -> None:
        self._stop = stop
        self._abort = abort
        self._asking = False

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle SIGINT and SIGTERM while the block runs."""
        signals = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self._handle) for number in signals]
        try:
            yield
        finally:
            for number, handler in zip(signals, before, strict=True):
                signal.signal(number, handler)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Let a signal end a question by KeyboardInterrupt while the block runs."""
        self._asking = True
        try:
            yield
        finally:
            self._asking = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        first = not self._stop.interrupted
        # Only once: the second signal may come while the first is still telling the threads, with
        # their lock held by this one.
        if first:
            self._stop.request("the run was interrupted", interrupted=True)
        if self._asking:
            raise KeyboardInterrupt
        if first:
            _say(_FINISHING)
        else:
            self._leave()

    def _leave(self) -> None:
        _say(_LEAVING + (_SHOW_CURSOR if STDERR.isatty() else ""))
        cut = threading.Thread(target=self._abort, daemon=True)
        cut.start()
        cut.join(_ABORT_WAIT)
        # Not flush: a worker may hold the stream's lock, and this must end in any case.
        os._exit(ExitCode.INTERRUPTED.value)


def _say(text: str) -> None:
    # A signal handler may have interrupted a write to the same stream; this does not share its
    # buffer.
    try:
        os.write(2, text.encode())
    except OSError:
        return
