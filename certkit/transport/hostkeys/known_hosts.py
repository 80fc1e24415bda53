"""Reads known_hosts files and finds the lines that speak of a host.

The format is that of sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". paramiko's own reader gives up on a
whole file at its first marker or odd line, knows no wildcards and is quadratic, so this is ours:
exact names are looked up in a dict, the few patterns are tried in turn, and hashed names cost one
HMAC each, because every line has a salt of its own; once a line's name is found out, that line is
tried no more. Lines that cannot be read are kept as problems and skipped, as OpenSSH does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from certkit.inventory.ssh.patterns import covers

Marker = Literal["", "cert-authority", "revoked"]

_MARKERS: dict[bytes, Marker] = {b"@cert-authority": "cert-authority", b"@revoked": "revoked"}
# Anything longer is no key: an RSA key of 16384 bits takes 2.8 kB in base64.
_LONGEST_LINE = 64 * 1024
_SHA1_BYTES, _SHA1_BLOCK = 20, 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class Entry(NamedTuple):
    """One line.

    Attributes:
        marker: What the line means; empty for a plain host key.
        key_type: The type that the line claims, such as ``ssh-ed25519``.
        blob: The public key in SSH wire format.
        path: The file.
        line: Line number, from 1; 0 when it was added by this run.
    """

    marker: Marker
    key_type: str
    blob: bytes
    path: Path
    line: int

    @property
    def where(self) -> str:
        """``file:line``, for messages."""
        return f"{self.path}:{self.line}" if self.line else str(self.path)


class _HashedLine(NamedTuple):
    """A line with its name behind HMAC-SHA1 (RFC 2104), begun with its salt: it lacks but a name.

    For a look-up that is a third of `hmac.digest`, which finds and keys its hash anew each time;
    a fleet asks for every host in every line.
    """

    inner: hashlib._Hash
    outer: hashlib._Hash
    digest: bytes
    entry: Entry


class KnownHosts:
    """The lines of some files, ready to be searched; for one thread at a time."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._exact: dict[bytes, list[Entry]] = {}
        self._patterns: list[tuple[tuple[str, ...], Entry]] = []
        self._hashed: list[_HashedLine] = []
        self._found_out: dict[bytes, list[Entry]] = {}

    def read(self, path: Path, text: bytes) -> None:
        """Take in the text of one file; never fails, see `problems`."""
        for number, line in enumerate(text.splitlines(), 1):
            try:
                self._read_line(path, number, line)
            except ValueError as error:
                self.problems.append(f"{path}:{number}: {error}")

    def _read_line(self, path: Path, number: int, line: bytes) -> None:
        words = line.split(None, 4)
        if not words or words[0].startswith(b"#"):
            return
        if len(line) > _LONGEST_LINE:
            raise ValueError("the line is too long")
        marker: Marker = ""
        if words[0].startswith(b"@"):
            if words[0] not in _MARKERS:
                raise ValueError("the line has an unknown marker")
            marker = _MARKERS[words[0]]
            words = words[1:]
        if len(words) < 3:
            raise ValueError("the line is not NAMES TYPE KEY")
        names, key_type, key = words[:3]
        try:
            blob = base64.b64decode(key, validate=True)
        except binascii.Error as error:
            raise ValueError("the key is not base64") from error
        if not blob.startswith(len(key_type).to_bytes(4, "big") + key_type):
            raise ValueError("the key is not of the type that the line says")
        self.add(names, Entry(marker, key_type.decode("ascii", "replace"), blob, path, number))

    def add(self, names: bytes, entry: Entry) -> None:
        """Add one line's entry under the names it was written with.

        Raises:
            ValueError: The names cannot be read.
        """
        if names.startswith(b"|"):
            self._hashed.append(_hashed_line(names, entry))
            return
        several = names.lower()
        if any(c in names for c in b"*?!"):
            self._patterns.append((tuple(several.decode("latin-1").split(",")), entry))
            return
        for name in dict.fromkeys(several.split(b",")):
            self._exact.setdefault(name, []).append(entry)

    def matching(self, name: str) -> Iterator[Entry]:
        """Yield every entry for `name`, which is ``host`` or ``[host]:port``, lower case or not."""
        wanted = name.lower().encode()
        yield from self._exact.get(wanted, ())
        # A letter for each byte, as OpenSSH compares them.
        letters = wanted.decode("latin-1")
        for patterns, entry in self._patterns:
            if _matches(letters, patterns):
                yield entry
        yield from self._behind_hashes(wanted)

    def _behind_hashes(self, wanted: bytes) -> list[Entry]:
        """Try the hashed lines; one that is found out leaves them, for it has no other name.

        So all hosts of a file cost half of what trying every line for each of them does.
        """
        places = []
        for place, (inner, outer, digest, _) in enumerate(self._hashed):
            first, second = inner.copy(), outer.copy()
            first.update(wanted)
            second.update(first.digest())
            if second.digest() == digest:
                places.append(place)
        if places:
            entries = [self._hashed[place].entry for place in places]
            self._found_out.setdefault(wanted, []).extend(entries)
            for place in reversed(places):
                del self._hashed[place]
        return self._found_out.get(wanted, [])

    @property
    def uses_hashes(self) -> bool:
        """Whether names are hashed here, so that new ones should be too."""
        return bool(self._hashed or self._found_out)


def host_names(address: str, port: int, alias: str | None) -> tuple[str, ...]:
    """Return the names under which OpenSSH looks a host up, the decisive one first.

    With an alias only that; on another port than 22 ``[host]:port``, and the bare name where
    nothing is known under the first (sshconnect.c, check_host_key).
    """
    if alias:
        return (alias,)
    if port == 22:
        return (address,)
    return (f"[{address}]:{port}", address)


def hash_name(name: str, salt: bytes) -> str:
    """Return `name` as ``HashKnownHosts`` writes it; `salt` is 20 random bytes."""
    digest = hmac.digest(salt, name.lower().encode(), "sha1")
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def _hashed_line(names: bytes, entry: Entry) -> _HashedLine:
    parts = names.split(b"|")
    if len(parts) != 4 or parts[1] != b"1":
        raise ValueError("the hashed name is not of a kind that is known")
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in parts[2:])
    except binascii.Error as error:
        raise ValueError("the hashed name is not base64") from error
    if len(salt) != _SHA1_BYTES or len(digest) != _SHA1_BYTES:
        raise ValueError("the hashed name is of the wrong length")
    key = salt.ljust(_SHA1_BLOCK, b"\0")
    return _HashedLine(
        hashlib.sha1(key.translate(_INNER), usedforsecurity=False),
        hashlib.sha1(key.translate(_OUTER), usedforsecurity=False),
        digest,
        entry,
    )


def _matches(name: str, patterns: Iterable[str]) -> bool:
    """OpenSSH's match_pattern_list: one negated match refuses, whatever else matches."""
    found = False
    for pattern in patterns:
        if pattern.startswith("!"):
            if covers(pattern[1:], name):
                return False
        elif covers(pattern, name):
            found = True
    return found
