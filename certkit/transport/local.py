"""This machine, without SSH: the same exchange and the same privilege, through pipes."""

from __future__ import annotations

import contextlib
import getpass
import os
import selectors
import signal
import subprocess
from collections.abc import Iterator

from certkit.errors import ErrorKind, HostError
from certkit.inventory.model import Host
from certkit.remote.exchange import Exchange
from certkit.secret import environment_for_children
from certkit.transport import faults
from certkit.transport.connection import Answer
from certkit.transport.conversation import run_exchange
from certkit.transport.privilege import Command
from certkit.transport.watchdog import Watchdog

_CHUNK = 64 * 1024
# The exchange has its own limit; the lease only lets an abort through.
_FOREVER = 24 * 3600.0


class PipeProcess:
    """A child with three pipes, read and written without ever blocking on one of them.

    It runs in a session of its own: a Ctrl-C at the terminal must not tear it, and sudo must not
    find a terminal to prompt on.
    """

    def __init__(self, argv: tuple[str, ...]) -> None:
        self._child = subprocess.Popen(
            argv,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
            env=environment_for_children(),
        )
        assert self._child.stdin and self._child.stdout and self._child.stderr
        self._stdin, self._stdout, self._stderr = (
            self._child.stdin,
            self._child.stdout,
            self._child.stderr,
        )
        self._pending = b""
        self._finishing = False
        self._abandoned = False
        self._selector = selectors.DefaultSelector()
        os.set_blocking(self._stdin.fileno(), False)
        for stream in (self._stdout, self._stderr):
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ)

    def send(self, data: bytes) -> None:
        """Write to its stdin as far as it reads; the rest goes while reading."""
        self._pending += data
        self._flush()

    def finish_input(self) -> None:
        """Close its stdin once everything is written."""
        self._finishing = True
        self._flush()

    def wait(self, seconds: float) -> bool:
        """Do not wait: its pipes hold little, and reading from them is cheap."""
        return True

    def read(self, seconds: float) -> tuple[bytes, bytes] | None:
        """Return what came on stdout and stderr within `seconds`; None when both have ended."""
        if self._abandoned:
            raise faults.interrupted()
        readers = [k for k in self._selector.get_map().values() if k.fileobj is not self._stdin]
        if not readers:
            return None
        heard = {self._stdout: b"", self._stderr: b""}
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._stdin:
                self._flush()
                continue
            stream = self._stdout if key.fileobj is self._stdout else self._stderr
            data = stream.read(_CHUNK)
            if data == b"":
                self._selector.unregister(stream)
            heard[stream] = data or b""
        return heard[self._stdout], heard[self._stderr]

    def status(self, seconds: float) -> int | None:
        """Return its exit status.

        Raises:
            TimeoutError: It does not end within `seconds`.
        """
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError from error

    def abandon(self) -> None:
        """Make the next `read` fail; from any thread."""
        self._abandoned = True

    def close(self) -> None:
        """End it if it still runs, and close the pipes."""
        if self._child.poll() is None:
            # A child that became root cannot be signalled; it ends at its closed pipes.
            with contextlib.suppress(OSError):
                os.killpg(self._child.pid, signal.SIGTERM)
        self._selector.close()
        for stream in (self._stdin, self._stdout, self._stderr):
            with contextlib.suppress(OSError):
                stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(1)

    def _flush(self) -> None:
        if self._stdin.closed:
            return
        try:
            while self._pending:
                written = os.write(self._stdin.fileno(), self._pending[:_CHUNK])
                self._pending = self._pending[written:]
        except BlockingIOError:
            if self._stdin not in (k.fileobj for k in self._selector.get_map().values()):
                self._selector.register(self._stdin, selectors.EVENT_WRITE)
            return
        except BrokenPipeError:
            self._pending = b""
            self._finishing = True
        with contextlib.suppress(KeyError):
            self._selector.unregister(self._stdin)
        if self._finishing:
            with contextlib.suppress(BrokenPipeError):
                self._stdin.close()


class LocalConnection:
    """This machine as a host."""

    def __init__(self, host: Host, dog: Watchdog) -> None:
        self._host = host
        self._dog = dog

    @property
    def peer(self) -> str:
        """What stands for the address in reports."""
        return "localhost"

    def run(self, exchange: Exchange) -> Answer:
        """Run one exchange; see `certkit.transport.connection.Connection.run`."""
        user = "root" if os.geteuid() == 0 else _login_name()
        return run_exchange(self._start, exchange, self._host.become, user)

    @contextlib.contextmanager
    def _start(self, command: Command) -> Iterator[PipeProcess]:
        try:
            process = PipeProcess(command.argv)
        except OSError as error:
            raise HostError(
                ErrorKind.SHELL if command.argv[0] == "sh" else ErrorKind.SUDO,
                f"cannot run {command.argv[0]}: {error.strerror}",
                "install it, or set `become` in the inventory",
            ) from error
        try:
            with self._dog.lease(_FOREVER, process.abandon):
                yield process
        finally:
            process.close()

    def close(self) -> None:
        """Nothing is held between exchanges."""


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.geteuid())
