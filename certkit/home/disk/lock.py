"""One lock per home: two commands that write never run at once."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from certkit.errors import HomeError
from certkit.home.disk.files import KEY_MODE, unusable


@contextmanager
def locked(path: Path, command: str) -> Iterator[None]:
    """Hold the lock while the block runs; the kernel releases it even when the process is killed.

    The file stays: removing it would let two processes lock two files of the same name. Its text
    says who holds it, for the other one's message only.

    Args:
        path: The lock file; made when missing.
        command: What the holder is doing, such as ``certkit init``.

    Raises:
        HomeError: Somebody else holds it; the message names the process and its command.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, KEY_MODE)
    except OSError as error:
        raise unusable("cannot lock", path, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _held(path, descriptor) from None
        except OSError as error:
            raise unusable("cannot lock", path, error) from error
        os.fchmod(descriptor, KEY_MODE)
        # On a full disk the lock holds all the same; what is to be written fails in its own words.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {command}\n".encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _held(path: Path, descriptor: int) -> HomeError:
    text = os.pread(descriptor, 400, 0).decode("utf-8", "replace").strip()
    pid, _, command = text.partition(" ")
    holder = f"{command} (process {pid})" if pid.isdigit() and command else "another command"
    holder = "".join(c for c in holder if c.isprintable())
    return HomeError(
        f"the home {path.parent} is locked by {holder}",
        "wait until it has finished; the lock goes away with the process",
    )
