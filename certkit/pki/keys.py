"""Which private keys certkit makes, and how they are called."""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from certkit.errors import InputError

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class KeyType(str, Enum):
    """The key types that every verifier in use accepts, by the names of ``--key-type``."""

    P256 = "p256"
    P384 = "p384"
    RSA3072 = "rsa3072"
    RSA4096 = "rsa4096"

    @classmethod
    def parse(cls, text: str) -> KeyType:
        """Read a key type as written on the command line: ``p256``, ``P-256``, ``rsa-3072``.

        Raises:
            InputError: It is not one of the four; the message says why Ed25519 is not.
        """
        name = text.lower().replace("-", "").replace("_", "")
        if name in {"ed25519", "ed448"}:
            raise InputError(
                f"the key type {text} is refused: cryptography's verifier, and so many Python "
                "clients, forbid it in TLS certificates",
                "use --key-type p256, which is as fast and accepted everywhere",
            )
        try:
            return cls(name)
        except ValueError:
            known = ", ".join(member.value for member in cls)
            raise InputError(f"unknown key type '{text}'", f"use one of: {known}") from None

    @property
    def label(self) -> str:
        """The name for people."""
        return {"p256": "ECDSA P-256", "p384": "ECDSA P-384"}.get(
            self.value, self.value.replace("rsa", "RSA-")
        )

    @property
    def of_authority(self) -> KeyType:
        """The authority's key type that goes with a server key of this type.

        The authority lives ten times as long as what it signs, so it gets the stronger key of the
        same family.
        """
        return KeyType.RSA4096 if self.value.startswith("rsa") else KeyType.P384


def generate_key(key_type: KeyType) -> PrivateKey:
    """Make a private key. RSA-4096 takes about a second, the others almost nothing."""
    if key_type is KeyType.P256:
        return ec.generate_private_key(ec.SECP256R1())
    if key_type is KeyType.P384:
        return ec.generate_private_key(ec.SECP384R1())
    return rsa.generate_private_key(
        public_exponent=65537, key_size=3072 if key_type is KeyType.RSA3072 else 4096
    )


def signature_hash(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    """The digest to sign with: SHA-384 on P-384, else SHA-256 (facts of section 2.1)."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size > 256:
        return hashes.SHA384()
    return hashes.SHA256()


def describe_key(key: object) -> str:
    """A public or private key's kind and size for people: ``ECDSA P-384``, ``RSA-3072``."""
    if isinstance(key, (ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey)):
        known = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
        return f"ECDSA {known.get(key.curve.name, key.curve.name)}"
    if isinstance(key, (rsa.RSAPublicKey, rsa.RSAPrivateKey)):
        return f"RSA-{key.key_size}"
    if isinstance(key, (ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey)):
        return "Ed25519"
    if isinstance(key, (ed448.Ed448PublicKey, ed448.Ed448PrivateKey)):
        return "Ed448"
    return type(key).__name__.lstrip("_").replace("PublicKey", "").replace("PrivateKey", "")
