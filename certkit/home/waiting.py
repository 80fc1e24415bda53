"""The certificate that waits to be served, beside the one in service.

It becomes the current one when it was seen in service; the old one goes to the archive.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cryptography import x509

from certkit.errors import CertkitError, HomeError, InputError
from certkit.home.change import Writes, change_files
from certkit.home.files import CERTIFICATE_MODE, KEY_MODE, read_file
from certkit.home.home import Home
from certkit.home.keyfile import decode_key, encode_key
from certkit.home.registry import (
    MODES,
    RECORD,
    SERVER,
    SERVER_KEY,
    TRUST,
    RegistryFiles,
    encode_record,
)
from certkit.home.request import Origin, RegistryRequest
from certkit.names import RegistryReference, SubjectName
from certkit.pki.bundle import TrustBundle, fingerprint, parse_certificates, pem, time_text
from certkit.pki.importing import trusted_by
from certkit.pki.keys import PrivateKey

NEXT = "server-next.crt"
NEXT_KEY = "server-next.key"
NEXT_RECORD = "server-next.json"
ARCHIVE = "archive"

_NEXT_MODES = {NEXT: CERTIFICATE_MODE, NEXT_KEY: KEY_MODE, NEXT_RECORD: KEY_MODE}
NEXT_FILES = tuple(_NEXT_MODES)
"""Every file of a waiting certificate."""

Status = Literal["prepared", "unchanged"]


@dataclass(frozen=True)
class NextLeaf:
    """A new certificate that waits to be served.

    Attributes:
        files: The registry.
        request: What the registry's record says once this is current.
        certificate: The certificate.
        status: ``prepared`` now, or ``unchanged``: it was there already.
        warnings: What the user should be told.
    """

    files: RegistryFiles
    request: RegistryRequest
    certificate: x509.Certificate
    status: Status = "unchanged"
    warnings: tuple[str, ...] = ()

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """What is to be served: the certificate, then any intermediates."""
        return parse_certificates(self.chain_pem, str(self.files.path(NEXT)))

    @property
    def sha256(self) -> str:
        """Its fingerprint, 64 hex digits: what the registry must be seen to serve."""
        return fingerprint(self.certificate)

    @property
    def chain_pem(self) -> bytes:
        """The file for the registry's host."""
        return _read(self.files, NEXT)

    @property
    def key_pem(self) -> bytes:
        """The key's file for the registry's host; never print or log it."""
        return _read(self.files, NEXT_KEY)


@dataclass(frozen=True)
class Promoted:
    """What `promote` did.

    Attributes:
        files: The registry, read again.
        archived: Where the old certificate and key are, below the registry's directory.
        new_aliases: References that hosts do not have yet.
        new_names: Names that the old certificate lacked, those of new aliases left out.
    """

    files: RegistryFiles
    archived: str
    new_aliases: tuple[RegistryReference, ...]
    new_names: tuple[SubjectName, ...] = ()


def find_next(files: RegistryFiles) -> NextLeaf | None:
    """The certificate that waits to be served, or None.

    Raises:
        HomeError: Its files are damaged, lax, or do not belong together.
    """
    if not files.path(NEXT).exists():
        return None
    try:
        certificate = parse_certificates(_read(files, NEXT), str(files.path(NEXT)))[0]
        record = json.loads(_read(files, NEXT_RECORD))
        request = RegistryRequest.from_json(record)
    except (InputError, ValueError, KeyError, TypeError) as error:
        raise _damaged(files, str(error)) from error
    key = decode_key(_read(files, NEXT_KEY), None, str(files.path(NEXT_KEY)))
    if key.public_key() != certificate.public_key():
        raise _damaged(files, f"{NEXT_KEY} does not belong to {NEXT}")
    return NextLeaf(files, request, certificate)


def promote(home: Home, files: RegistryFiles, served: str, now: datetime) -> Promoted:
    """Make the waiting certificate the current one, now that the registry serves it.

    Args:
        home: The home.
        files: The registry in it.
        served: The fingerprint of what was seen in service: 64 hex digits.
        now: The time, with a time zone.

    Raises:
        InputError: No certificate is waiting.
        CertkitError: Something else is served; nothing was changed.
        HomeError: The home is unusable.
    """
    with home.lock("certkit renew"):
        files = RegistryFiles(files.directory)
        waiting = find_next(files)
        if waiting is None:
            raise InputError(
                f"no new certificate of {files.reference} is waiting",
                how_to_renew(files),
            )
        refuse_rotation_of(files)
        require_served(waiting, served)
        writes, removes, archived = promotion(files, waiting, now)
        log_leaf(home, files, "server certificate in service", waiting.certificate)
        trust, gone = settled_trust(files, waiting.chain)
        change_files(files.directory, {**writes, **trust}, (*removes, *gone))
        known, named = set(files.references), set(files.request.names)
    fresh = RegistryFiles(files.directory)
    aliases = tuple(one for one in fresh.references if one not in known)
    named |= {alias.subject_name for alias in aliases}
    names = tuple(one for one in fresh.request.names if one not in named)
    return Promoted(fresh, archived, aliases, names)


def discard(home: Home, files: RegistryFiles) -> bool:
    """Throw the waiting certificate and its key away.

    Returns:
        Whether there was one.

    Raises:
        HomeError: The home is unusable.
    """
    with home.lock("certkit renew"):
        if not files.path(NEXT).exists():
            return False
        refuse_rotation_of(files)
        home.journal.append(
            "renew", registry=files.reference.text, what="waiting server certificate discarded"
        )
        trust, gone = settled_trust(files, files.server_chain)
        change_files(files.directory, trust, (*NEXT_FILES, *gone))
    return True


def settled_trust(
    files: RegistryFiles, chain: Sequence[x509.Certificate]
) -> tuple[Writes, tuple[str, ...]]:
    """What ``trust.crt`` becomes when another authority's chain alone is in service.

    While a chain of a new root waited, hosts were to trust both.

    Returns:
        What is to be written, and what removed; nothing for a registry with its own authority.
    """
    if files.request.origin is Origin.OWN or not files.path(TRUST).exists():
        return {}, ()
    roots = trusted_by(chain, files.bundle().certificates)
    if not roots:
        return {}, (TRUST,)
    return {TRUST: (TrustBundle.of(roots).pem, MODES[TRUST])}, ()


def how_to_renew(files: RegistryFiles) -> str:
    """The command that makes or takes a new certificate, for hints."""
    if files.request.origin is Origin.OWN:
        return f"make one with certkit renew {files.reference}"
    return f"take one with certkit import-signed FILE {files.reference}"


def refuse_rotation_of(files: RegistryFiles) -> None:
    """Refuse when the waiting certificate is a new authority's, offered by a rotation.

    A damaged one is let through, so that it can be thrown away.

    Raises:
        InputError: It is.
    """
    try:
        waiting = find_next(files)
    except HomeError:
        return
    if files.request.origin is not Origin.OWN:
        return
    if waiting is not None and waiting.certificate.issuer != files.authority.subject:
        raise InputError(
            f"the certificate of {files.reference} that waits belongs to a rotation",
            "go on with certkit rotate switch, or go back with certkit rotate abort",
        )


def require_served(waiting: NextLeaf, served: str) -> None:
    """Refuse to go on while the registry serves anything but the waiting certificate.

    Raises:
        CertkitError: It does.
    """
    if served == waiting.sha256:
        return
    old = served == fingerprint(waiting.files.leaf)
    raise CertkitError(
        f"{waiting.files.reference} does not serve the new certificate but "
        + ("the old one" if old else "another one"),
        f"put {NEXT} and {NEXT_KEY} in its place and restart the registry: it reads them once",
    )


def next_writes(
    request: RegistryRequest,
    certificate: x509.Certificate,
    key: PrivateKey,
    now: datetime,
    intermediates: Iterable[x509.Certificate] = (),
) -> dict[str, tuple[bytes, int]]:
    """The files of a certificate that waits to be served."""
    return {
        NEXT_KEY: (encode_key(key, None), KEY_MODE),
        NEXT: (b"".join(map(pem, (certificate, *intermediates))), CERTIFICATE_MODE),
        NEXT_RECORD: (encode_record(request, time_text(now)), KEY_MODE),
    }


def promotion(
    files: RegistryFiles, waiting: NextLeaf, now: datetime
) -> tuple[dict[str, tuple[bytes, int]], tuple[str, ...], str]:
    """What is to be written and removed to make the waiting certificate current.

    Returns:
        The writes, the removals, and the directory of the archive that the old pair goes to.
    """
    archived = f"{ARCHIVE}/server-{now:%Y%m%dT%H%M%SZ}-{fingerprint(files.leaf)[:8]}"
    writes = {
        f"{archived}/{SERVER}": (files.read(SERVER), CERTIFICATE_MODE),
        f"{archived}/{SERVER_KEY}": (files.server_key_pem, KEY_MODE),
        SERVER_KEY: (waiting.key_pem, MODES[SERVER_KEY]),
        SERVER: (waiting.chain_pem, MODES[SERVER]),
        RECORD: (encode_record(waiting.request, _created(files)), MODES[RECORD]),
    }
    return writes, NEXT_FILES, archived


def log_leaf(
    home: Home,
    about: RegistryFiles | RegistryRequest,
    what: str,
    certificate: x509.Certificate,
    command: str = "renew",
) -> None:
    """Tell the journal of a server certificate, before anybody could hold it."""
    home.journal.append(
        command,
        registry=about.reference.text,
        what=what,
        certificates=[
            {
                "serial": f"{certificate.serial_number:x}",
                "sha256": fingerprint(certificate),
                "not_after": time_text(certificate.not_valid_after_utc),
            }
        ],
    )


def _created(files: RegistryFiles) -> str:
    return str(json.loads(files.read(RECORD))["created"])


def _read(files: RegistryFiles, name: str) -> bytes:
    return read_file(files.path(name), _NEXT_MODES[name])


def _damaged(files: RegistryFiles, why: str) -> HomeError:
    return HomeError(
        f"the waiting certificate of {files.reference} is damaged: {why}",
        f"throw it away with certkit renew {files.reference} --discard",
    )
