"""Certificates as other authorities make them, right and wrong: small builders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.unit.pki.chains import NOW

SERVER_AUTH = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
CLIENT_AUTH = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55738.1"), b"\x05\x00")


@cache
def key(kind: str = "p256", number: int = 0) -> Any:
    """A key of a kind, the same one for the same number."""
    curves = {"p192": ec.SECP192R1(), "p256": ec.SECP256R1(), "p521": ec.SECP521R1()}
    if kind in curves:
        return ec.generate_private_key(curves[kind])
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "dsa":
        return dsa.generate_private_key(1024)
    return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("rsa")))


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)] if text else [])


def usage(*on: str) -> x509.KeyUsage:
    every = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{one: one in on for one in every})


@dataclass(frozen=True)
class Party:
    """A certificate and the key that it is about."""

    certificate: x509.Certificate
    key: Any


def make(
    subject: str,
    signer: Party | None,
    extensions: Iterable[tuple[x509.ExtensionType, bool]],
    *,
    kind: str = "p256",
    number: int = 0,
    digest: hashes.HashAlgorithm | None = None,
    start: datetime = NOW - timedelta(days=1),
    days: float = 300,
) -> Party:
    own = key(kind, number)
    by = signer.key if signer else own
    issuer = signer.certificate.subject if signer else name(subject)
    builder = (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .subject_name(name(subject))
        .issuer_name(issuer)
        .public_key(own.public_key())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    chosen = None if isinstance(by, ed25519.Ed25519PrivateKey) else digest or hashes.SHA256()
    return Party(builder.sign(by, chosen), own)


def authority(
    subject: str = "Example Root",
    signer: Party | None = None,
    *,
    basic: tuple[x509.BasicConstraints, bool] | None = None,
    without: tuple[type[x509.ExtensionType], ...] = (),
    ski: x509.SubjectKeyIdentifier | None = None,
    aki: x509.AuthorityKeyIdentifier | None = None,
    key_usage: x509.KeyUsage | None = None,
    more: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    number: int = 1,
    kind: str = "p256",
    **options: Any,
) -> Party:
    """A root, or with a signer an intermediate, with everything in order but what is given."""
    own = ski or x509.SubjectKeyIdentifier.from_public_key(key(kind, number).public_key())
    above = own if signer is None else identifier(signer.certificate)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        basic or (x509.BasicConstraints(ca=True, path_length=None), True),
        (key_usage or usage("key_cert_sign", "crl_sign"), True),
        (own, False),
        (aki or x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(above), False),
        *more,
    ]
    kept = [one for one in extensions if not isinstance(one[0], without)]
    return make(subject, signer, kept, kind=kind, number=number, **options)


def server(
    signer: Party | None,
    *names: str,
    subject: str = "registry.lab",
    without: tuple[type[x509.ExtensionType], ...] = (),
    key_usage: x509.KeyUsage | None = None,
    purposes: x509.ExtendedKeyUsage = SERVER_AUTH,
    basic: x509.BasicConstraints | None = None,
    more: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    **options: Any,
) -> Party:
    """A server's certificate with everything in order but what is given."""
    above = identifier(signer.certificate) if signer else None
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (basic or x509.BasicConstraints(ca=False, path_length=None), True),
        (key_usage or usage("digital_signature"), True),
        (purposes, False),
        (
            x509.SubjectAlternativeName([_general(one) for one in names or ("registry.lab",)]),
            not subject,
        ),
        *more,
    ]
    if above is not None:
        extensions.append(
            (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(above), False)
        )
    kept = [one for one in extensions if not isinstance(one[0], without)]
    return make(subject, signer, kept, **options)


def identifier(certificate: x509.Certificate) -> x509.SubjectKeyIdentifier:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())


def _general(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)
