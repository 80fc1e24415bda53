"""A long wire: a TCP relay before each host that delays what it carries and counts round trips.

    python bench/wire.py SECONDS FROM_PORT TO_PORT ADDRESS...

Listens on every address, says "ready", and at the end of its stdin prints how many round trips the
deepest exchange took on each address, summed over its connections, as one JSON document. SECONDS
is what a round trip takes longer; each direction has half.

Whatever an end sends depends on all that had reached it. So a chunk of the client is one round
trip deeper than the deepest chunk that it has heard, and an answer is as deep as what the server
has heard. That counts what must wait, however much is in flight, on any machine's speed.
"""

from __future__ import annotations

import asyncio
import json
import select
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

# Seconds that this relay may take to start, and to tell what it counted.
_PATIENCE = 20.0


class _End(asyncio.Protocol):
    """One end of a connection; `heard` is the depth of the deepest chunk delivered to it."""

    def __init__(self, wire: _Connection, deeper: int) -> None:
        self.heard = 0
        self.transport: asyncio.Transport | None = None
        self._wire = wire
        self._deeper = deeper
        self._early: deque[bytes] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        while self._early:
            transport.write(self._early.popleft())

    def data_received(self, data: bytes) -> None:
        self._wire.carry(self, data, self.heard + self._deeper)

    def eof_received(self) -> bool:
        self._wire.carry(self, b"", self.heard)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self._wire.carry(self, b"", self.heard)

    def deliver(self, data: bytes, depth: int) -> None:
        if self.transport is None:
            self._early.append(data)
        elif data:
            self.heard = max(self.heard, depth)
            self.transport.write(data)
        else:
            self.transport.close()


class _Connection:
    """A client's connection, and the one to the host behind it."""

    def __init__(self, delay: float, address: str, to_port: int, trips: Counter[str]) -> None:
        self._delay = delay
        self._address = address
        self._trips = trips
        self._answered = 0
        self._waiting: deque[tuple[_End, bytes, int]] = deque()
        self.client = _End(self, deeper=1)
        self.server = _End(self, deeper=0)
        trips[address] += 1  # TCP's own, which this relay answers itself
        loop = asyncio.get_running_loop()
        # The host greets only when the client's side of TCP's handshake has reached it.
        self.server.heard = 1
        loop.call_later(delay, lambda: loop.create_task(self._connect(to_port)))

    async def _connect(self, to_port: int) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self.server, self._address, to_port)

    def carry(self, source: _End, data: bytes, depth: int) -> None:
        sink = self.server if source is self.client else self.client
        if sink is self.client and data and depth > self._answered:
            self._trips[self._address] += depth - self._answered
            self._answered = depth
        self._waiting.append((sink, data, depth))
        asyncio.get_running_loop().call_later(self._delay, self._deliver)

    def _deliver(self) -> None:
        sink, data, depth = self._waiting.popleft()
        sink.deliver(data, depth)


def _client_side(delay: float, address: str, to_port: int, trips: Counter[str]) -> _End:
    return _Connection(delay, address, to_port, trips).client


async def _serve(seconds: float, from_port: int, to_port: int, addresses: list[str]) -> None:
    loop = asyncio.get_running_loop()
    trips: Counter[str] = Counter()
    for address in addresses:
        await loop.create_server(
            partial(_client_side, seconds / 2, address, to_port, trips), address, from_port
        )
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps(trips))


@contextmanager
def long_wire(
    seconds: float, from_port: int, to_port: int, addresses: list[str]
) -> Iterator[dict[str, int]]:
    """Relay for as long as the block runs; the mapping is filled when it ends."""
    arguments = [str(seconds), str(from_port), str(to_port), *addresses]
    process = subprocess.Popen(
        [sys.executable, __file__, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stdout
    trips: dict[str, int] = {}
    try:
        ready = select.select([process.stdout], [], [], _PATIENCE)[0]
        if not ready or process.stdout.readline() != "ready\n":
            raise SystemExit("The relay did not start.")
        yield trips
        trips.update(json.loads(process.communicate(timeout=_PATIENCE)[0]))
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))
