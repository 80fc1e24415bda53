"""Trust bundles: the PEM file that every host gets, parsed strictly and always written anew.

Verifiers disagree on sloppy PEM: two blocks glued on one line are an outage with Go and OpenSSL
and fine with Python, a truncated second block is dropped in silence by Python. So nothing is
passed through as it was read.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from certkit.errors import InputError
from certkit.pki.reading import load_certificate

MAX_PEM_BYTES = 1 << 20
"""A PEM file larger than this, in bytes, is not a trust bundle of ours."""

_BEGIN = re.compile(r"-----BEGIN ([^-]*)-----")
_GLUED = re.compile(rb"-----END [^-\r\n]*-----[ \t]*-----BEGIN ")
_PRIVATE = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class TrustEntry(NamedTuple):
    """One authority of a bundle, as reports show it.

    Attributes:
        sha256: Fingerprint, 64 lower-case hex digits.
        subject: Distinguished name (RFC 4514).
        not_after: The end, as RFC 3339 in UTC.
    """

    sha256: str
    subject: str
    not_after: str


@dataclass(frozen=True)
class TrustBundle:
    """One or more authorities, newest first and without duplicates.

    Attributes:
        certificates: The authorities; equal sets always have equal order and equal bytes.
    """

    certificates: tuple[x509.Certificate, ...]

    @classmethod
    def of(cls, certificates: Iterable[x509.Certificate]) -> TrustBundle:
        """Build a bundle from certificates, refusing what is not an authority.

        Raises:
            InputError: There is none, or one is not an authority.
        """
        unique = {fingerprint(certificate): certificate for certificate in certificates}
        for certificate in unique.values():
            _require_authority(certificate)
        if not unique:
            raise InputError("a trust bundle needs at least one authority")
        ordered = sorted(
            unique.items(), key=lambda item: (-item[1].not_valid_before_utc.timestamp(), item[0])
        )
        return cls(tuple(certificate for _, certificate in ordered))

    @classmethod
    def parse(cls, data: bytes, source: str) -> TrustBundle:
        """Read a trust file: only PEM certificates of authorities, nothing else.

        Args:
            data: The file's bytes.
            source: What errors call it, a path for instance.

        Raises:
            InputError: It holds a private key, a server certificate, glued or truncated PEM, junk,
                or nothing.
        """
        certificates = parse_certificates(data, source)
        for certificate in certificates:
            _require_authority(certificate, source)
        return cls.of(certificates)

    @property
    def pem(self) -> bytes:
        """The file's content: one block each, LF, final newline."""
        return b"".join(pem(certificate) for certificate in self.certificates)

    @property
    def entries(self) -> tuple[TrustEntry, ...]:
        """What reports show, in the order of the file."""
        return tuple(
            TrustEntry(fingerprint(c), subject_text(c.subject), time_text(c.not_valid_after_utc))
            for c in self.certificates
        )

    @property
    def fingerprints(self) -> frozenset[str]:
        """The set that tells whether two files mean the same trust: 64 hex digits each."""
        return frozenset(fingerprint(certificate) for certificate in self.certificates)


def parse_certificates(
    data: bytes, source: str, *, explained: bool = False
) -> tuple[x509.Certificate, ...]:
    """Read PEM certificates strictly; comments (#), blank lines, CRLF and a BOM are tolerated.

    Args:
        data: The file's bytes.
        source: What errors call it.
        explained: Whether text between the blocks is tolerated too: `openssl ca` and `pkcs12` write
            what a certificate says in front of it.

    Returns:
        The certificates in the order of the file, at least one.

    Raises:
        InputError: As described for `TrustBundle.parse`, except for the server certificate.
    """
    if len(data) > MAX_PEM_BYTES:
        raise InputError(f"{source} is larger than {MAX_PEM_BYTES >> 20} MiB")
    if _PRIVATE.search(data):
        raise InputError(
            f"{source} holds a private key",
            "give the certificate alone; if this file was handed to others, replace the key",
        )
    if _GLUED.search(data):
        raise InputError(
            f"{source} has two PEM blocks glued on one line, which Docker reads as none",
            "put a line break between END CERTIFICATE----- and -----BEGIN",
        )
    if data[:1] == b"\x30" and b"-----BEGIN" not in data:
        raise InputError(
            f"{source} is DER, not PEM", "convert it with openssl x509 -inform DER -in FILE"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{source} is not a PEM file", "give a file of PEM certificates") from None
    certificates = [_load(der, source, number) for number, der in _blocks(text, source, explained)]
    if not certificates:
        raise InputError(f"{source} holds no certificate", "give a file of PEM certificates")
    return tuple(certificates)


def _blocks(text: str, source: str, explained: bool) -> Iterable[tuple[int, bytes]]:
    label: str | None = None
    body: list[str] = []
    for number, raw in enumerate(re.split(r"\r\n|\n", text), 1):
        line = raw.strip(" \t")
        if label is None:
            if not line or line.startswith("#"):
                continue
            match = _BEGIN.fullmatch(line)
            if match is None and explained and "-----" not in line:
                continue
            if match is None:
                # Without the text: somebody may have named a password's file.
                raise InputError(
                    f"{source} has text that is not PEM on line {number}",
                    "keep only the BEGIN to END CERTIFICATE blocks; comments start with #",
                )
            label, body = match[1], []
            if label != "CERTIFICATE":
                raise InputError(
                    f"{source} holds a {_UNSAFE.sub('?', label[:40])} block on line {number}",
                    "only CERTIFICATE blocks belong here",
                )
        elif line == f"-----END {label}-----":
            try:
                yield number, base64.b64decode("".join(body), validate=True)
            except ValueError:  # binascii.Error, or text that is not ASCII
                raise InputError(
                    f"{source} has a damaged certificate before line {number}", "fetch it again"
                ) from None
            label = None
        elif line.startswith("-----"):
            raise InputError(
                f"{source} has a truncated certificate before line {number}", "fetch it again"
            )
        else:
            body.append(line)
    if label is not None:
        raise InputError(f"{source} ends within a certificate", "fetch it again")


def _load(der: bytes, source: str, number: int) -> x509.Certificate:
    try:
        return load_certificate(der)
    except (ValueError, TypeError):
        raise InputError(
            f"{source} has a block before line {number} that is not a certificate", "fetch it again"
        ) from None


def _require_authority(certificate: x509.Certificate, source: str = "the bundle") -> None:
    who = subject_text(certificate.subject)
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        basic = None
    if basic is None or not basic.ca:
        raise InputError(
            f"{source} holds {who}, which is a server's certificate, not an authority",
            "trust the authority that signed it: its certificate says CA:TRUE",
        )
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.key_cert_sign:
        raise InputError(f"{source} holds {who}, which may not sign certificates")


def pem(certificate: x509.Certificate) -> bytes:
    """One certificate as PEM with LF and a final newline."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 over the DER, 64 lower-case hex digits."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def colons(digest: str) -> str:
    """A hex digest as people compare it: upper case, a colon between bytes."""
    upper = digest.upper()
    return ":".join(upper[i : i + 2] for i in range(0, len(upper), 2))


def subject_text(name: x509.Name) -> str:
    """A distinguished name as RFC 4514 text, safe to print; ``(empty)`` when it has no part."""
    return _UNSAFE.sub("?", name.rfc4514_string()) or "(empty)"


def time_text(moment: object) -> str:
    """A UTC time as RFC 3339 with a Z."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
