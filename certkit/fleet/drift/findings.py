"""What can be found wrong with a host's trust, as data."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote

KINDS = {
    "missing": "the trust is not there",
    "near_name": "a directory of almost the registry's name, which clients do not take for it",
    "wrong_place": "the trust lies where another flavour of the runtime looks",
    "misnamed": "the trust lies in a file whose name clients do not read",
    "left_over": "certkit's own file, for a name or directory that has left the inventory",
    "stale": "certkit's own file, of another time",
    "foreign": "a file that certkit did not write stands in the place of its own",
    "foreign_authority": "another file makes the host trust another authority for the registry",
    "leaf": "a server's certificate is trusted as if it were an authority",
    "expired_authority": "a trusted authority is not valid by the host's clock",
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
    "unexamined": "a user's own runtime could not be looked at",
    "similar_name": "a directory that may be another registry's, or a name without its port",
    "daemon_down": "the daemon does not answer",
    "client_pair": "a certificate and key to log in to the registry with",
    "ignored_file": "a file that no client reads",
    "duplicate": "the same authority a second time",
    "system": "the host's own system trusts the registry's authority, so no file is needed",
    "note": "anything else worth a line",
}
"""Every kind of finding, and what it means."""

RETIRE = "certkit distribute --retire-insecure"
"""Takes the registry out of a daemon's list of insecure ones."""

INFORMATION = frozenset(
    {"similar_name", "daemon_down", "client_pair", "ignored_file", "duplicate", "system", "note"}
)
"""Kinds that are told and are no drift."""


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        kind: One of `KINDS`.
        path: Of the file or directory; empty where it is about none.
        message: One clause that reads well after the host's name.
        cure: Commands, joined by ``, then``: certkit's own are typed where its home is, any other
            on the host. A sentence where there is none.
        proof: What was seen, where the path alone does not show it.
    """

    kind: str
    path: str
    message: str
    cure: str = ""
    proof: str = ""

    @property
    def attention(self) -> bool:
        """Whether it is drift: somebody must do something."""
        return self.kind not in INFORMATION


def put_aside(path: str) -> str:
    """Return the cure for what may have a purpose: nobody reads it by its new name."""
    return f"mv {quote(path)} {quote(f'{path}.off')}"


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
