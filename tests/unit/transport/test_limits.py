from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from certkit.transport import limits
from certkit.transport.limits import HandshakeLimiter
from certkit.transport.options import ConnectorOptions


@pytest.mark.parametrize(
    ("address", "bastion", "expected"),
    [
        (lambda n: n, lambda n: None, 6),
        (lambda n: "one", lambda n: None, 2),
        (lambda n: n, lambda n: "one", 3),
        (lambda n: n, lambda n: n % 2, 6),
    ],
)
def test_most_at_once(address, bastion, expected) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    limiter = HandshakeLimiter(
        ConnectorOptions(
            handshakes=6, handshakes_per_bastion=3, handshakes_per_address=2, start_spread=0
        )
    )
    lock, now, most, full = threading.Lock(), 0, 0, threading.Event()

    def one(number: int) -> None:
        nonlocal now, most
        with limiter.slot(address(number), bastion(number)):
            with lock:
                now += 1
                most = max(most, now)
                if most == expected:
                    full.set()
            # However late the others come: nobody leaves before as many as may are in.
            assert full.wait(60)
            time.sleep(0.02)
            with lock:
                now -= 1

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(one, range(20)))
    assert most == expected


def test_starts_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    # All come at the same moment.
    clock = SimpleNamespace(monotonic=lambda: 100.0, sleep=waited.append)
    monkeypatch.setattr(limits, "time", clock)
    limiter = HandshakeLimiter(ConnectorOptions(start_spread=0.02))

    def one(number: int) -> None:
        with limiter.slot(number, None):
            pass

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(one, range(5)))
    assert sorted(waited) == pytest.approx([0.02, 0.04, 0.06, 0.08])
