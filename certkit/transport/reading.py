"""Reading a file of this machine while hosts wait for it: no pipe may keep them for ever."""

from __future__ import annotations

import errno
import os
import select
from pathlib import Path

# Somebody may have to type a passphrase for the command at a pipe's other end; in seconds.
_SILENCE = 60.0
_PART = 1024 * 1024


def read_file(path: Path, most: int) -> bytes:
    """Return the first bytes of a file, or of a pipe such as ``<(pass show key)``.

    Args:
        path: The file.
        most: How many bytes at most.

    Raises:
        OSError: It cannot be read; `TimeoutError` where nothing has come for a minute, as of a
            FIFO that nobody writes to.
    """
    # Without O_NONBLOCK the opening itself would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        found = bytearray()
        while len(found) < most:
            if not poll.poll(_SILENCE * 1000):
                raise TimeoutError(errno.ETIMEDOUT, f"nothing came for {_SILENCE:.0f} s")
            part = os.read(descriptor, min(_PART, most - len(found)))
            if not part:
                break
            found += part
        return bytes(found)
    finally:
        os.close(descriptor)
