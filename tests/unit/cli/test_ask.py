"""The question before containers stop, on a pseudo-terminal."""

from __future__ import annotations

import builtins
import os
import pty
import random
import select
import signal
import sys
import time
import warnings

from certkit.cli.ask import confirm_restarts
from certkit.cli.signals import Interrupts
from certkit.cli.words import error_console
from certkit.fleet.plan import RestartPlan
from certkit.fleet.stop import Stop

_TIMES = 50


def ask(times: int) -> None:
    def read() -> str:
        # A signal between here and a read that blocks would be handled at the next key only.
        if not select.select([0], [], [], 0)[0]:
            os.write(2, b"about to block\n")
        return sys.stdin.readline()

    builtins.input = read  # type: ignore[assignment]
    console = error_console()
    for _ in range(times):
        stop = Stop()
        interrupts = Interrupts(stop, lambda: None)
        with interrupts.installed(), interrupts.asking():
            confirm_restarts(console, RestartPlan(("web-01",), {"web-01": 1}, (), (1,)))
        os.write(2, f"interrupted: {stop.interrupted}\n".encode())


def test_ctrl_c_is_heard_however_soon_after_the_question_it_comes() -> None:
    with warnings.catch_warnings():
        # From 3.12 on: other threads are there, and the child is another program at once.
        warnings.simplefilter("ignore", DeprecationWarning)
        child, terminal = pty.fork()
    if not child:
        os.execv(sys.executable, [sys.executable, __file__])
    seen, asked, lots = "", 0, random.Random(1)
    try:
        while seen.count("interrupted: True") < _TIMES:
            assert select.select([terminal], [], [], 60)[0], f"not heard: {seen[-300:]}"
            seen += os.read(terminal, 65536).decode(errors="replace")
            if seen.count("[y/N]") > asked:
                asked += 1
                deadline = time.perf_counter() + lots.random() * 0.0005
                while time.perf_counter() < deadline:
                    pass
                os.write(terminal, b"\x03")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)
    assert "interrupted: False" not in seen and "about to block" not in seen


if __name__ == "__main__":
    ask(_TIMES)
