"""Making a registry's authority and certificate: all of it, or nothing, and never twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from cryptography import x509

from certkit.errors import HomeError, InputError
from certkit.home.disk.files import write_atomic, write_directory
from certkit.home.home import Home
from certkit.home.keys.keyfile import assert_protected, encode_key
from certkit.home.keys.passphrase import PassphraseSources
from certkit.home.record import encode_record
from certkit.home.registry import (
    AUTHORITY,
    AUTHORITY_KEY,
    MODES,
    RECORD,
    SERVER,
    SERVER_KEY,
    TRUST,
    RegistryFiles,
    missing_files,
)
from certkit.home.request import RegistryRequest
from certkit.pki.bundle import TrustBundle, pem, time_text
from certkit.pki.issue import issue_authority, issue_leaf
from certkit.pki.keys import PrivateKey, generate_key
from certkit.secret import Secret

_COMMAND = "certkit init"

Status = Literal["created", "unchanged", "finished"]


@dataclass(frozen=True)
class Initialised:
    """What `initialise` did.

    Attributes:
        status: ``created``; ``unchanged`` when all was there; ``finished`` when files that were
            lost could be made again.
        home: The home.
        files: The registry.
        warnings: What the user should be told.
    """

    status: Status
    home: Home
    files: RegistryFiles
    warnings: tuple[str, ...]


def initialise(
    path: Path, request: RegistryRequest, passphrases: PassphraseSources, now: datetime
) -> Initialised:
    """Make a registry in a home, or recognise that it is there.

    The registry's directory appears in one step, so a run that is killed leaves nothing half made
    and the next one starts afresh. Bad input is found before anything is touched.

    Args:
        path: The home, from `home_path`; made when missing.
        request: What to make.
        passphrases: Where the authority's passphrase comes from; asked only when it is needed.
        now: The time, with a time zone.

    Returns:
        What was done.

    Raises:
        InputError: The registry exists and was made with another request; the passphrase
            sources are wrong, or there is none and nobody to ask.
        HomeError: The home is unusable, locked, or the registry is half made beyond repair.
    """
    given = passphrases.given()
    wants = passphrases.wants
    home = Home(path)
    if wants is None and passphrases.ask is None and not home.holds(request.reference):
        raise InputError(
            "whether the authority's key gets a passphrase was not said, and there is no terminal "
            "to ask on",
            f"give one with --passphrase-file FILE or {passphrases.environment}, or leave the key "
            "plain with --no-passphrase",
        )
    home = Home.create(path)
    if not home.holds(request.reference):
        refuse_taken(home, request)
        if given is None:
            # Before the lock is taken: somebody may think for a while.
            given = passphrases.ask_new("the authority's key")
    with home.lock(_COMMAND):
        if not home.holds(request.reference):
            refuse_taken(home, request)
            return _create(home, request, given, now)
        files = RegistryFiles(home.directory_of(request.reference))
        refuse_difference(files, request, wants)
        if files.missing:
            return _finish(home, files, given, passphrases, now)
        _check_whole(files)
    return Initialised("unchanged", home, files, _warnings(files))


def _create(
    home: Home, request: RegistryRequest, passphrase: Secret | None, now: datetime
) -> Initialised:
    spec = request.authority_spec
    authority_key = generate_key(spec.key_type)
    authority = issue_authority(spec, authority_key, now)
    server_key = generate_key(request.key_type)
    leaf = issue_leaf(request.leaf_spec, server_key.public_key(), authority, authority_key, now)
    contents = {
        AUTHORITY_KEY: encode_key(authority_key, passphrase),
        AUTHORITY: pem(authority),
        SERVER_KEY: encode_key(server_key, None),
        SERVER: pem(leaf.certificate),
        TRUST: TrustBundle.of([authority]).pem,
        RECORD: encode_record(request, time_text(now)),
    }
    # Told first: a certificate that somebody could hold must never be missing in the journal.
    _log(home, request, "authority and server certificate issued", authority, leaf.certificate)
    directory = home.directory_of(request.reference)
    write_directory(directory, {name: (data, MODES[name]) for name, data in contents.items()})
    files = RegistryFiles(directory)
    assert_protected(files.read(AUTHORITY_KEY), authority_key, passphrase)
    return Initialised("created", home, files, (*leaf.warnings, *_warnings(files)))


def _finish(
    home: Home,
    files: RegistryFiles,
    given: Secret | None,
    passphrases: PassphraseSources,
    now: datetime,
) -> Initialised:
    """Make again what can be made again without replacing anything."""
    missing = set(files.missing)
    lost = missing & {AUTHORITY, AUTHORITY_KEY}
    if SERVER_KEY in missing and SERVER not in missing:
        lost |= {SERVER_KEY}
    if lost:
        raise HomeError(
            f"{files.directory} is half made: it lacks {', '.join(sorted(missing))}",
            f"restore {' and '.join(sorted(lost))} from the back-up; nothing was changed",
        )
    warnings: tuple[str, ...] = tuple(
        f"{name} was missing and has been made again" for name in sorted(missing)
    )
    if SERVER in missing:
        if given is None and files.authority_key_protection.encrypted:
            given = passphrases.existing(str(files.path(AUTHORITY_KEY)))
        authority_key = files.authority_key(given)
        server_key: PrivateKey
        if SERVER_KEY in missing:
            server_key = generate_key(files.request.key_type)
            _write(files, SERVER_KEY, encode_key(server_key, None))
        else:
            server_key = files.server_key()
        leaf = issue_leaf(
            files.request.leaf_spec,
            server_key.public_key(),
            files.authority,
            authority_key,
            now,
        )
        _log(home, files.request, "server certificate issued again", leaf.certificate)
        _write(files, SERVER, pem(leaf.certificate))
        warnings += leaf.warnings
    if TRUST in missing:
        _write(files, TRUST, TrustBundle.of([files.authority]).pem)
    return Initialised("finished", home, files, (*warnings, *_warnings(files)))


def _write(files: RegistryFiles, name: str, content: bytes) -> None:
    write_atomic(files.path(name), content, MODES[name])


def refuse_taken(home: Home, request: RegistryRequest) -> None:
    """Refuse a reference that another registry of the home has.

    Raises:
        InputError: There is one.
    """
    for files in home.registries():
        taken = sorted(set(files.references) & set(request.references), key=str)
        if taken:
            raise InputError(
                f"{taken[0]} already belongs to the registry {files.reference} in {home.path}",
                f"look at it with certkit inspect {files.where}",
            )


def refuse_difference(
    files: RegistryFiles, request: RegistryRequest, wants_encryption: bool | None
) -> None:
    """Refuse to make a registry that is there and was made with another request.

    Args:
        files: The registry that is there.
        request: What is asked for now.
        wants_encryption: Whether the authority's key is to be encrypted; None not to ask.

    Raises:
        InputError: They differ; the message says in what.
    """
    lines = list(files.request.difference(request))
    if wants_encryption is not None and not {AUTHORITY_KEY} & set(missing_files(files.directory)):
        encrypted = files.authority_key_protection.encrypted
        if encrypted != wants_encryption:
            words = {True: "encrypted", False: "plain"}
            lines.append(
                f"the authority's key is {words[encrypted]}, asked for {words[wants_encryption]} "
                f"(certkit passphrase {files.where} changes that)"
            )
    if lines:
        raise InputError(
            f"the registry {files.reference} exists and differs: {'; '.join(lines)}",
            "nothing was changed; repeat the first request, or use another --home",
        )


def _check_whole(files: RegistryFiles) -> None:
    """Read everything once, so that a damaged or lax file is found now and not in the night."""
    files.bundle()
    if files.leaf.public_key() != files.server_key().public_key():
        raise HomeError(
            f"{files.path(SERVER_KEY)} does not belong to {files.path(SERVER)}",
            "restore both from the same back-up",
        )
    _ = files.authority, files.authority_key_protection


def _warnings(files: RegistryFiles) -> tuple[str, ...]:
    warnings = []
    if not files.authority_key_protection.encrypted:
        warnings.append(
            f"the authority's key is not encrypted; do it with certkit passphrase {files.where}"
        )
    if files.reference.is_loopback:
        warnings.append(
            f"Docker treats {files.reference} as insecure without being asked: a pull from it "
            "proves nothing"
        )
    return tuple(warnings)


def _log(home: Home, request: RegistryRequest, what: str, *certificates: x509.Certificate) -> None:
    home.journal.append(
        "init",
        registry=request.reference.text,
        what=what,
        certificates=certificates,
        names=[name.text for name in request.names],
    )
