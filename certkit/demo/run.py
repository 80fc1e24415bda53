"""The demo from curtain to curtain: the stage is set, the story played, everything removed."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType

from certkit.demo.screen import Screen
from certkit.demo.stage import Stage
from certkit.demo.story import ELSEWHERE, EMBEDDED, INTRODUCTION, REAL, play


def run(screen: Screen | None = None) -> bool:
    """Run the demo and return whether every step showed what it should.

    Raises:
        KeyboardInterrupt: After everything has been removed.
    """
    screen = screen or Screen()
    began = time.monotonic()
    screen.say(INTRODUCTION)
    try:
        with _ended_by_signals(), Stage() as stage:
            failure = play(stage, screen)
    except KeyboardInterrupt:
        screen.say("Interrupted; everything has been stopped and removed.")
        raise
    if failure is not None:
        screen.failed(failure)
        screen.say("Everything has been stopped and removed.")
        return False
    screen.heading("What was real, and what was not")
    screen.say(REAL)
    for item in EMBEDDED:
        screen.item(item)
    screen.say(ELSEWHERE)
    seconds = time.monotonic() - began
    screen.shown(f"every step showed what it should, in {seconds:.0f} s; all of it is removed")
    return True


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demo the way Ctrl-C does: with everything removed."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    former = {one: signal.signal(one, interrupt) for one in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for one, handler in former.items():
            signal.signal(one, handler)
