"""A small SSH server on loopback that runs what it is sent, for one user with one key.

It is a real one as far as certkit can tell: key exchange, host key, public key login, exec with
stdin, stdout, stderr and exit status. It has no terminals, no forwarding and no passwords.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from certkit.transport.without_invoke import paramiko

# Lost links are part of the demo: without a handler, logging would print them on the terminal.
_LOG = logging.getLogger(__name__)
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False

_BLOCK = 32768
_PATIENCE = 30.0


@dataclass(frozen=True)
class Account:
    """Who may log in, and what they meet.

    Attributes:
        user: The login name.
        key: The public key that is let in.
        environment: The whole environment of what is run.
        home: Where it runs.
    """

    user: str
    key: paramiko.PKey
    environment: Mapping[str, str]
    home: Path


class SshServer:
    """Listens on a free port of 127.0.0.1 while it is open.

    Args:
        host_key: The server's own key.
        account: Who may log in.
    """

    def __init__(self, host_key: paramiko.PKey, account: Account) -> None:
        self._host_key = host_key
        self._account = account
        self._lock = threading.Lock()
        self._transports: set[paramiko.Transport] = set()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Refuse connections from now on, cut the open ones and stop what they run."""
        # Closing alone does not wake a thread that waits in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=_PATIENCE)
        with self._lock:
            self._closed = True
            transports, processes = list(self._transports), list(self._processes)
        for process in processes:
            # The program's children too: they share its process group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for transport in transports:
            transport.close()

    def __enter__(self) -> SshServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        transport = paramiko.Transport(client)
        transport.set_log_channel(_LOG.name)
        transport.add_server_key(self._host_key)
        with self._lock:
            if self._closed:
                client.close()
                return
            self._transports.add(transport)
        try:
            transport.start_server(event=threading.Event(), server=_Session(self._account, self))
            # Channels are taken up by the session itself; this thread only waits for the end.
            transport.join()
        except (paramiko.SSHException, EOFError, OSError):
            # A port scan or a cut link: nothing that a server would not shrug at.
            pass
        finally:
            transport.close()
            with self._lock:
                self._transports.discard(transport)

    def run(self, command: bytes, channel: paramiko.Channel) -> None:
        """Run a command for a channel, and carry its bytes until both are done."""
        account = self._account
        with self._lock:
            # What was asked for just before the end must not begin behind it.
            if self._closed:
                return
            process = subprocess.Popen(
                ["/bin/sh", "-c", os.fsdecode(command)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=account.home,
                env=dict(account.environment),
                start_new_session=True,
            )
            self._processes.add(process)
        assert process.stdin and process.stdout and process.stderr
        outputs = [
            _start(_carry_out, process.stdout, channel.sendall),
            _start(_carry_out, process.stderr, channel.sendall_stderr),
        ]
        _start(_carry_in, channel, process.stdin)
        try:
            status = process.wait()
            for output in outputs:
                output.join()
            with contextlib.suppress(OSError, EOFError):
                channel.send_exit_status(status if status >= 0 else 128 - status)
                channel.shutdown_write()
        finally:
            with self._lock:
                self._processes.discard(process)
            # The client may have gone already.
            with contextlib.suppress(OSError, EOFError):
                channel.close()


class _Session(paramiko.ServerInterface):
    def __init__(self, account: Account, server: SshServer) -> None:
        self._account = account
        self._server = server
        self._asking = threading.Lock()

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = username == self._account.user and key == self._account.key
        return paramiko.common.AUTH_SUCCESSFUL if known else paramiko.common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if kind == "session":
            return paramiko.common.OPEN_SUCCEEDED
        return paramiko.common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        _start(self._run, command, channel)
        return True

    def _run(self, command: bytes, channel: paramiko.Channel) -> None:
        # paramiko answers the request only after it was told that it may be run: a command that
        # ends sooner would close the channel before the answer, which no client understands. The
        # client's word on anything else is read after the answer has gone.
        with self._asking, contextlib.suppress(paramiko.SSHException, OSError, EOFError):
            channel.get_transport().global_request("keepalive@openssh.com", wait=True)
        self._server.run(command, channel)


def _start(target: Callable[..., object], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    thread.start()
    return thread


def _carry_out(stream: IO[bytes], send: Callable[[bytes], object]) -> None:
    with stream, contextlib.suppress(OSError, EOFError):
        while block := stream.read(_BLOCK):
            send(block)


def _carry_in(channel: paramiko.Channel, stream: IO[bytes]) -> None:
    with contextlib.suppress(OSError, EOFError), stream:
        while block := channel.recv(_BLOCK):
            view = memoryview(block)
            while view:
                view = view[stream.write(view) or 0 :]
