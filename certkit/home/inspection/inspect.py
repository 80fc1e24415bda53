"""What ``certkit inspect`` shows: a file, a registry, the home or a live server, as data."""

from __future__ import annotations

import os
import re
import stat
from datetime import datetime
from pathlib import Path
from shlex import quote
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from certkit.errors import CertkitError, HomeError, InputError
from certkit.home.home import Home, find_in, is_home
from certkit.home.inspection.served import fetch_served
from certkit.home.inspection.shape import Inspection, Kind, Pairs, Section, describe_all, section
from certkit.home.inspection.under_way import under_way
from certkit.home.keys.keyfile import key_protection
from certkit.home.place import home_option
from certkit.home.registry import AUTHORITY_KEY, MODES, REQUEST, RegistryFiles
from certkit.names import RegistryReference
from certkit.paths import expanded
from certkit.pki.bundle import fingerprint, parse_certificates
from certkit.pki.describe import describe_certificate
from certkit.pki.keys import describe_key
from certkit.pki.reading import load_certificate

_MAX_BYTES = 4 << 20
_KEY_BLOCK = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----.*?-----END \1-----[ \t]*\r?\n?", re.DOTALL
)


def inspect_target(target: str | None, home: Path, *, live: bool, now: datetime) -> Inspection:
    """Look at what a text means: a file that exists, a registry of the home, or a live server.

    Args:
        target: A path, a registry reference, or None for the home.
        home: The home, from `home_path`; it need not exist unless it is meant.
        live: Ask the running registry even when the home knows it.
        now: The time, with a time zone.

    Raises:
        InputError: It is neither a file nor a reference.
        HomeError: The home is unusable.
        HostError: The live registry cannot be reached or does not speak TLS.
    """
    if target is None:
        return inspect_home(Home.open(home), now)
    path = expanded(target)
    # Path.is_dir raises where a directory above may not be entered, or the name is too long.
    if not live and os.path.isdir(path):  # noqa: PTH112
        if not is_home(path):
            raise InputError(
                f"{path} is a directory and not a certkit home",
                "name a file in it, a registry, or host:port",
            )
        return inspect_home(Home.open(path.resolve()), now)
    if not live and os.path.exists(path):  # noqa: PTH110
        return inspect_file(path, now)
    try:
        reference = RegistryReference.parse(target)
    except InputError as error:
        if live:
            raise
        raise InputError(
            f"there is no file {_printable(target)} to be read, and {error.message}",
            error.hint or "name a file, a registry, or host:port",
        ) from error
    files = find_in(home, reference)
    if files is not None and not live:
        return inspect_registry(files, now)
    return inspect_live(reference, files, now)


def inspect_file(path: Path, now: datetime) -> Inspection:
    """Look at a certificate, a bundle or a private key; a key's content is never shown.

    Raises:
        InputError: It cannot be read, or is none of these.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
            mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise InputError(f"{path} is larger than {_MAX_BYTES >> 20} MiB", "name a certificate")
    keys = [match[0] for match in _KEY_BLOCK.finditer(data)]
    if keys:
        rest = _KEY_BLOCK.sub(b"", data)
        certificates = parse_certificates(rest, str(path)) if b"-----BEGIN" in rest else ()
        return _inspect_key(path, keys[0], mode, certificates, now)
    if data[:1] == b"\x30":
        try:
            certificates = (load_certificate(data),)
        except ValueError:
            certificates = parse_certificates(data, str(path))
    else:
        certificates = parse_certificates(data, str(path))
    kind: Kind = "certificate" if len(certificates) == 1 else "bundle"
    sections, described, attention = describe_all(certificates, now)
    values = {"file": str(path), "certificates": described}
    return Inspection(kind, tuple(sections), values, attention)


def inspect_registry(files: RegistryFiles, now: datetime) -> Inspection:
    """Look at a registry of the home: its trust, its certificate, its key's protection.

    Raises:
        HomeError: A file is missing, damaged or lax.
    """
    bundle, served_chain = (
        ((), ()) if files.waits else (files.bundle().certificates, files.server_chain)
    )
    trust, trusted, old = describe_all(bundle, now, "trusted authority")
    served, chain, old_server = describe_all(served_chain, now, "server certificate")
    unsettled = under_way(files, now)
    key = _authority_key_words(files)
    asked = str(files.path(REQUEST)) if files.path(REQUEST).exists() else None
    summary: Pairs = [
        ("registry", files.reference.text),
        ("aliases", ", ".join(alias.text for alias in files.aliases)),
        ("comes from", files.request.origin.words),
        ("request", f"waits for its answer: {asked}" if asked else ""),
        ("directory", str(files.directory)),
        ("authority's key", key),
        ("missing", ", ".join(files.missing)),
        *unsettled.pairs,
    ]
    values = {
        **files.request.to_json(),
        "directory": str(files.directory),
        "missing": list(files.missing),
        "authority_key": key,
        "request": asked,
        "trust": trusted,
        "server": chain,
        **unsettled.values,
    }
    sections = (section("registry", summary), *trust, *served, *unsettled.sections)
    ended = old or old_server or unsettled.attention
    attention = ended or bool(files.missing) or files.waits
    return Inspection("registry", sections, values, attention)


def inspect_home(home: Home, now: datetime) -> Inspection:
    """Look at the home: a line for each registry.

    Raises:
        HomeError: A registry is half made, damaged or lax.
    """
    sections = [Section("home", [("path", str(home.path))])]
    described = []
    attention = False
    for files in home.registries():
        inspection = inspect_registry(files, now)
        entries = () if files.waits else files.bundle().entries
        until = "the request waits for its answer"
        if not files.waits:
            until = dict(describe_certificate(files.leaf, now).words())["valid until"]
        pairs = [
            ("aliases", ", ".join(alias.text for alias in files.aliases)),
            ("comes from", files.request.origin.words),
            ("certificate until", until),
            *(("authority until", f"{entry.not_after}  {entry.subject}") for entry in entries),
            ("authority's key", _authority_key_words(files)),
            ("missing", ", ".join(files.missing)),
            *under_way(files, now).pairs,
        ]
        sections.append(section(files.reference.text, pairs))
        described.append({"attention": inspection.attention, **inspection.values})
        attention = attention or inspection.attention
    if not described:
        make = f"make one with certkit init{home_option(home.path)}"
        sections.append(Section("registries", [("none", make)]))
    values = {"home": str(home.path), "registries": described}
    return Inspection("home", tuple(sections), values, attention)


def inspect_live(
    reference: RegistryReference, files: RegistryFiles | None, now: datetime
) -> Inspection:
    """Look at what a running registry serves, and judge it by the home.

    Args:
        reference: Where to connect.
        files: What the home has for it, if anything.
        now: The time.

    Raises:
        HostError: It cannot be reached or does not speak TLS.
        HomeError: The home's files are missing, damaged or lax.
    """
    chain = fetch_served(reference)
    sections, described, attention = describe_all(chain, now, "served certificate")
    values: dict[str, Any] = {"registry": reference.text, "served": described, "home": None}
    if files is not None and files.waits:
        verdict = [("verdict", "the home has a request that waits for its answer")]
    elif files is None:
        verdict = [("verdict", "the home does not know this registry, so it cannot be judged")]
    else:
        same = fingerprint(chain[0]) == fingerprint(files.leaf)
        reason = ""
        try:
            files.verify(chain, [reference.subject_name], now)
        except HomeError:
            raise
        except CertkitError as error:
            reason = error.message
        attention = attention or not same or bool(reason)
        values["home"] = {"same": same, "trusted": not reason, "reason": reason}
        verdict = [
            ("verdict", _VERDICTS[same, not reason]),
            ("reason", reason),
        ]
    return Inspection("live", (section(f"live {reference}", verdict), *sections), values, attention)


_VERDICTS = {
    (True, True): "it serves the home's certificate, and the hosts' trust accepts it",
    (True, False): "it serves the home's certificate, but the hosts' trust refuses it",
    (False, True): "it serves another certificate than the home's, which the hosts' trust accepts",
    (False, False): "it serves another certificate than the home's, and the hosts' trust refuses "
    "it",
}


def _inspect_key(
    path: Path,
    block: bytes,
    mode: int,
    certificates: tuple[x509.Certificate, ...],
    now: datetime,
) -> Inspection:
    try:
        protection = key_protection(block)
    except HomeError as error:
        raise InputError(f"{path}: {error.message}") from error
    kind, digest = "", ""
    if not protection.encrypted:
        try:
            public = serialization.load_pem_private_key(block, None).public_key()
        except (ValueError, TypeError):
            raise InputError(f"{path} holds a damaged private key") from None
        kind = describe_key(public)
        hashed = hashes.Hash(hashes.SHA256())
        hashed.update(
            public.public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        digest = hashed.finalize().hex()
    lax = bool(mode & 0o077)
    pairs: Pairs = [
        ("key", kind),
        ("protection", f"encrypted ({protection.scheme})" if protection.encrypted else "plain"),
        ("public SHA-256", digest),
        (
            "mode",
            f"{mode:04o}"
            + (f", others can get at it: chmod 600 {quote(str(path))}" if lax else ""),
        ),
    ]
    sections, described, attention = describe_all(certificates, now)
    values = {
        "file": str(path),
        "mode": f"{mode:04o}",
        "encrypted": protection.encrypted,
        "protection": protection.scheme,
        "key": kind,
        "public_sha256": digest,
        "certificates": described,
    }
    weak = protection.encrypted and not protection.strong
    head = section("private key", pairs)
    return Inspection("key", (head, *sections), values, attention or lax or weak)


def _authority_key_words(files: RegistryFiles) -> str:
    if not files.path(AUTHORITY_KEY).exists():
        return "not here"
    protection = key_protection(files.read(AUTHORITY_KEY))
    mode = f"{MODES[AUTHORITY_KEY]:04o}"
    return f"encrypted ({protection.scheme})" if protection.encrypted else f"plain, mode {mode}"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
