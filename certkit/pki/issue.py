"""Issuing: specs become certificates, and every chain is verified before it is handed out.

The profile has no finding in pkilint at NOTICE and above and is accepted by Go, OpenSSL (strict),
GnuTLS and cryptography; tests/unit/pki holds it to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certkit.errors import CertkitError
from certkit.names import SubjectName
from certkit.pki.constraints import Constraints
from certkit.pki.keys import PrivateKey, PublicKey, signature_hash
from certkit.pki.specs import AuthoritySpec, LeafSpec
from certkit.pki.verify import verify_server

BACKDATE = timedelta(hours=1)
"""How far back a certificate starts, so that a host whose clock is slow accepts it."""

_COMMON_NAME_MAX = 64  # ub-common-name, RFC 5280 appendix A


@dataclass(frozen=True)
class IssuedLeaf:
    """A server certificate and what the user should be told about it."""

    certificate: x509.Certificate
    warnings: tuple[str, ...]


def issue_authority(spec: AuthoritySpec, key: PrivateKey, now: datetime) -> x509.Certificate:
    """Make a self-signed authority: pathlen 0, critical name constraints.

    The distinguished name holds the month and the start of the key identifier, so that two
    generations never share one; chain building and logs stay unambiguous.

    Args:
        spec: What to make.
        key: Its private key, of the spec's type.
        now: The time, with a time zone.

    Returns:
        The certificate, valid from an hour before now.
    """
    start = _start(now)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    tail = f" CA {start:%Y-%m} {identifier.digest.hex()[:8]}"
    subject = _common_name(spec.name[: _COMMON_NAME_MAX - len(tail)] + tail)
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .not_valid_before(start)
        .not_valid_after(_end(start, spec.days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .add_extension(spec.constraints.extension(), critical=True)
        .sign(key, signature_hash(key))
    )


def issue_leaf(
    spec: LeafSpec,
    public_key: PublicKey,
    authority: x509.Certificate,
    authority_key: PrivateKey,
    now: datetime,
) -> IssuedLeaf:
    """Sign a server certificate and verify it under its authority for each of its names.

    It never outlives the authority: its end is moved forward, with a warning.

    Args:
        spec: The names and the days.
        public_key: The server's key.
        authority: The certificate of the authority.
        authority_key: The authority's key.
        now: The time, with a time zone.

    Returns:
        The certificate with the spec's warnings and its own.

    Raises:
        InputError: A name is outside the authority's constraints.
        CertkitError: The authority has ended, the key is not the authority's, or the result does
            not verify.
    """
    constraints = Constraints.of_certificate(authority)
    if constraints is not None:
        constraints.check(spec.names)
    if authority.public_key() != authority_key.public_key():
        raise CertkitError("the authority's key does not belong to its certificate")
    start = max(_start(now), authority.not_valid_before_utc)
    end = _end(start, spec.days)
    warnings = list(spec.warnings)
    if authority.not_valid_after_utc <= now:
        raise CertkitError(
            f"the authority ended on {authority.not_valid_after_utc:%Y-%m-%d}",
            "make a new one with certkit rotate start",
        )
    if end > authority.not_valid_after_utc:
        end = authority.not_valid_after_utc
        warnings.append(
            f"the certificate ends with its authority on {end:%Y-%m-%d}, earlier than the "
            f"{spec.days} days asked for"
        )
    rsa_server = not hasattr(public_key, "curve")
    subject = leaf_subject(spec.names)
    certificate = (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .subject_name(subject)
        .issuer_name(authority.subject)
        .public_key(public_key)
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        # keyEncipherment is for RSA key transport; on an ECDSA key it is an error (RFC 8813).
        .add_extension(
            key_usage(digital_signature=True, key_encipherment=rsa_server), critical=True
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        # Critical exactly when the subject is empty: either mistake is refused by a verifier.
        .add_extension(
            x509.SubjectAlternativeName([general_name(name) for name in spec.names]),
            critical=not list(subject),
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            ),
            critical=False,
        )
        .sign(authority_key, signature_hash(authority_key))
    )
    verify_server([certificate], [authority], spec.names, now)
    return IssuedLeaf(certificate, tuple(warnings))


def _start(now: datetime) -> datetime:
    if now.tzinfo is None:
        raise ValueError("the time needs a time zone")
    return now.astimezone(timezone.utc).replace(microsecond=0) - BACKDATE


def _end(start: datetime, days: int) -> datetime:
    # Both ends count (RFC 5280, 4.1.2.5), so a second less makes exactly that many days.
    return start + timedelta(days=days) - timedelta(seconds=1)


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def leaf_subject(names: Sequence[SubjectName]) -> x509.Name:
    """A server's distinguished name: the first DNS name, where it fits.

    Without a DNS name OpenSSL takes an address in the common name for one, and the constraints of
    an authority for addresses only exclude every DNS name: such a subject stays empty.
    """
    first = next((name.text for name in names if name.kind == "dns"), "")
    return _common_name(first) if 0 < len(first) <= _COMMON_NAME_MAX else x509.Name([])


def general_name(name: SubjectName) -> x509.GeneralName:
    """A subject alternative name as certificates hold it."""
    return x509.DNSName(name.text) if name.address is None else x509.IPAddress(name.address)


def key_usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    """The keyUsage extension with only the usages that certkit's certificates may have."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
