from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

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
    lock, now, most = threading.Lock(), 0, 0

    def one(number: int) -> None:
        nonlocal now, most
        with limiter.slot(address(number), bastion(number)):
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.02)
            with lock:
                now -= 1

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(one, range(20)))
    assert most == expected


def test_starts_are_spread() -> None:
    limiter = HandshakeLimiter(ConnectorOptions(start_spread=0.02))
    starts: list[float] = []

    def one(number: int) -> None:
        with limiter.slot(number, None):
            starts.append(time.monotonic())

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(one, range(5)))
    starts.sort()
    assert starts[-1] - starts[0] >= 0.075
