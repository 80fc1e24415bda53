"""The upper layer of a machine's file system, filled before the machine boots.

A machine's root is an overlay: the base below, shared and never written, and one upper directory
of its own above. What has to differ from the base is put there beforehand.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath


class UpperTree:
    """Files that a machine has instead of, or besides, those of its base."""

    def __init__(self, base: Path, upper: Path) -> None:
        self._base = base
        self._upper = upper
        upper.mkdir(parents=True, exist_ok=True)
        self._match(upper, base)

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Put a file; it belongs to whoever its directory belongs to."""
        target = self._place(path)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        target.chmod(mode)
        directory = target.parent.stat()
        os.chown(target, directory.st_uid, directory.st_gid)

    def replace_line(self, path: str, prefix: str, line: str) -> None:
        """Put a file of the base with one line of it replaced; owner and mode stay."""
        source = self._base / path.lstrip("/")
        lines = source.read_text().splitlines()
        target = self._place(path)
        target.write_text("".join(f"{line if old.startswith(prefix) else old}\n" for old in lines))
        self._match(target, source)

    def mask(self, unit: str) -> None:
        """Keep systemd from ever starting a unit."""
        self._place(f"/etc/systemd/system/{unit}").symlink_to("/dev/null")

    def hide(self, path: str) -> None:
        """Make a file or directory of the base absent, with the overlay's own mark for it."""
        if os.path.lexists(self._base / path.lstrip("/")):
            os.mknod(self._place(path), stat.S_IFCHR, os.makedev(0, 0))

    def _place(self, path: str) -> Path:
        """Where a path is in the upper tree; the directories above it are as in the base."""
        relative = PurePosixPath(path.lstrip("/"))
        for parent in reversed(relative.parents[:-1]):
            directory = self._upper / parent
            if not directory.is_dir():
                directory.mkdir()
                if (self._base / parent).is_dir():
                    self._match(directory, self._base / parent)
        return self._upper / relative

    @staticmethod
    def _match(target: Path, source: Path) -> None:
        """Give the target the owner and mode of the source: in an overlay, the upper one counts."""
        status = source.stat()
        os.chown(target, status.st_uid, status.st_gid)
        target.chmod(stat.S_IMODE(status.st_mode))
