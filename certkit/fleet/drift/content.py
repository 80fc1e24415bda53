"""What clients read out of a certificate file, sloppy ones included. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certkit.fleet.drift.findings import Trusted
from certkit.pki.bundle import fingerprint, subject_text, time_text
from certkit.pki.reading import load_certificate

_PEM = re.compile(
    rb"^-----BEGIN CERTIFICATE-----[ \t]*\r?\n(.*?)^-----END CERTIFICATE-----[ \t]*\r?$",
    re.DOTALL | re.MULTILINE,
)
_GLUED = re.compile(rb"-----END CERTIFICATE-----[ \t]*-----BEGIN CERTIFICATE-----")


@dataclass(frozen=True)
class Content:
    """What clients make of a certificate file.

    Attributes:
        certificates: Those that they read.
        problem: The kind of what keeps them from reading the rest; empty when nothing does.
    """

    certificates: tuple[x509.Certificate, ...]
    problem: str = ""


def read_content(data: bytes) -> Content:
    """Read a file as Go's clients do, which take what they can and say nothing of the rest.

    A BEGIN line counts at the start of a line only, so what stands behind a byte order mark or
    behind an END on the same line is lost (observed with dockerd 20.10 and containers/image).

    Args:
        data: The file's bytes.
    """
    if not data.strip():
        return Content((), "empty")
    found = []
    broken = False
    for block in _PEM.findall(data):
        try:
            found.append(load_certificate(_decode(block)))
        except ValueError:
            broken = True
    begun = data.count(b"-----BEGIN CERTIFICATE-----")
    if begun == 0:
        return Content((), "der" if data[:1] == b"\x30" else "damaged")
    if _GLUED.search(data):
        return Content(tuple(found), "glued")
    if data.startswith(b"\xef\xbb\xbf") and len(found) < begun:
        return Content(tuple(found), "bom")
    return Content(tuple(found), "damaged" if broken or len(found) < begun else "")


def holds_certificate(data: bytes) -> bool:
    """Tell whether a file holds a certificate in any form, whatever it is called."""
    if b"-----BEGIN CERTIFICATE-----" in data:
        return True
    if data[:1] != b"\x30":
        return False
    try:
        load_certificate(data)
    except ValueError:
        return False
    return True


def _decode(block: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(block.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def trusted_of(certificate: x509.Certificate, path: str) -> Trusted:
    """Describe a certificate for the report."""
    return Trusted(
        fingerprint(certificate),
        subject_text(certificate.subject),
        time_text(certificate.not_valid_after_utc),
        path,
    )


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it says CA:TRUE; what cannot be read is none."""
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False
    return basic.ca


def valid_at(certificate: x509.Certificate, moment: datetime) -> bool:
    """Whether it is valid at that moment."""
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc


def public_half(certificate: x509.Certificate) -> bytes:
    """Return the public key of a certificate as ``openssl pkey -pubout`` prints it."""
    return certificate.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
