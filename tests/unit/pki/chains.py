"""Chains to test with, made by the code under test."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certkit.names import SubjectName
from certkit.pki.constraints import Constraints, Permit
from certkit.pki.issue import issue_authority, issue_leaf
from certkit.pki.keys import KeyType, PrivateKey, generate_key
from certkit.pki.specs import AuthoritySpec, LeafSpec

NOW = datetime.now(timezone.utc)

KEY_PAIRS = {
    "p256": (KeyType.P256, KeyType.P384),
    "p384": (KeyType.P384, KeyType.P384),
    "rsa3072": (KeyType.RSA3072, KeyType.RSA4096),
    "rsa4096": (KeyType.RSA4096, KeyType.RSA4096),
}

SHAPES = {
    "dns": ("registry.example.internal",),
    "single label": ("registry",),
    "localhost": ("localhost", "127.0.0.1", "::1"),
    "ipv4": ("10.0.0.20",),
    "ipv6": ("fd00::20",),
    "both addresses": ("10.0.0.20", "fd00::20"),
    "dns and ipv4": ("registry.example.internal", "10.0.0.20"),
    "everything": ("registry.example.internal", "10.0.0.20", "fd00::20"),
    "wildcard": ("registry.example.internal", "*.apps.example.internal"),
    "idn": ("bücher.example.internal",),
    "too long for a CN": (f"{'a' * 60}.{'b' * 60}.example.internal",),
}


@cache
def key_of(key_type: KeyType, number: int = 0) -> PrivateKey:
    """A key, made once: RSA-4096 takes a second."""
    return generate_key(key_type)


@dataclass(frozen=True)
class Chain:
    names: tuple[SubjectName, ...]
    authority: x509.Certificate
    authority_key: PrivateKey
    leaf: x509.Certificate
    leaf_key: PrivateKey
    warnings: tuple[str, ...]


def parse_names(*texts: str) -> tuple[SubjectName, ...]:
    return tuple(SubjectName.parse(text) for text in texts)


def make_chain(
    *texts: str,
    key_type: str = "p256",
    permits: tuple[str, ...] = (),
    now: datetime = NOW,
    days: int = 397,
    ca_days: int = 3650,
    number: int = 0,
) -> Chain:
    names = parse_names(*texts)
    server_type, authority_type = KEY_PAIRS[key_type]
    authority_key, leaf_key = key_of(authority_type, number), key_of(server_type, number + 1)
    constraints = Constraints.derive(names, [Permit.parse(permit) for permit in permits])
    spec = AuthoritySpec(names[0].text, constraints, authority_type, ca_days)
    authority = issue_authority(spec, authority_key, now)
    issued = issue_leaf(LeafSpec(names, days), leaf_key.public_key(), authority, authority_key, now)
    return Chain(names, authority, authority_key, issued.certificate, leaf_key, issued.warnings)


def key_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


__all__ = ["KEY_PAIRS", "NOW", "SHAPES", "Chain", "key_of", "key_pem", "make_chain"]
