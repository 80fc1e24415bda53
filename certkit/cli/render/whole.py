"""Files for other programs, which must never see half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


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
