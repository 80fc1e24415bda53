"""The journal: what was done, when, by whom, to which hosts, with what result. No secrets."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from cryptography import x509

from certkit.home.disk.files import KEY_MODE, sync_directory, unusable
from certkit.pki.bundle import fingerprint, time_text


class Journal:
    """An append-only file of JSON lines. An entry is on the disk when `append` returns.

    Appending does not need the home's lock: an entry is one write to a file opened for appending.

    Args:
        path: The file; made by the first entry.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(
        self,
        command: str,
        *,
        registry: str = "",
        what: str = "",
        certificates: Iterable[x509.Certificate] = (),
        **details: object,
    ) -> None:
        """Add one entry; time and user are filled in.

        Args:
            command: The command that did it, such as ``distribute``.
            registry: The reference it was about.
            what: What was done, in words.
            certificates: What was issued or taken. Told before anybody could hold it: such a
                certificate must never be missing here.
            **details: Anything else that JSON can hold: hosts, result, names, ...

        Raises:
            TypeError: A value is not JSON; a `Secret` is not, on purpose.
            ValueError: A value is a private key.
            HomeError: The disk refused.
        """
        entry: dict[str, object] = {
            "time": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "command": command,
            "user": _user(),
            "registry": registry,
            "what": what,
            **details,
        }
        listed = [_described(one) for one in certificates]
        if listed:
            entry["certificates"] = listed
        line = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
        if "PRIVATE KEY" in line:
            raise ValueError("a private key does not go into the journal")
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(self.path, flags, KEY_MODE)
            try:
                # Held for a moment, so that the look at the last byte is not in mid-write.
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                os.fchmod(descriptor, KEY_MODE)
                size = os.fstat(descriptor).st_size
                # A power cut can leave half a line; it must not swallow the next one.
                torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                os.write(descriptor, ("\n" * torn + line + "\n").encode())
                os.fsync(descriptor)
                if size == 0:
                    sync_directory(self.path.parent)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise unusable("cannot write", self.path, error) from error

    def entries(self) -> Iterator[dict[str, Any]]:
        """The entries, oldest first; a torn line is skipped.

        Raises:
            HomeError: The file cannot be read.
        """
        if not self.path.exists():
            return
        try:
            lines = self.path.open("rb")
        except OSError as error:
            raise unusable("cannot read", self.path, error) from error
        with lines:
            for line in lines:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if isinstance(entry, dict):
                    yield entry


def _described(certificate: x509.Certificate) -> dict[str, str]:
    return {
        "serial": f"{certificate.serial_number:x}",
        "sha256": fingerprint(certificate),
        "not_after": time_text(certificate.not_valid_after_utc),
    }


def _user() -> str:
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"uid {uid}"
    asked = os.environ.get("SUDO_USER", "")
    return f"{asked} as {name}" if asked and asked != name else name
