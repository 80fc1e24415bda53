"""Paths as a user writes them, and the files that they name."""

from __future__ import annotations

import os
from pathlib import Path

from certkit.errors import InputError


def expanded(path: Path | str) -> Path:
    """Return a path with ``~`` and ``~user`` filled in.

    As it is where nobody has that name: `Path.expanduser` raises there, and a file that is missing
    is what the user is to be told.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111 - it raises


def read_named(path: Path, limit: int) -> bytes:
    """Return what a file holds that the user named.

    Args:
        path: As it was written.
        limit: Bytes that it may hold at most.

    Raises:
        InputError: It cannot be read, or is larger.
    """
    try:
        with expanded(path).open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "check the path") from error
    if len(content) > limit:
        raise InputError(f"{path} is larger than {limit >> 20} MiB", "check the path")
    return content
