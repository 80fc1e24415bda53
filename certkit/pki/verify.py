"""Verifying a server's chain with cryptography's own verifier, the strictest one in use."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone

from cryptography import x509
from cryptography.x509 import verification

from certkit.errors import CertkitError
from certkit.names import SubjectName

_AGNOSTIC = verification.Criticality.AGNOSTIC
_ANY_AUTHORITY = verification.ExtensionPolicy.permit_all().require_present(
    x509.BasicConstraints, _AGNOSTIC, None
)
_ANY_SERVER = verification.ExtensionPolicy.permit_all().require_present(
    x509.SubjectAlternativeName, _AGNOSTIC, None
)


def verify_server(
    chain: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    names: Iterable[SubjectName],
    now: datetime,
    *,
    strict: bool = True,
) -> None:
    """Check that a served chain is trusted under the roots for every one of the names.

    A wildcard is checked with a name that it covers.

    Args:
        chain: The server's certificate, then any intermediates.
        roots: What is trusted.
        names: What clients will ask for.
        now: The time, with a time zone.
        strict: Whether each certificate is held to the Web PKI's profile of extensions too; many
            authorities of companies are not, and Docker and Podman do not ask for it.

    Raises:
        CertkitError: It does not verify; the message holds the verifier's own reason.
    """
    moment = now.astimezone(timezone.utc).replace(tzinfo=None, microsecond=0)
    builder = verification.PolicyBuilder().store(verification.Store(list(roots))).time(moment)
    if not strict:
        builder = builder.extension_policies(ca_policy=_ANY_AUTHORITY, ee_policy=_ANY_SERVER)
    for name in names:
        try:
            builder.build_server_verifier(_subject(name)).verify(chain[0], list(chain[1:]))
        except (verification.VerificationError, ValueError) as error:
            raise CertkitError(
                f"the certificate does not verify for {name.display}: {error}",
                "look at it with certkit inspect",
            ) from error


def _subject(name: SubjectName) -> verification.Subject:
    if name.kind == "ip":
        return x509.IPAddress(ipaddress.ip_address(name.text))
    return x509.DNSName(f"certkit-check{name.text[1:]}" if name.is_wildcard else name.text)
