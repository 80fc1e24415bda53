"""known_hosts files on disk: reading them, and appending to one without ever rewriting it."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from certkit.errors import ErrorKind, HostError
from certkit.transport.hostkeys.known_hosts import KnownHosts, hash_name
from certkit.transport.reading import read_file

# More than a hundred thousand hosts; beyond this it is no known_hosts file.
_LARGEST_FILE = 256 * 1024 * 1024


class Record(Protocol):
    """Appends one line."""

    def __call__(self, name: str, key: str, *, hashed: bool) -> None:
        """Write ``name key``, with the name hashed where the file's others are."""


def default_user_files() -> tuple[Path, ...]:
    """Return OpenSSH's defaults for UserKnownHostsFile (ssh_config(5))."""
    directory = Path.home() / ".ssh"
    return (directory / "known_hosts", directory / "known_hosts2")


def read_files(files: Iterable[Path]) -> KnownHosts:
    """Read files in their order; one that is not there is empty.

    Raises:
        HostError: ``host_key``, a file is there and cannot be read.
    """
    database = KnownHosts()
    for path in files:
        try:
            text = read_file(path, _LARGEST_FILE + 1)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _unusable(f"cannot read {path}: {error.strerror}") from error
        if len(text) > _LARGEST_FILE:
            raise _unusable(f"{path} is too large")
        database.read(path, text)
    return database


@contextmanager
def append_new(path: Path) -> Iterator[Record]:
    """Hold the lock of one file and give the function that appends to it.

    The lock is advisory; what protects against writers that do not know it (ssh itself) is that
    each line is one write to a file opened with O_APPEND.

    Raises:
        HostError: ``host_key``, the file cannot be written.
    """
    with _recording(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with _recording(path):
            fcntl.flock(descriptor, fcntl.LOCK_EX)

        def record(name: str, key: str, *, hashed: bool) -> None:
            shown = hash_name(name, secrets.token_bytes(20)) if hashed else name.lower()
            with _recording(path):
                _append_line(descriptor, f"{shown} {key}\n".encode())

        yield record
    finally:
        os.close(descriptor)


def _append_line(descriptor: int, line: bytes) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        # /dev/null, by which ssh is told to remember nothing.
        os.write(descriptor, line)
        return
    size = status.st_size
    # A last line without its newline would otherwise swallow ours.
    if size > 0 and os.pread(descriptor, 1, size - 1) != b"\n":
        line = b"\n" + line
    written = os.write(descriptor, line)
    if written < len(line):
        # Half a key would later be told as a changed one.
        if os.fstat(descriptor).st_size == size + written:
            os.ftruncate(descriptor, size)
        raise OSError(errno.ENOSPC, "there is no room for it")
    os.fsync(descriptor)


@contextmanager
def _recording(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unusable(f"cannot record a new key in {path}: {error.strerror}") from error


def _unusable(reason: str) -> HostError:
    return HostError(
        ErrorKind.HOST_KEY,
        f"has a host key that cannot be checked: {reason}",
        "mend the file, or name another one with `--known-hosts FILE`",
        unreachable=True,
    )
