"""What holds for every tier."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Answer Ctrl-C, here and in every child.

    A shell starts a job in the background with SIGINT ignored, and so does many a build server;
    that is inherited, and a test that interrupts a command would then wait for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
