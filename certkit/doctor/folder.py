"""A registry's directory on a host, and what it is when it is not where clients look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from certkit.doctor.finding import Finding
from certkit.errors import ErrorKind
from certkit.names import RegistryReference
from certkit.remote.examined import Entry

_TRUST = frozenset({ErrorKind.TRUST})


@dataclass(frozen=True)
class Folder:
    """One directory as a client would read it, and what lies around it.

    Attributes:
        host: The host's name, for cures.
        base: The directory above, such as ``/etc/docker/certs.d``.
        reference: Whose directory it is.
        neighbours: What stands in `base`; None when there is no `base`.
        entries: What stands in the directory, ``.`` first; None when there is no directory.
        everyone: Whether every user reads it, not only root.
    """

    host: str
    base: str
    reference: RegistryReference
    neighbours: Sequence[Entry] | None
    entries: Sequence[Entry] | None
    everyone: bool

    @property
    def path(self) -> str:
        """Where it is, or should be."""
        return f"{self.base}/{self.reference.text}"

    @property
    def again(self) -> str:
        """The command that puts it right."""
        return f"certkit distribute --limit {self.host} --force"


def near_names(reference: RegistryReference) -> tuple[str, ...]:
    """Return the directory names that people write in place of the right one, in lower case."""
    host, port = reference.host, reference.port
    shown = f"[{host}]" if ":" in host else host
    # containerd's host_port_ is one of them for Docker's own pulls.
    names = [
        shown,
        host,
        f"{shown}_{port}_",
        f"{shown}_{port}",
        f"{shown}-{port}",
        f"{shown}{port}",
    ]
    names += [f"{shown}:443", f"https:{shown}", reference.text, f"{reference.text}_"]
    return tuple(dict.fromkeys(name.lower() for name in names))


def absent(folder: Folder) -> Finding:
    """Say why there is no directory: another name, or nothing was distributed."""
    wanted = folder.reference.text
    near = [
        entry.name
        for entry in folder.neighbours or ()
        if entry.kind in "dl"
        and entry.name not in (".", wanted)
        and entry.name.strip().lower().rstrip(".:/") in near_names(folder.reference)
    ]
    if near:
        found, right = f"{folder.base}/{near[0]}", folder.path
        return Finding(
            "directory-name",
            92,
            f"the trust lies in a directory of another name; clients look for {wanted!r} byte for "
            "byte",
            f"there is {found!r}, and no {right!r}",
            f"mv {quote(found)} {quote(right)}",
            _TRUST,
        )
    there = [entry.name for entry in folder.neighbours or () if entry.name != "."]
    proof = f"no {folder.path}" + (f"; in {folder.base}: {', '.join(there[:5])}" if there else "")
    return Finding(
        "not-distributed",
        86,
        "no trust for this registry was put here",
        proof,
        f"certkit distribute --limit {folder.host}",
        _TRUST,
    )


def shadowed(read: str, right: str) -> Finding:
    """Say that another directory is read in place of the one with the trust.

    Args:
        read: The directory that exists and comes first.
        right: Where certkit puts the trust.
    """
    return Finding(
        "shadowed",
        93,
        f"{read} is read in place of {right}: the first directory wins, there is no merge",
        f"there is {read}",
        f"mv {quote(read)} {quote(read + '.off')}",
        _TRUST,
    )


def wrong_place(runtime: str, there: str, right: str) -> Finding:
    """Say that the trust lies where another flavour of the runtime would read it."""
    return Finding(
        "wrong-place",
        93,
        f"{runtime} does not read {there}",
        f"there is {there}, and no {right}",
        f"mkdir -p {quote(right)} && cp {quote(there)}/*.crt {quote(right)}, or certkit distribute",
        _TRUST,
    )


def second_spelling(folder: Folder, version: str) -> list[Finding]:
    """Find containerd's other spelling of the directory, which Docker reads first since 28.

    Args:
        folder: The right directory.
        version: Docker's, as it prints it.
    """
    reference = folder.reference
    if folder.entries is None or reference.port is None:
        return []
    name = f"{reference.text.rpartition(':')[0]}_{reference.port}_"
    if not any(entry.name == name for entry in folder.neighbours or ()):
        return []
    major = version.partition(".")[0]
    new = major.isdigit() and int(major) >= 28
    path = f"{folder.base}/{name}"
    return [
        Finding(
            "shadowed",
            90 if new else 35,
            f"{path} is read in place of {folder.path} by containerd and Docker 28",
            f"there is {path}; Docker here is {version or 'of unknown version'}",
            f"mv {quote(path)} {quote('/root/' + name)}",
            _TRUST,
        )
    ]
