"""Paths as a user writes them."""

from __future__ import annotations

import os
from pathlib import Path


def expanded(path: Path | str) -> Path:
    """Return a path with ``~`` and ``~user`` filled in.

    As it is where nobody has that name: `Path.expanduser` raises there, and a file that is missing
    is what the user is to be told.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111 - it raises
