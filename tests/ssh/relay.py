"""A TCP relay that counts round trips.

The two sides take turns: what one says crosses once it has been quiet for a moment, and only then
may the other be heard. That is what a long wire does, so the number of turns is the number of
round trips, whatever this machine's speed.
"""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress

_QUIET = 0.04


class Relay:
    """Relays one connection to `target`.

    Attributes:
        flights: How often the client sent something that the server had to see.
        port: Where to connect, on 127.0.0.1.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.flights = 0
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="relay")
        self._thread.start()

    def close(self) -> None:
        self._listener.close()
        self._thread.join(10)

    def _run(self) -> None:
        client, _ = self._listener.accept()
        with client, socket.create_connection(self._target) as server, suppress(OSError):
            while self._carry(client, server):
                pass

    def _carry(self, client: socket.socket, server: socket.socket) -> bool:
        """Hear the client out and pass it on, then the server; False at the end of either."""
        said = _hear(client)
        if not said:
            return False
        self.flights += 1
        server.sendall(said)
        # A client that has left gets no answer, and a server that it left says nothing.
        while not select.select([server], [], [], _QUIET)[0]:
            if select.select([client], [], [], 0)[0] and not client.recv(1, socket.MSG_PEEK):
                return False
        answer = _hear(server)
        client.sendall(answer)
        return bool(answer)


def _hear(sock: socket.socket) -> bytes:
    said = sock.recv(65536)
    while said and select.select([sock], [], [], _QUIET)[0]:
        more = sock.recv(65536)
        if not more:
            break
        said += more
    return said
