"""The SSH agent: its keys are listed once for a run, and it signs under one lock.

The protocol is draft-ietf-sshm-ssh-agent (two messages of it). paramiko's own agent has no lock
and takes one socket for each object, which exhausts an agent at about a thousand hosts.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from pathlib import Path
from typing import NamedTuple

from certkit.transport.hostkeys.certificate import blob_type
from certkit.transport.without_invoke import paramiko

_REQUEST_IDENTITIES, _IDENTITIES = 11, 12
_SIGN_REQUEST, _SIGNATURE = 13, 14
_FLAGS = {"rsa-sha2-256": 2, "rsa-sha2-512": 4}
_LARGEST_REPLY = 4 * 1024 * 1024
# Signing may wait for a person who confirms it; listing does not.
_LIST_SECONDS, _SIGN_SECONDS = 5.0, 60.0


class AgentKey(NamedTuple):
    """A key that the agent holds.

    Attributes:
        blob: The public key, or certificate, in wire format.
        comment: What the agent calls it.
    """

    blob: bytes
    comment: str


class Agent:
    """One connection to an agent, shared by all threads.

    Args:
        path: Its socket.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._keys: tuple[AgentKey, ...] | None = None

    @property
    def keys(self) -> tuple[AgentKey, ...]:
        """The keys it holds, as listed at first use; none when it cannot be reached."""
        with self._lock:
            if self._keys is None:
                try:
                    self._keys = tuple(self._list())
                except (OSError, ValueError):
                    self._keys = ()
            return self._keys

    def sign(self, blob: bytes, data: bytes, algorithm: str) -> bytes:
        """Return the signature that the key `blob` makes of `data`.

        Raises:
            paramiko.SSHException: The agent refuses, or has gone.
        """
        flags = _FLAGS.get(algorithm.replace("-cert-v01@openssh.com", ""), 0)
        body = _string(blob) + _string(data) + struct.pack(">I", flags)
        with self._lock:
            try:
                reply = self._ask(_SIGN_REQUEST, body, _SIGNATURE, _SIGN_SECONDS)
            except (OSError, ValueError) as error:
                self._drop()
                raise paramiko.SSHException(f"the SSH agent did not sign: {error}") from error
        return paramiko.Message(reply).get_binary()

    def close(self) -> None:
        """Let go of the agent."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket = None

    def _list(self) -> list[AgentKey]:
        reply = paramiko.Message(self._ask(_REQUEST_IDENTITIES, b"", _IDENTITIES, _LIST_SECONDS))
        count = reply.get_int()
        if count > 1000:
            raise ValueError("too many keys")
        return [
            AgentKey(reply.get_binary(), reply.get_binary().decode("utf-8", "replace"))
            for _ in range(count)
        ]

    def _ask(self, kind: int, body: bytes, expected: int, seconds: float) -> bytes:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.settimeout(seconds)
            self._socket.connect(str(self._path))
        self._socket.settimeout(seconds)
        self._socket.sendall(struct.pack(">IB", len(body) + 1, kind) + body)
        (size,) = struct.unpack(">I", self._read(4))
        if not 0 < size <= _LARGEST_REPLY:
            raise ValueError("an impossible answer")
        reply = self._read(size)
        if reply[0] != expected:
            raise ValueError("it refused")
        return reply[1:]

    def _read(self, size: int) -> bytes:
        assert self._socket is not None
        data = b""
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                raise ValueError("it hung up")
            data += part
        return data


class AgentSigner(paramiko.PKey):
    """An agent's key as paramiko wants one.

    Args:
        agent: Where the key is.
        blob: The public key in wire format.
        certificate: The certificate to present in its place, in wire format.
    """

    def __init__(self, agent: Agent, blob: bytes, certificate: bytes | None = None) -> None:
        self._agent = agent
        self._blob = blob
        self.public_blob = None
        if certificate is not None:
            self.public_blob = paramiko.pkey.PublicBlob(blob_type(certificate), certificate)

    def get_name(self) -> str:
        """Return the key's type."""
        return blob_type(self._blob)

    def asbytes(self) -> bytes:
        """Return the public key in wire format."""
        return self._blob

    def sign_ssh_data(self, data: bytes, algorithm: str | None = None) -> paramiko.Message:
        """Have the agent sign."""
        return paramiko.Message(self._agent.sign(self._blob, data, algorithm or ""))


class Agents:
    """The agents of a run by socket; usually one."""

    def __init__(self) -> None:
        self._agents: dict[Path, Agent] = {}
        self._lock = threading.Lock()

    def at(self, path: Path | None) -> Agent | None:
        """Return the agent at `path`, or at SSH_AUTH_SOCK; None where there is none."""
        if path is None:
            named = os.environ.get("SSH_AUTH_SOCK")
            if not named:
                return None
            path = Path(named)
        with self._lock:
            return self._agents.setdefault(path, Agent(path))

    def close(self) -> None:
        """Let go of all of them."""
        for agent in self._agents.values():
            agent.close()


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
