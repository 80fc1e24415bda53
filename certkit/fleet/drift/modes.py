"""Whether files and directories are for everybody to read and for nobody else to write. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from shlex import quote

from certkit.fleet.drift.findings import Finding
from certkit.remote.survey import Directory, Entry


@dataclass(frozen=True)
class Modes:
    """The rules for one runtime.

    Attributes:
        owners: Numbers of the users whose files these may be.
        per_user: Whether it belongs to a user, whose modes are that user's business but for what
            others may write.
    """

    owners: tuple[int, ...]
    per_user: bool

    def of(self, path: str, found: Directory | Entry) -> Iterable[Finding]:
        """Judge the mode and the owner of a file or directory that is no link."""
        directory = isinstance(found, Directory)
        needs = 0o005 if directory else 0o004
        proof = f"mode {found.mode:04o}, owner {found.uid}"
        cure = f"chmod {'755' if directory else '644'} {quote(path)}"
        if found.mode & 0o022:
            yield Finding(
                "lax_mode",
                path,
                f"{path} has mode {found.mode:04o}: others may write it",
                cure,
                proof,
            )
        if self.per_user:
            return
        if found.mode & needs != needs:
            yield Finding(
                "closed_mode",
                path,
                f"{path} has mode {found.mode:04o}: clients that do not run as root cannot read it",
                cure,
                proof,
            )
        if found.uid not in self.owners:
            yield Finding(
                "owner",
                path,
                f"{path} belongs to user {found.uid}, who can replace it",
                f"chown 0:0 {quote(path)}",
                proof,
            )
