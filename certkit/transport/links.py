"""Byte streams under an SSH connection: a tuned TCP socket, or a channel through a bastion.

Measured on loopback (facts: Nagle's algorithm against delayed acknowledgements), a default socket
costs 150 ms a host, TCP_NODELAY 75 ms and quick acknowledgements on top 27 ms.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Protocol

from certkit.transport.without_invoke import paramiko

_CHUNK = 64 * 1024
_WORDS = 200
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)
# Seconds that a write which is not waiting for room may take.
_SENDING = 1.0
# Seconds of silence, or of unacknowledged data, until the kernel gives a dead peer up. Probes by
# the kernel cost nothing here, unlike SSH keepalives, which would wake a thread per host.
_IDLE, _INTERVAL, _PROBES, _UNACKNOWLEDGED = 30, 10, 3, 60


class Link(Protocol):
    """What paramiko needs of a socket, and a way to end every wait on it at once."""

    def send(self, data: bytes) -> int:
        """Write some of `data` and return how much."""

    def recv(self, size: int) -> bytes:
        """Return 1 to `size` bytes, or none at the end."""

    def await_data(self) -> bool:
        """Wait until there is something to `recv`; return False at the end."""

    def settimeout(self, seconds: float | None) -> None:
        """Do nothing; see the classes."""

    def close(self) -> None:
        """Let go; reads and writes under way end."""

    def cut(self) -> None:
        """End reads and writes under way, from any thread and without blocking."""

    @property
    def peer(self) -> str:
        """The address at the other end."""

    @property
    def first_words(self) -> bytes:
        """The beginning of what came, for a server that did not greet as one of SSH."""


class TcpLink:
    """A connected socket.

    It stays blocking, whatever paramiko asks: paramiko would wake ten times a second to see
    whether to stop, and it need not, because `close` and `cut` wake it.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = b""
        self._closed = False
        self.first_words = b""
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (
            ("TCP_KEEPIDLE", _IDLE),
            ("TCP_KEEPINTVL", _INTERVAL),
            ("TCP_KEEPCNT", _PROBES),
            ("TCP_USER_TIMEOUT", _UNACKNOWLEDGED * 1000),
        ):
            if hasattr(socket, option):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        self._peer = str(sock.getpeername()[0])

    def send(self, data: bytes) -> int:
        """Write some of `data` and return how much."""
        return self._socket.send(data)

    def recv(self, size: int) -> bytes:
        """Return 1 to `size` bytes, or none at the end."""
        # paramiko asks for 16 bytes, then for the rest of the packet: half the system calls go.
        data = self._buffer or self._read()
        self._buffer = data[size:]
        return data[:size]

    def await_data(self) -> bool:
        """Wait until there is something to `recv`; return False at the end."""
        self._buffer = self._buffer or self._read()
        return bool(self._buffer)

    def _read(self) -> bytes:
        data = self._socket.recv(_CHUNK)
        if len(self.first_words) < _WORDS:
            self.first_words += data[:_WORDS]
        if _QUICKACK is not None:
            # The kernel falls back by itself, so this is said again after every read. The peer
            # may have reset the connection by now; the next read will tell.
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        return data

    def settimeout(self, seconds: float | None) -> None:
        """Do nothing: `close` and `cut` wake whoever waits."""

    def close(self) -> None:
        """Let go; reads and writes under way end."""
        if not self._closed:
            self._closed = True
            self.cut()
            self._socket.close()

    def cut(self) -> None:
        """End reads and writes under way."""
        # Closing alone would leave a thread that is inside recv() there for good.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    @property
    def peer(self) -> str:
        """The address at the other end."""
        return self._peer


class ChannelLink:
    """A ``direct-tcpip`` channel of a bastion's connection; closing it leaves the bastion open."""

    def __init__(self, channel: paramiko.Channel, peer: str) -> None:
        self._channel = channel
        self._peer = peer
        self._closed = False
        self._sending = threading.Lock()
        self._buffer = b""
        self.first_words = b""

    def send(self, data: bytes) -> int:
        """Write some of `data` and return how much."""
        # Data behind the word that closes its channel makes OpenSSH end the whole connection, and
        # with it every other host behind the bastion; paramiko lets one overtake the other.
        with self._sending:
            if self._closed:
                raise EOFError
            return self._channel.send(data)

    def recv(self, size: int) -> bytes:
        """Return 1 to `size` bytes, or none at the end."""
        data = self._buffer or self._read(size)
        self._buffer = data[size:]
        return data[:size]

    def await_data(self) -> bool:
        """Wait until there is something to `recv`; return False at the end."""
        self._buffer = self._buffer or self._read(_WORDS)
        return bool(self._buffer)

    def _read(self, size: int) -> bytes:
        data = self._channel.recv(size)
        if len(self.first_words) < _WORDS:
            self.first_words += data
        return data

    def settimeout(self, seconds: float | None) -> None:
        """Do nothing: `close` and `cut` wake whoever waits."""

    def close(self) -> None:
        """Let go; reads and writes under way end."""
        if not self._closed:
            self.cut()

    def cut(self) -> None:
        """End reads and writes under way."""
        self._closed = True
        self._channel.in_buffer.close()
        # To tell the bastion may block on a link that is stuck, so nobody waits for it.
        with contextlib.suppress(RuntimeError):
            threading.Thread(target=self._release, name="certkit-cut", daemon=True).start()

    def _release(self) -> None:
        # The bastion's connection may be gone already, and then there is nobody to tell.
        with contextlib.suppress(EOFError, OSError, paramiko.SSHException):
            # Whoever sends for longer than this waits for room, and closing wakes it.
            alone = self._sending.acquire(timeout=_SENDING)
            try:
                self._channel.close()
            finally:
                if alone:
                    self._sending.release()

    @property
    def peer(self) -> str:
        """The address at the other end."""
        return self._peer
