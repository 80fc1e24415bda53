"""A TCP relay that breaks, stalls or slows a connection, at the byte that a test names."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from tests.ssh.sshd import Sshd

Direction = Literal["up", "down"]
How = Literal["end", "reset", "stall"]

_SLICE = 4096


@dataclass(frozen=True)
class Cut:
    """Where a connection breaks.

    Attributes:
        direction: ``up`` is what the client says.
        after: Bytes that still cross in this direction.
        how: A proper end, a reset, or silence in both directions.
    """

    direction: Direction
    after: int
    how: How


class Wire:
    """Relays to a server; the first connection suffers the fault, later ones are whole.

    Attributes:
        port: Where to connect, on 127.0.0.1.
        carried: Bytes that crossed in each direction on the first connection.
        connections: How many were made.
        cut: What happens to the first one; None for nothing.
    """

    def __init__(self, server: Sshd, cut: Cut | None = None, *, rate: int | None = None) -> None:
        self.carried: dict[Direction, int] = {"up": 0, "down": 0}
        self.connections = 0
        self.cut = cut
        self._rate = rate
        self._target = (server.host, server.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._leave = threading.Event()
        self._threads = [threading.Thread(target=self._accept, name="wire")]
        self._threads[0].start()

    def close(self) -> None:
        self._leave.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            first = self.connections == 1
            thread = threading.Thread(target=self._serve, args=(client, first), name="wire")
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket, first: bool) -> None:
        with client, socket.create_connection(self._target) as server, suppress(OSError):
            ways: list[tuple[Direction, socket.socket, socket.socket]] = [
                ("up", client, server),
                ("down", server, client),
            ]
            while not self._leave.is_set():
                readable = select.select([client, server], [], [], 0.1)[0]
                for direction, source, sink in ways:
                    if source in readable and not self._carry(direction, source, sink, first):
                        return

    def _carry(
        self, direction: Direction, source: socket.socket, sink: socket.socket, first: bool
    ) -> bool:
        """Pass on one piece; False at an end."""
        said = source.recv(_SLICE)
        if not said:
            return False
        cut = self.cut if first else None
        if cut is not None and cut.direction == direction:
            left = cut.after - self.carried[direction]
            if len(said) >= left:
                sink.sendall(said[:left])
                self.carried[direction] += left
                self._break(cut, source, sink)
                return False
        if self._rate is not None:
            time.sleep(len(said) / self._rate)
        sink.sendall(said)
        if first:
            self.carried[direction] += len(said)
        return True

    def _break(self, cut: Cut, *ends: socket.socket) -> None:
        if cut.how == "stall":
            # Silent until the client gives up, or the test ends.
            while not self._leave.is_set():
                for end in select.select(ends, [], [], 0.1)[0]:
                    with suppress(OSError):
                        if end.recv(_SLICE):
                            continue
                    return
        if cut.how == "reset":
            for end in ends:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextmanager
def wire_to(server: Sshd, cut: Cut | None = None, *, rate: int | None = None) -> Iterator[Wire]:
    """Relay until the block is left."""
    wire = Wire(server, cut, rate=rate)
    try:
        yield wire
    finally:
        wire.close()
