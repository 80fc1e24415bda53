"""What Ctrl-C does, whenever it comes."""

from __future__ import annotations

import signal
import threading

import pytest

from certkit.cli.signals import Interrupts
from certkit.fleet.stop import Stop


def test_a_second_interruption_in_the_midst_of_the_first_leaves(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    left: list[str] = []
    stop = Stop()
    interrupts = Interrupts(stop, lambda: None)
    monkeypatch.setattr(interrupts, "_leave", lambda: left.append("left"))
    held = threading.Lock()
    tell = stop._event.set

    def tell_slowly() -> None:
        assert held.acquire(blocking=False), "it would wait for itself"
        signal.raise_signal(signal.SIGINT)
        tell()
        held.release()

    monkeypatch.setattr(stop._event, "set", tell_slowly)
    with interrupts.installed():
        signal.raise_signal(signal.SIGINT)
    assert left == ["left"]
    assert stop.requested() and stop.interrupted
    assert "again to leave now" in capfd.readouterr().err
