"""Files for other programs, which must never see half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from certkit.errors import InputError


def refuse_place(path: Path) -> None:
    """Refuse a place that no file can be written to, before the work that it is to tell of.

    Raises:
        InputError: Its directory is missing or may not be written; or what is there is no plain
            file, and would be lost: a directory, a link, a device.
    """
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        raise InputError(f"{path} is no plain file", "name a new file, or one to be replaced")
    if not os.access(path.parent, os.W_OK | os.X_OK) or not path.parent.is_dir():
        raise InputError(
            f"{path.parent} is no directory that may be written", "name a file in one that may be"
        )


def write_whole(path: Path, text: str) -> None:
    """Replace a file in one step; others may read it (0644), as a collector or a web server must.

    Args:
        path: Where to; its directory exists.
        text: The whole content.

    Raises:
        OSError: It cannot be written; the old file stands.
    """
    # Dotted, and not ending in .prom: the collector takes every *.prom there is.
    descriptor, temporary = tempfile.mkstemp(
        prefix=f".{path.name}.", suffix=".new", dir=path.parent
    )
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
