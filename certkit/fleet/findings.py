"""What can be found wrong with a host's trust, as data."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = {
    "missing": "the trust is not there",
    "stale": "certkit's own file, of another time",
    "foreign": "a file that certkit did not write stands in the place of its own",
    "foreign_authority": "another file makes the host trust another authority for the registry",
    "leaf": "a server's certificate is trusted as if it were an authority",
    "expired": "a trusted authority is not valid by the host's clock",
    "der": "DER, where clients read PEM only",
    "bom": "a byte order mark hides the first certificate",
    "glued": "two PEM blocks on one line are read as none",
    "damaged": "no certificate can be read, or a part of one",
    "empty": "an empty file, with which newer clients refuse the directory",
    "unreadable": "the login that asked may not read it",
    "private_key": "a private key where none belongs",
    "server_key": "the registry's own private key, copied to a host",
    "unpaired": "a .cert without its .key, or the other way round: clients refuse the directory",
    "subdirectory": "a directory named like a certificate: clients refuse the whole directory",
    "dangling_link": "a link that leads nowhere: clients refuse the whole directory",
    "symlink": "a link, through which certkit does not write",
    "hosts_toml": "hosts.toml decides in place of the files beside it, for newer clients",
    "shadowed": "another directory is read in place of certkit's",
    "lax_mode": "others than the owner may write it",
    "closed_mode": "clients that do not run as root cannot read it",
    "owner": "it belongs to somebody who could replace it",
    "insecure": "the runtime does not verify this registry at all",
    "insecure_pending": "the daemon's file says so, and it will count from the next reload",
    "restart_due": "the daemon has not been restarted since its trust changed",
    "clock": "the host's clock is off by more than certificates are backdated",
    "disk": "no room is left for the next change",
    "no_runtime": "no container runtime is there",
    "daemon_down": "the daemon does not answer",
    "client_pair": "a certificate and key to log in to the registry with",
    "ignored_file": "a file that no client reads",
    "duplicate": "the same authority a second time",
    "note": "anything else worth a line",
}
"""Every kind of finding, and what it means."""

INFORMATION = frozenset({"daemon_down", "client_pair", "ignored_file", "duplicate", "note"})
"""Kinds that are told and are no drift."""


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        kind: One of `KINDS`.
        path: Of the file or directory; empty where it is about none.
        message: One clause that reads well after the host's name.
        cure: A command, or a sentence.
    """

    kind: str
    path: str
    message: str
    cure: str = ""

    @property
    def attention(self) -> bool:
        """Whether it is drift: somebody must do something."""
        return self.kind not in INFORMATION


@dataclass(frozen=True)
class Trusted:
    """One authority that a runtime trusts for the registry.

    Attributes:
        sha256: Fingerprint, 64 lower-case hex digits.
        subject: Distinguished name.
        not_after: RFC 3339, UTC.
        path: The file it stands in.
    """

    sha256: str
    subject: str
    not_after: str
    path: str
