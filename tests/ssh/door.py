"""A server that takes a password, and then runs every command on a real machine behind it.

A real sshd that is nobody special cannot check passwords: this one does, and hands each command to
the real sshd, by the real ssh with a key.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko

from tests.ssh.fickle import Fickle, fickle_server
from tests.ssh.sshd import Sshd


@contextmanager
def door_to(machine: Sshd, directory: Path) -> Iterator[Fickle]:
    """Open it until the block is left; `fickle.PASSWORD` is taken, of anybody."""
    with fickle_server(directory, methods="password") as server:
        server.program = lambda channel, command: _run(machine, channel, command)
        yield server


def _run(machine: Sshd, channel: paramiko.Channel, command: bytes) -> None:
    process = subprocess.Popen(
        [
            *("ssh", "-T", "-F", "none", "-i", str(machine.key), "-p", str(machine.port)),
            *("-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={machine.known_hosts}"),
            *("-l", machine.user, "--", machine.host, command.decode()),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    assert process.stdin and process.stdout and process.stderr

    def feed() -> None:
        with suppress(OSError), process.stdin:  # type: ignore[union-attr]
            while said := channel.recv(32768):
                process.stdin.write(said)  # type: ignore[union-attr]

    def complain() -> None:
        with suppress(OSError):
            while said := process.stderr.read(32768):  # type: ignore[union-attr]
                channel.sendall_stderr(said)

    threads = [threading.Thread(target=one, name="door") for one in (feed, complain)]
    for thread in threads:
        thread.start()
    with suppress(OSError):
        while said := process.stdout.read(32768):
            channel.sendall(said)
    threads[1].join(10)
    with suppress(OSError, EOFError, paramiko.SSHException):
        channel.send_exit_status(process.wait(10))
        channel.close()
    threads[0].join(10)
    for pipe in (process.stdout, process.stderr):
        pipe.close()
