"""What a host key says: its type, its fingerprint and, for a certificate, whether it holds.

The rules are those of OpenSSH's sshkey_cert_check_host (PROTOCOL.certkeys), but for one: a
certificate that names no host is refused, where older versions took it as good for every host.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timezone

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificate,
    SSHCertificateType,
    load_ssh_public_identity,
)

CERT_SUFFIX = "-cert-v01@openssh.com"


def blob_type(blob: bytes) -> str:
    """Return the type that a public key in wire format names itself; empty when it is none."""
    length = int.from_bytes(blob[:4], "big")
    return blob[4 : 4 + length].decode("ascii", "replace") if 0 < length <= 64 else ""


def fingerprint(blob: bytes) -> str:
    """Return ``SHA256:...`` as ssh-keygen -l prints it."""
    digest = hashlib.sha256(blob).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def key_line(blob: bytes) -> str:
    """Return ``<type> <base64>``."""
    return f"{blob_type(blob)} {base64.b64encode(blob).decode()}"


def described(blob: bytes) -> str:
    """Return type and fingerprint, for messages."""
    return f"{blob_type(blob)} {fingerprint(blob)}"


class Certificate:
    """An OpenSSH certificate.

    Args:
        blob: The certificate in wire format.

    Raises:
        ValueError: It cannot be read.
    """

    def __init__(self, blob: bytes) -> None:
        try:
            identity = load_ssh_public_identity(key_line(blob).encode())
            if not isinstance(identity, SSHCertificate):
                raise ValueError("it is no certificate")
            self._certificate = identity
            self.key = _wire(identity.public_key().public_bytes(*_OPENSSH))
            self.authority = _wire(identity.signature_key().public_bytes(*_OPENSSH))
        except UnsupportedAlgorithm as error:
            raise ValueError(str(error)) from error

    def fault(self, name: str, now: datetime) -> str:
        """Return why the certificate is no proof for `name` at `now`; empty when it is one."""
        certificate = self._certificate
        if certificate.type is not SSHCertificateType.HOST:
            return "is a user's certificate, not a host's"
        try:
            certificate.verify_cert_signature()
        except InvalidSignature:
            return "has a signature that is not its authority's"
        except (UnsupportedAlgorithm, ValueError) as error:
            return f"has a signature that cannot be checked ({error})"
        principals = [p.decode("utf-8", "replace") for p in certificate.valid_principals]
        if not principals:
            return "names no host"
        if name.lower() not in (principal.lower() for principal in principals):
            return f"is for {', '.join(principals[:5])} and not for {name}"
        if now.timestamp() < certificate.valid_after:
            return f"is valid only from {_day(certificate.valid_after)} on"
        if now.timestamp() >= certificate.valid_before:
            return f"expired on {_day(certificate.valid_before)}"
        if certificate.critical_options:
            return "has critical options, which a host's certificate must not have"
        return ""


_OPENSSH = (Encoding.OpenSSH, PublicFormat.OpenSSH)


def _wire(line: bytes) -> bytes:
    return base64.b64decode(line.split(b" ")[1])


def _day(timestamp: int) -> str:
    try:
        return datetime.fromtimestamp(timestamp, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return "a day without end"
