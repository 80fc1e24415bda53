"""What holds for every tier."""

from __future__ import annotations

import signal

_AS_ON_A_TERMINAL = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}


def pytest_configure() -> None:
    """Answer Ctrl-C and a hangup, here and in every child.

    A shell starts a job in the background with SIGINT ignored, nohup does so with SIGHUP, and many
    a build server with both; that is inherited, and what a test interrupts or tells to reload
    would then go on as if nothing had happened.
    """
    for number, answer in _AS_ON_A_TERMINAL.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, answer)
