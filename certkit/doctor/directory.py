"""What a registry's directory on a host says: its name, its files, their modes and content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import quote

from cryptography import x509

from certkit.doctor.finding import Finding
from certkit.doctor.folder import Folder, absent
from certkit.errors import ErrorKind
from certkit.fleet.content import is_authority, read_content
from certkit.pki.bundle import fingerprint, subject_text
from certkit.remote.examined import Entry

_TRUST = frozenset({ErrorKind.TRUST})

_FLAWS = {
    "bom": "begins with a byte order mark, so its first certificate is not read",
    "glued": "has two certificates glued on one line, of which clients read none",
    "der": "is DER; clients read PEM only",
    "empty": "is empty",
    "damaged": "holds what is no whole certificate",
}


def judge_folder(
    folder: Folder, roots: Sequence[x509.Certificate], served: x509.Certificate | None
) -> list[Finding]:
    """Judge a directory.

    Args:
        folder: The directory.
        roots: What hosts are to trust.
        served: The certificate that the registry serves, where known.
    """
    if folder.entries is None:
        return [absent(folder)]
    files = {entry.name: entry for entry in folder.entries if entry.name != "."}
    return [
        *_refusals(folder, files),
        *_copies(folder, files, served),
        *_contents(folder, files, roots),
        *_modes(folder),
    ]


def _refusals(folder: Folder, files: Mapping[str, Entry]) -> list[Finding]:
    """Find what makes clients refuse the whole directory, whatever else is in it."""
    findings = []
    for name, entry in files.items():
        stem, _, ending = name.rpartition(".")
        path = f"{folder.path}/{name}"
        if ending in ("cert", "key"):
            partner = f"{stem}.{'key' if ending == 'cert' else 'cert'}"
            if partner not in files:
                findings.append(
                    Finding(
                        "unpaired",
                        93,
                        f"{name} stands without {partner}: clients take it for half of a client "
                        "certificate and refuse the directory",
                        path,
                        f"rm {quote(path)}"
                        if ending == "key" or not _is_certificate(entry)
                        else f"mv {quote(path)} {quote(folder.path + '/' + stem + '.crt')}",
                        _TRUST,
                    )
                )
        elif ending == "crt" and (entry.kind == "d" or _dangling(entry)):
            kind = "a directory" if entry.kind == "d" else "a link that leads nowhere"
            findings.append(
                Finding(
                    "not-a-file",
                    93,
                    f"{name} is {kind}, which clients fail on",
                    path,
                    f"mv {quote(path)} /root/" if entry.kind == "d" else f"rm {quote(path)}",
                    _TRUST,
                )
            )
        elif name == "hosts.toml":
            findings.append(
                Finding(
                    "hosts-toml",
                    60,
                    "hosts.toml beside the trust: containerd and Docker 28 then read it alone",
                    path,
                    f'add `ca = "ca.crt"` to its [host] table, or remove {quote(path)}',
                    _TRUST,
                )
            )
    return findings


def _copies(
    folder: Folder, files: Mapping[str, Entry], served: x509.Certificate | None
) -> list[Finding]:
    """Find the registry's own key on a host that only pulls."""
    findings = []
    for name, entry in files.items():
        if entry.content != "secret":
            continue
        stem = name.rpartition(".")[0]
        partner = files.get(f"{stem}.cert") or files.get(f"{stem}.crt")
        held = _certificates(partner) if partner is not None else ()
        own = served is not None and any(fingerprint(one) == fingerprint(served) for one in held)
        if own or not name.endswith(".key"):
            findings.append(
                Finding(
                    "server-key",
                    65,
                    "a private key lies on a host that needs none"
                    + (": the registry's own" if own else ""),
                    f"{folder.path}/{name}",
                    f"rm {quote(folder.path + '/' + name)}"
                    + (
                        " and its .cert; then certkit renew && certkit registry deploy --next" * own
                    ),
                )
            )
    return findings


def _contents(
    folder: Folder, files: Mapping[str, Entry], roots: Sequence[x509.Certificate]
) -> list[Finding]:
    read = {name: entry for name, entry in files.items() if name.endswith(".crt")}
    if not read:
        return [_nothing_read(folder, files)]
    trusted: list[x509.Certificate] = []
    findings = []
    for name, entry in read.items():
        path = f"{folder.path}/{name}"
        if entry.content == "unreadable":
            findings.append(_closed(folder, path, entry))
        if not isinstance(entry.content, bytes):
            continue
        reading = read_content(entry.content)
        trusted.extend(reading.certificates)
        if reading.problem:
            said = f"{path} {_FLAWS[reading.problem]}"
            proof = f"first bytes: {entry.content[:16].hex(' ')}" if entry.content else "0 bytes"
            if reading.problem == "glued":
                proof = "-----END CERTIFICATE----------BEGIN CERTIFICATE-----"
            code = f"pem-{reading.problem}"
            findings.append(Finding(code, 91, said, proof, folder.again, _TRUST))
    wanted = {fingerprint(root): root for root in roots}
    held = {fingerprint(one) for one in trusted}
    missing = [root for digest, root in wanted.items() if digest not in held]
    if missing and not findings:
        others = ", ".join(_name(one) for one in trusted) or "nothing"
        leaf = any(not is_authority(one) for one in trusted)
        findings.append(
            Finding(
                "leaf-as-authority" if leaf else "stale-trust",
                89 if len(missing) == len(roots) else 55,
                "the host trusts a server's certificate in place of its authority"
                if leaf
                else "the host trusts another authority than the home's",
                f"{folder.path} holds {others}; it needs {', '.join(map(_name, missing))}",
                folder.again,
                _TRUST,
            )
        )
    return findings


def _nothing_read(folder: Folder, files: Mapping[str, Entry]) -> Finding:
    misnamed = [name for name, entry in files.items() if _is_certificate(entry)]
    if misnamed:
        path = f"{folder.path}/{misnamed[0]}"
        return Finding(
            "file-name",
            92,
            f"{misnamed[0]} is not read: only names that end in .crt are, in lower case",
            path,
            f"mv {quote(path)} {quote(folder.path + '/ca.crt')}",
            _TRUST,
        )
    return Finding(
        "empty-directory",
        88,
        "the registry's directory holds no trust, and keeps other directories from being read",
        f"{folder.path}: {', '.join(files) or 'empty'}",
        folder.again,
        _TRUST,
    )


def _modes(folder: Folder) -> list[Finding]:
    """Find directories and files that others than root cannot read."""
    findings = []
    above = [entry for entry in folder.neighbours or () if entry.name == "."]
    for entry in (*above, *(folder.entries or ())):
        if entry.kind == "d" and entry.name == ".":
            path, needed = (folder.base if entry in above else folder.path), 0o005
        elif entry.kind == "-" and entry.name.endswith(".crt"):
            path, needed = f"{folder.path}/{entry.name}", 0o004
        else:
            continue
        if entry.mode & needed != needed:
            findings.append(_closed(folder, path, entry))
    return findings[:1]


def _closed(folder: Folder, path: str, entry: Entry) -> Finding:
    right = "0755" if entry.kind == "d" else "0644"
    return Finding(
        "closed",
        85 if folder.everyone or entry.content == "unreadable" else 30,
        f"{path} cannot be read by everybody"
        + ("" if folder.everyone else ": pulls work, `docker manifest` by a user does not"),
        f"mode {entry.mode:04o}",
        f"chmod {right} {quote(path)}",
        frozenset({ErrorKind.TRUST, ErrorKind.PERMISSION, ErrorKind.DAEMON}),
    )


def _certificates(entry: Entry) -> tuple[x509.Certificate, ...]:
    return read_content(entry.content).certificates if isinstance(entry.content, bytes) else ()


def _is_certificate(entry: Entry) -> bool:
    return isinstance(entry.content, bytes) and holds_certificate(entry.content)


def _dangling(entry: Entry) -> bool:
    return entry.kind == "l" and entry.content is None


def holds_certificate(data: bytes) -> bool:
    """Tell whether a file holds a certificate in any form, whatever it is called."""
    if b"-----BEGIN CERTIFICATE-----" in data:
        return True
    if data[:1] != b"\x30":
        return False
    try:
        x509.load_der_x509_certificate(data)
    except ValueError:
        return False
    return True


def _name(certificate: x509.Certificate) -> str:
    return f"{subject_text(certificate.subject)} (SHA-256 {fingerprint(certificate)[:16]})"
