"""One registry's directory on one host, as clients read it, and what is wrong with it. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from certkit.fleet.content import is_authority, public_half, read_content, trusted_of, valid_at
from certkit.fleet.findings import Finding, Trusted
from certkit.names import RegistryReference
from certkit.pki.bundle import fingerprint, subject_text, time_text
from certkit.remote.survey import Entry, Place

OURS = "ca.crt"
DISTRIBUTE = "certkit distribute"

LEAST_FREE = 1024
"""Kilobytes: a change needs some tens of them, twice."""

_CONTENT = {
    "der": "is DER, and clients read PEM only: it is ignored or refused",
    "bom": "begins with a byte order mark, so its first certificate is not read",
    "glued": "has two PEM blocks on one line, and is not read beyond them",
    "damaged": "holds what is no whole certificate",
    "empty": "is empty, and newer clients then refuse the whole directory",
}


@dataclass(frozen=True)
class Wanted:
    """What a fleet is held to.

    Attributes:
        content: The file that hosts should have.
        authorities: The fingerprints in it.
        references: The registry, then its aliases.
        server: The registry's certificate; None when not known.
    """

    content: bytes
    authorities: frozenset[str]
    references: tuple[RegistryReference, ...]
    server: x509.Certificate | None = None


def look_then_remove(path: str) -> str:
    """Return the cure for what may have a purpose that certkit does not know."""
    return f"look at it, and if nothing needs it: rm -r {shlex.quote(path)}"


class RegistryDirectory:
    """Judges one directory.

    Args:
        place: As it was found.
        wanted: What should be there.
        now: The host's time.
        uid: Whose files these may be, beside root's.
        per_user: Whether it belongs to a user, whose modes are that user's business.

    Attributes:
        trusts: What its files make clients trust; filled by `findings`.
    """

    def __init__(
        self, place: Place, wanted: Wanted, now: datetime, uid: int, *, per_user: bool
    ) -> None:
        self._place = place
        self._wanted = wanted
        self._now = now
        self._owners = (0, uid)
        self._per_user = per_user
        self._directory = place.path.rpartition("/")[0]
        self._entries = {entry.name: entry for entry in place.entries}
        self.trusts: list[Trusted] = []

    def findings(self) -> list[Finding]:
        """Return all that is wrong or worth a line, in the order of reading."""
        found = [*self._above(), *self._own()]
        for name, entry in self._entries.items():
            if name != OURS:
                found += self._other(name, entry)
        free = self._place.free
        if free is not None and free < LEAST_FREE:
            found.append(
                Finding(
                    "disk",
                    self._directory,
                    f"{free} KiB are left on the file system of {self._directory}",
                    "free some space",
                )
            )
        return found

    def _above(self) -> Iterable[Finding]:
        for at, directory in enumerate(self._place.directories):
            path = directory.path
            # What stands further up may be linked elsewhere; these two are certkit's to make.
            if directory.link and path in (self._directory, self._directory.rpartition("/")[0]):
                yield Finding(
                    "symlink",
                    path,
                    f"{path} is a symlink, and certkit does not write through one",
                    "replace it by a directory, or set certs_dir to where it leads",
                )
            elif not directory.link and not (self._per_user and at == 0):
                yield from self._modes(path, directory.mode, directory.uid, needs=0o005)

    def _modes(self, path: str, mode: int, uid: int, *, needs: int) -> Iterable[Finding]:
        """Judge mode and owner; `needs` are the bits that everybody should have."""
        right = "755" if needs == 0o005 else "644"
        cure = f"chmod {right} {shlex.quote(path)}"
        if mode & 0o022:
            yield Finding(
                "lax_mode", path, f"{path} has mode {mode:04o}: others may write it", cure
            )
        if mode & needs != needs and not self._per_user:
            yield Finding(
                "closed_mode",
                path,
                f"{path} has mode {mode:04o}: clients that do not run as root cannot read it",
                cure,
            )
        if uid not in self._owners and not self._per_user:
            yield Finding(
                "owner",
                path,
                f"{path} belongs to user {uid}, who can replace it",
                f"chown 0:0 {shlex.quote(path)}",
            )

    def _own(self) -> Iterable[Finding]:
        path = self._place.path
        entry = self._entries.get(OURS)
        if entry is None:
            yield Finding("missing", path, f"{path} is missing", DISTRIBUTE)
            return
        odd = self._odd(path, entry)
        if odd is not None:
            yield odd
            return
        if entry.link:
            yield Finding(
                "symlink",
                path,
                f"{path} is a symlink, and certkit does not write through one",
                f"rm {shlex.quote(path)}, then {DISTRIBUTE}",
            )
        if not entry.link:
            yield from self._modes(path, entry.mode, entry.uid, needs=0o004)
        content = read_content(entry.content)
        self._trust(path, content.certificates)
        heal = DISTRIBUTE if self._place.own else f"{DISTRIBUTE} --force"
        if content.problem:
            yield Finding(content.problem, path, f"{path} {_CONTENT[content.problem]}", heal)
        yield from self._leaves(path, content.certificates, heal)
        if entry.content != self._wanted.content:
            yield self._differs(path, content.certificates)
        for one in content.certificates:
            if is_authority(one) and not valid_at(one, self._now):
                yield Finding(
                    "expired",
                    path,
                    f"{subject_text(one.subject)} in {path} is valid from "
                    f"{time_text(one.not_valid_before_utc)} until "
                    f"{time_text(one.not_valid_after_utc)}, and not by this host's clock",
                    "look at the clock (date -u); if it is right, make a new authority",
                )

    def _differs(self, path: str, certificates: Sequence[x509.Certificate]) -> Finding:
        has = {fingerprint(one) for one in certificates}
        lacks = len(self._wanted.authorities - has)
        if not lacks and has == self._wanted.authorities:
            what = "holds the same certificates, written in another way"
        else:
            others = [
                one for one in certificates if fingerprint(one) not in self._wanted.authorities
            ]
            names = ", ".join(dict.fromkeys(subject_text(one.subject) for one in others))
            what = f"lacks {lacks} of {len(self._wanted.authorities)} authorities" if lacks else ""
            what += (" and " if lacks and names else "") + (f"also trusts {names}" if names else "")
        if self._place.own:
            return Finding("stale", path, f"{path} is of another time: it {what}", DISTRIBUTE)
        return Finding(
            "foreign",
            path,
            f"{path} was not written by certkit: it {what}",
            f"{DISTRIBUTE} --force",
        )

    def _other(self, name: str, entry: Entry) -> Iterable[Finding]:
        path = f"{self._directory}/{name}"
        stem, _, suffix = name.rpartition(".")
        if name == "hosts.toml":
            yield Finding(
                "hosts_toml",
                path,
                f"{path} decides in place of ca.crt, for Docker 28 and newer and for containerd",
                f"have it name ca.crt, or {look_then_remove(path)}",
            )
            return
        if not stem or suffix not in ("crt", "cert", "key"):
            if entry.kind == "private":
                yield self._private(path, entry)
            else:
                yield Finding("ignored_file", path, f"{path} is read by no client")
            return
        partner = f"{stem}.{'key' if suffix == 'cert' else 'cert'}"
        if suffix != "crt" and partner not in self._entries:
            yield Finding(
                "unpaired",
                path,
                f"{path} has no {partner} beside it, so clients refuse the whole directory"
                + (": authorities are named .crt" if suffix == "cert" else ""),
                f"rm {shlex.quote(path)}",
            )
        odd = self._odd(path, entry)
        if odd is not None and not (entry.kind == "private" and suffix == "key"):
            yield odd
        elif suffix == "key":
            if entry.kind == "private" and self._is_servers(entry):
                yield self._private(path, entry)
            elif partner in self._entries:
                yield Finding("client_pair", path, f"{path} is a client's key, with {partner}")
        elif suffix == "crt":
            yield from self._extra(path, entry)

    def _extra(self, path: str, entry: Entry) -> Iterable[Finding]:
        content = read_content(entry.content)
        self._trust(path, content.certificates)
        cure = look_then_remove(path)
        if not entry.link:
            yield from self._modes(path, entry.mode, entry.uid, needs=0o004)
        if content.problem:
            yield Finding(content.problem, path, f"{path} {_CONTENT[content.problem]}", cure)
        yield from self._leaves(path, content.certificates, cure)
        for one in content.certificates:
            who = subject_text(one.subject)
            if not is_authority(one):
                continue
            if fingerprint(one) in self._wanted.authorities:
                yield Finding("duplicate", path, f"{path} holds {who} once more")
            else:
                yield Finding(
                    "foreign_authority", path, f"{path} makes it trust {who} as well", cure
                )

    def _leaves(
        self, path: str, certificates: Sequence[x509.Certificate], cure: str
    ) -> Iterable[Finding]:
        for one in certificates:
            if not is_authority(one):
                yield Finding(
                    "leaf",
                    path,
                    f"{path} holds {subject_text(one.subject)}, a server's certificate: trust "
                    "ends with its renewal",
                    cure,
                )

    def _odd(self, path: str, entry: Entry) -> Finding | None:
        """What is wrong with something that is no readable certificate file at all."""
        quoted = shlex.quote(path)
        if entry.kind == "directory":
            message = f"{path} is a directory, so clients refuse everything beside it"
            return Finding("subdirectory", path, message, f"rm -r {quoted}")
        if entry.kind == "dangling":
            message = f"{path} is a link that leads nowhere, so clients refuse the directory"
            return Finding("dangling_link", path, message, f"rm {quoted}")
        if entry.kind == "private":
            return self._private(path, entry)
        if entry.kind == "unreadable":
            message = f"{path} cannot be read by the login"
            return Finding("unreadable", path, message, "use become: {method: sudo}")
        if entry.kind == "other":
            return Finding("damaged", path, f"{path} is no file", f"rm {quoted}")
        return None

    def _private(self, path: str, entry: Entry) -> Finding:
        cure = f"rm {shlex.quote(path)}"
        if self._is_servers(entry):
            return Finding(
                "server_key",
                path,
                f"{path} is the registry's own private key: whoever reads it can pose as the "
                "registry",
                f"{cure}, then certkit renew with a new key",
            )
        return Finding("private_key", path, f"{path} holds a private key", cure)

    def _is_servers(self, entry: Entry) -> bool:
        server = self._wanted.server
        return server is not None and entry.content.split() == public_half(server).split()

    def _trust(self, path: str, certificates: Iterable[x509.Certificate]) -> None:
        self.trusts += [trusted_of(one, path) for one in certificates]
