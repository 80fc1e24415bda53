"""The certificate that waits to be served, beside the one in service.

It becomes the current one when it was seen in service: `certkit.home.renewal.promotion`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cryptography import x509

from certkit.errors import HomeError, InputError
from certkit.home.disk.files import CERTIFICATE_MODE, KEY_MODE, read_file
from certkit.home.keys.keyfile import decode_key, encode_key
from certkit.home.record import encode_record
from certkit.home.registry import (
    RegistryFiles,
)
from certkit.home.request import Origin, RegistryRequest
from certkit.pki.bundle import fingerprint, parse_certificates, pem, time_text
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


def _read(files: RegistryFiles, name: str) -> bytes:
    return read_file(files.path(name), _NEXT_MODES[name])


def _damaged(files: RegistryFiles, why: str) -> HomeError:
    return HomeError(
        f"the waiting certificate of {files.reference} is damaged: {why}",
        f"throw it away with certkit renew {files.where} --discard",
    )
