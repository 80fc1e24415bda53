"""One registry's directory on one host, as clients read it, and what is wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from shlex import quote

from cryptography import x509

from certkit.fleet.drift.content import (
    holds_certificate,
    is_authority,
    public_half,
    read_content,
    trusted_of,
    valid_at,
)
from certkit.fleet.drift.findings import Finding, Trusted, put_aside
from certkit.fleet.drift.modes import Modes
from certkit.names import RegistryReference
from certkit.pki.bundle import fingerprint, subject_text, time_text
from certkit.remote.survey import Entry, Place

OURS = "ca.crt"

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
        distribute: The command that puts certkit's own files right.
    """

    content: bytes
    authorities: frozenset[str]
    references: tuple[RegistryReference, ...]
    server: x509.Certificate | None = None
    distribute: str = "certkit distribute"

    @property
    def replace(self) -> str:
        """The command that replaces what somebody else put in the place of certkit's own."""
        return f"{self.distribute} --force"


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
        self._modes = Modes((0, uid), per_user)
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
            elif not directory.link and not (self._modes.per_user and at == 0):
                yield from self._modes.of(path, directory)

    def _own(self) -> Iterable[Finding]:
        path = self._place.path
        entry = self._entries.get(OURS)
        if entry is None:
            others = ", ".join(self._entries) or "nothing"
            proof = f"{self._directory} has {others}" if self._place.entries else f"no {path}"
            yield Finding("missing", path, f"{path} is missing", self._wanted.distribute, proof)
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
                f"rm {quote(path)}, then {self._wanted.distribute}",
            )
        heal = self._wanted.distribute if self._place.own else self._wanted.replace
        yield from self._content(path, entry, heal)
        if entry.content != self._wanted.content:
            yield self._differs(path, read_content(entry.content).certificates)

    def _content(self, path: str, entry: Entry, heal: str) -> Iterable[Finding]:
        """Judge a file that clients read."""
        content = read_content(entry.content)
        self.trusts += [trusted_of(one, path) for one in content.certificates]
        if not entry.link:
            yield from self._modes.of(path, entry)
        if content.problem:
            first = f"{len(entry.content)} bytes: {entry.content[:16].hex(' ')}"
            said = f"{path} {_CONTENT[content.problem]}"
            yield Finding(content.problem, path, said, heal, first.rstrip(": "))
        for one in content.certificates:
            who = subject_text(one.subject)
            if not is_authority(one):
                yield Finding(
                    "leaf",
                    path,
                    f"{path} holds {who}, a server's certificate: trust ends with its renewal",
                    heal,
                )
            elif not valid_at(one, self._now):
                yield Finding(
                    "expired_authority",
                    path,
                    f"{who} in {path} is valid from {time_text(one.not_valid_before_utc)} until "
                    f"{time_text(one.not_valid_after_utc)}, and not by this host's clock",
                    "look at the clock (date -u); if it is right: certkit rotate start",
                    f"the host says {time_text(self._now)}",
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
        proof = f"SHA-256 {', '.join(one[:16] for one in has)}" if has else "no certificate is read"
        if self._place.own:
            said = f"{path} is of another time: it {what}"
            return Finding("stale", path, said, self._wanted.distribute, proof)
        said = f"{path} was not written by certkit: it {what}"
        return Finding("foreign", path, said, self._wanted.replace, proof)

    def _other(self, name: str, entry: Entry) -> Iterable[Finding]:
        path = f"{self._directory}/{name}"
        stem, _, suffix = name.rpartition(".")
        if name == "hosts.toml":
            yield Finding(
                "hosts_toml",
                path,
                f"{path} decides in place of ca.crt, for Docker 28 and newer and for containerd",
                put_aside(path),
            )
        elif not stem or suffix not in ("crt", "cert", "key"):
            yield self._unread(path, entry)
        elif suffix == "crt":
            yield from self._extra(path, entry)
        else:
            yield from self._half_of_pair(path, entry, stem, suffix)

    def _unread(self, path: str, entry: Entry) -> Finding:
        """Judge a file whose name no client reads."""
        if entry.kind == "private":
            return self._private(path, entry)
        if OURS not in self._entries and holds_certificate(entry.content):
            name = path.rpartition("/")[2]
            return Finding(
                "misnamed",
                path,
                f"{name} is not read: only names that end in .crt are, in lower case",
                f"mv {quote(path)} {quote(self._place.path)}",
            )
        return Finding("ignored_file", path, f"{path} is read by no client")

    def _extra(self, path: str, entry: Entry) -> Iterable[Finding]:
        odd = self._odd(path, entry)
        if odd is not None:
            yield odd
            return
        cure = put_aside(path)
        yield from self._content(path, entry, cure)
        for one in read_content(entry.content).certificates:
            who = subject_text(one.subject)
            if not is_authority(one):
                continue
            if fingerprint(one) in self._wanted.authorities:
                yield Finding("duplicate", path, f"{path} holds {who} once more")
            else:
                yield Finding(
                    "foreign_authority", path, f"{path} makes it trust {who} as well", cure
                )

    def _half_of_pair(self, path: str, entry: Entry, stem: str, suffix: str) -> Iterable[Finding]:
        partner = f"{stem}.{'key' if suffix == 'cert' else 'cert'}"
        if partner not in self._entries:
            # An authority that somebody saved as .cert is most likely the trust itself.
            meant = f"{stem}.crt" if holds_certificate(entry.content) else ""
            renamed = suffix == "cert" and meant and meant not in self._entries
            to = f"{self._directory}/{meant}"
            yield Finding(
                "unpaired",
                path,
                f"{path} has no {partner} beside it, so clients refuse the whole directory"
                + (": authorities are named .crt" if suffix == "cert" else ""),
                f"mv {quote(path)} {quote(to)}" if renamed else f"rm {quote(path)}",
            )
        odd = self._odd(path, entry)
        if odd is not None and not (entry.kind == "private" and suffix == "key"):
            yield odd
        elif suffix == "key" and entry.kind == "private" and self._is_servers(entry):
            other = f"{self._directory}/{partner}"
            yield self._private(path, entry, other if partner in self._entries else "")
        elif suffix == "key" and partner in self._entries:
            yield Finding("client_pair", path, f"{path} is a client's key, with {partner}")

    def _odd(self, path: str, entry: Entry) -> Finding | None:
        """What is wrong with something that is no readable certificate file at all."""
        if entry.kind == "directory":
            message = f"{path} is a directory, so clients refuse everything beside it"
            return Finding("subdirectory", path, message, put_aside(path))
        if entry.kind == "dangling":
            message = f"{path} is a link that leads nowhere, so clients refuse the directory"
            return Finding("dangling_link", path, message, f"rm {quote(path)}")
        if entry.kind == "private":
            return self._private(path, entry)
        if entry.kind == "unreadable":
            message = f"{path} cannot be read by the login"
            return Finding("unreadable", path, message, f"chmod 644 {quote(path)}")
        if entry.kind == "other":
            return Finding("damaged", path, f"{path} is no file", f"rm {quote(path)}")
        return None

    def _private(self, path: str, entry: Entry, partner: str = "") -> Finding:
        cure = f"rm {quote(path)}" + (f" {quote(partner)}" if partner else "")
        if self._is_servers(entry):
            return Finding(
                "server_key",
                path,
                f"{path} is the registry's own private key: whoever reads it can pose as the "
                "registry",
                f"{cure}, then certkit renew --deploy",
            )
        return Finding("private_key", path, f"{path} holds a private key", cure)

    def _is_servers(self, entry: Entry) -> bool:
        server = self._wanted.server
        return server is not None and entry.content.split() == public_half(server).split()
