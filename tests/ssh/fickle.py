"""An SSH server in this process that misbehaves on purpose, at the point a test names."""

from __future__ import annotations

import logging
import os
import select
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import paramiko
from paramiko import common

from certkit.inventory.model import Become, Host, Timeouts
from certkit.transport.client import Client, _UntimedPacketizer
from certkit.transport.hostkeys.certificate import key_line
from tests.ssh import stub
from tests.ssh.lies import LIES, STAGES

PASSWORD = "correct horse"
# A socket that lingers for no time is reset where it is closed.
_AT_ONCE = struct.pack("ii", 1, 0)


class Fickle:
    """One server; `mode` says what goes wrong, ``""`` for nothing.

    Beside the modes that are spelled out below there are those of `LIES`, and "stall at", "reset
    at" and "hang up at" each of `STAGES`.

    Attributes:
        connections: How many were accepted.
        attempts: Every login attempt as (method, detail).
        full: How many connections to other hosts it still has no room for.
        program: Sees to a command, in a thread of its own, where not as `mode` says.
    """

    program: Callable[[paramiko.Channel, bytes], None] | None = None
    full = 0

    def __init__(self, directory: Path, mode: str = "", methods: str = "publickey") -> None:
        self.mode = mode
        self.methods = methods
        self.stop = threading.Event()
        self.connections = 0
        self.attempts: list[tuple[str, str]] = []
        self.host_key = paramiko.ECDSAKey.generate(bits=256)
        self.user_key = directory / "user_key"
        paramiko.ECDSAKey.generate(bits=256).write_private_key_file(str(self.user_key))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.known_hosts = directory / "known_hosts"
        line = f"[127.0.0.1]:{self.port} {key_line(self.host_key.asbytes())}\n"
        self.known_hosts.write_text(line)
        self._open: list[Any] = []
        self._acceptor = threading.Thread(target=self._accept, name="fickle")
        self._acceptor.start()

    def host_entry(self, **changes: Any) -> Host:
        values: dict[str, Any] = {
            "name": "fickle",
            "address": "127.0.0.1",
            "port": self.port,
            "user": "someone",
            "identity_files": (self.user_key,),
            "use_agent": False,
            "known_hosts_files": (self.known_hosts,),
            "global_known_hosts_files": (),
            "become": Become(method="none"),
            "timeouts": Timeouts(connect=10, handshake=20, host=60),
        }
        return Host(**{**values, **changes})

    def close(self) -> None:
        self.stop.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._acceptor.join(5)
        for thing in self._open:
            thing.close()
        for thing in self._open:
            if isinstance(thing, threading.Thread):
                thing.join(5)

    def wait_until_left(self, seconds: float = 20) -> None:
        """Wait until certkit has no thread and no socket here, while the server still stands."""
        deadline = time.monotonic() + seconds
        while callers := self._callers():
            assert time.monotonic() < deadline, callers
            time.sleep(0.01)

    def _callers(self) -> list[object]:
        found: list[object] = [one for one in threading.enumerate() if isinstance(one, Client)]
        for file in Path("/proc/self/fd").iterdir():
            # Not a socket, not connected, or closed meanwhile.
            with suppress(OSError):
                if not stat.S_ISSOCK(file.stat().st_mode):
                    continue
                with socket.socket(fileno=os.dup(int(file.name))) as sock:
                    if sock.getpeername() == ("127.0.0.1", self.port):
                        found.append(sock.getsockname())
        return found

    def start(self, target: Callable[..., None], *arguments: object) -> None:
        """Run `target` in a thread that the server's end waits for."""

        def run() -> None:
            # A client may leave at any moment.
            with suppress(OSError, EOFError, paramiko.SSHException):
                target(*arguments)

        thread = threading.Thread(target=run, name="fickle")
        thread.close = lambda: None  # type: ignore[attr-defined]
        self._open.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stop.is_set():
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(sock)
            self._serve(sock)

    def _serve(self, sock: socket.socket) -> None:
        if self.mode == "silent":
            return
        if self.mode == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        if self.mode in ("reset", "eof"):
            sock.close()
            return
        if self.mode == "http":
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n")
            sock.close()
            return
        if self.mode == "busy":
            sock.sendall(b"Exceeded MaxStartups\r\n")
            sock.close()
            return
        if self.mode == "old":
            sock.sendall(b"SSH-1.5-ancient\r\n")
            return
        if self.mode == "half a greeting":
            sock.sendall(b"SSH-2.0-Open")
            sock.close()
            return
        if self.mode == "endless greeting":
            self.start(self._flood, sock, b"you are the next in the queue\r\n")
            return
        if self.mode in _AFTER_GREETING:
            sock.sendall(b"SSH-2.0-OpenSSH_9.9\r\n" + _AFTER_GREETING[self.mode])
            return
        transport = _Transport(sock, self)
        self._open.append(transport)
        key = self.host_key
        if self.mode == "forged signature":
            key = _ForgedKey(vals=(key.signing_key, key.verifying_key))
        transport.add_server_key(key)
        transport.start_server(event=threading.Event(), server=_Behaviour(self, transport))

    def _flood(self, sock: socket.socket, text: bytes) -> None:
        while not self.stop.is_set():
            sock.sendall(text * 50)


# What stands where a packet with the server's algorithms should be.
_AFTER_GREETING = {
    "junk": bytes(range(256)) * 8,
    "huge packet": b"\xff\xff\xff\xff" + bytes(64),
    "empty packet": bytes(64),
}


class _ForgedKey(paramiko.ECDSAKey):
    """Shows one public key, and signs with another: an impostor who copied the host's."""

    def sign_ssh_data(self, data: bytes, algorithm: str | None = None) -> paramiko.Message:
        return paramiko.ECDSAKey.generate(bits=256).sign_ssh_data(data, algorithm)


class _Transport(paramiko.Transport):
    def __init__(self, sock: socket.socket, fickle: Fickle) -> None:
        super().__init__(sock, packetizer_class=_UntimedPacketizer)
        self.fickle = fickle
        self.answered = threading.Event()
        self.logger = logging.getLogger("fickle")
        self.logger.setLevel(logging.CRITICAL + 1)

    @property
    def preferred_kex(self) -> tuple[str, ...]:
        if self.fickle.mode == "ancient kex":
            return ("diffie-hellman-group1-sha1",)
        if self.fickle.mode == "standard curve":
            return ("curve25519-sha256", "diffie-hellman-group16-sha512")
        return tuple(super().preferred_kex)

    def _send_message(self, data: paramiko.Message) -> None:
        """Say it, or what `mode` puts in its place."""
        say = super()._send_message  # type: ignore[misc]
        kind = data.asbytes()[0]
        fault, _, stage = self.fickle.mode.partition(" at ")
        lie = LIES.get(self.fickle.mode)
        if lie is not None and lie.instead_of == kind:
            for said in lie.said:
                say(said)
        elif STAGES.get(stage) == kind:
            if fault == "stall":
                self.fickle.stop.wait()
            if fault == "reset":
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self.close()
            raise EOFError
        else:
            say(data)
        if kind == common.MSG_CHANNEL_SUCCESS:
            self.answered.set()


# Under its standard name, as a server that was hardened offers it.
_Transport._kex_info = {  # type: ignore[attr-defined]
    **paramiko.Transport._kex_info,  # type: ignore[attr-defined]
    "curve25519-sha256": paramiko.kex_curve25519.KexCurve25519,
    "diffie-hellman-group1-sha1": paramiko.kex_curve25519.KexCurve25519,
}


class _Behaviour(paramiko.ServerInterface):
    def __init__(self, fickle: Fickle, transport: _Transport) -> None:
        self.fickle = fickle
        self.transport = transport
        self.factors = 0

    def get_allowed_auths(self, username: str) -> str:
        if self.fickle.mode == "second factor" and self.factors:
            return "keyboard-interactive"
        if self.fickle.mode == "key and password" and self.factors:
            return "password"
        return self.fickle.methods

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.fickle.attempts.append(("publickey", username))
        mode = self.fickle.mode
        if mode in ("second factor", "key and password"):
            self.factors = 1
            return paramiko.AUTH_PARTIALLY_SUCCESSFUL
        if mode == "refuse" or "publickey" not in self.fickle.methods:
            return paramiko.AUTH_FAILED
        return paramiko.AUTH_SUCCESSFUL

    def check_auth_password(self, username: str, password: str) -> int:
        self.fickle.attempts.append(("password", password))
        right = "password" in self.get_allowed_auths(username) and password == PASSWORD
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def check_auth_interactive(self, username: str, submethods: str) -> Any:
        if self.fickle.mode == "second factor":
            return paramiko.InteractiveQuery("", "", ("Verification code: ", False))
        return paramiko.InteractiveQuery("", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        self.fickle.attempts.append(("keyboard-interactive", ",".join(responses)))
        right = responses == [PASSWORD]
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if self.fickle.mode == "no channel":
            return paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        if self.fickle.mode == "no exec":
            return False
        self.transport.answered.clear()
        self.fickle.start(self._run, channel, command)
        return True

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        if self.fickle.full:
            self.fickle.full -= 1
            return paramiko.OPEN_FAILED_RESOURCE_SHORTAGE
        self.fickle.start(self._forward, destination)
        return paramiko.OPEN_SUCCEEDED

    def _forward(self, destination: tuple[str, int]) -> None:
        # Another thread may take the channel that woke this one.
        while (channel := self.transport.accept(1)) is None:
            if self.fickle.stop.is_set():
                return
        with channel, socket.create_connection(destination) as sock:
            while not self.fickle.stop.is_set():
                readable = select.select([channel, sock], [], [], 0.1)[0]
                for source, sink in ((channel, sock), (sock, channel)):
                    if source in readable:
                        said = source.recv(65536)
                        if not said:
                            return
                        sink.sendall(said)

    def _run(self, channel: paramiko.Channel, command: bytes) -> None:
        # paramiko answers the request only after this thread was started.
        while not self.transport.answered.wait(0.1):
            if self.fickle.stop.is_set():
                return
        (self.fickle.program or self._misbehave)(channel, command)

    def _misbehave(self, channel: paramiko.Channel, command: bytes) -> None:
        mode = self.fickle.mode
        if mode != "mute":
            channel.sendall(stub.READY + b"\n")
        if mode in ("mute", "never ends"):
            self.fickle.stop.wait()
        if mode == "no status":
            channel.shutdown_write()
            self.fickle.stop.wait()
        if mode != "closed without status":
            channel.sendall(b"done\n")
            channel.send_exit_status(0)
        channel.close()


@contextmanager
def fickle_server(directory: Path, mode: str = "", methods: str = "publickey") -> Iterator[Fickle]:
    server = Fickle(directory, mode, methods)
    try:
        yield server
    finally:
        server.close()
