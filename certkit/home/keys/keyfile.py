"""Private keys on disk: PKCS#8, encrypted the way a guess costs something.

cryptography's own encrypted PKCS#8 derives its key with 2048 PBKDF2 iterations and cannot be told
otherwise, so the wrapper (RFC 8018, PBES2) is written here, with 600,000. OpenSSL, GnuTLS and
cryptography read it. What was written is read again and asserted, because asking for an algorithm
is not getting it (CVE-2024-13454).
"""

from __future__ import annotations

import base64
import os
import re
import textwrap
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from certkit.errors import HomeError
from certkit.home.keys import der
from certkit.pki.keys import PrivateKey
from certkit.secret import Secret

ITERATIONS = 600_000
"""PBKDF2-HMAC-SHA256 iterations (OWASP, 2023); 0.1 s for a guess on a common machine."""

SALT_BYTES = 16

_PBES2 = "1.2.840.113549.1.5.13"
_PBKDF2 = "1.2.840.113549.1.5.12"
_HMAC_SHA256 = "1.2.840.113549.2.9"
_AES256_CBC = "2.16.840.1.101.3.4.1.42"
_NAMES = {
    _HMAC_SHA256: "HMAC-SHA256",
    "1.2.840.113549.2.7": "HMAC-SHA1",
    _AES256_CBC: "AES-256-CBC",
    "2.16.840.1.101.3.4.1.2": "AES-128-CBC",
    "1.2.840.113549.3.7": "3DES-CBC",
}
_BLOCK = re.compile(
    rb"\s*-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----\s*(.*?)-----END \1-----\s*", re.DOTALL
)


@dataclass(frozen=True)
class KeyProtection:
    """How a private key file is protected.

    Attributes:
        encrypted: Whether a passphrase is needed to read it.
        scheme: For people: ``PBKDF2-HMAC-SHA256 600000, AES-256-CBC``; empty when plain.
        strong: Whether it is what certkit writes, or better.
    """

    encrypted: bool
    scheme: str = ""
    strong: bool = False


def encode_key(key: PrivateKey, passphrase: Secret | None) -> bytes:
    """A private key as PKCS#8 PEM, plain or encrypted, read back before it is returned.

    Args:
        key: The key.
        passphrase: What to encrypt it with, or None for plain.

    Returns:
        The content of the file.

    Raises:
        HomeError: What was made is not what was meant, or does not read back.
    """
    plain = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    if passphrase is None:
        pem = _pem("PRIVATE KEY", plain)
    else:
        pem = _pem("ENCRYPTED PRIVATE KEY", _encrypt(plain, passphrase))
    assert_protected(pem, key, passphrase)
    return pem


def assert_protected(pem: bytes, key: PrivateKey, passphrase: Secret | None) -> None:
    """Check the content of a key file: the protection that was asked for, and the same key.

    Raises:
        HomeError: It is not.
    """
    protection = key_protection(pem)
    if protection.encrypted != (passphrase is not None) or (
        passphrase is not None and not protection.strong
    ):
        raise HomeError("the key was not encrypted as asked; it is not used")
    if decode_key(pem, passphrase, "the key just written").public_key() != key.public_key():
        raise HomeError("the key just written does not read back as the same key")


def decode_key(pem: bytes, passphrase: Secret | None, source: str) -> PrivateKey:
    """Read a private key.

    Args:
        pem: The content of the file.
        passphrase: For an encrypted one; ignored for a plain one.
        source: What errors call it.

    Raises:
        HomeError: It is no key of ours, is encrypted and no passphrase was given, or the
            passphrase is wrong.
    """
    encrypted = key_protection(pem).encrypted
    if encrypted and passphrase is None:
        raise HomeError(
            f"{source} is encrypted, and no passphrase was given",
            "give it with --passphrase-file FILE or CERTKIT_CA_PASSPHRASE",
        )
    password = passphrase.reveal().encode() if encrypted and passphrase is not None else None
    try:
        key = serialization.load_pem_private_key(pem, password)
    except (ValueError, TypeError) as error:
        if encrypted:
            raise HomeError(
                f"the passphrase does not open {source}",
                "check --passphrase-file, CERTKIT_CA_PASSPHRASE or what was typed",
            ) from error
        raise HomeError(f"{source} is damaged", "restore it from the back-up") from error
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise HomeError(f"{source} is neither an ECDSA nor an RSA key")
    return key


def key_protection(pem: bytes) -> KeyProtection:
    """Tell how a PEM private key is protected, without its passphrase.

    Raises:
        HomeError: It is not one PEM private key.
    """
    match = _BLOCK.fullmatch(pem)
    if match is None:
        raise HomeError("that is not a PEM private key")
    if b"Proc-Type: 4,ENCRYPTED" in match[2]:
        return KeyProtection(True, "RFC 1423 (one round of MD5: no protection to speak of)")
    if match[1] == b"OPENSSH PRIVATE KEY":
        return KeyProtection(b"bcrypt" in base64.b64decode(match[2]), "OpenSSH")
    if match[1] != b"ENCRYPTED PRIVATE KEY":
        return KeyProtection(False)
    try:
        return _scheme(base64.b64decode(match[2]))
    except (ValueError, IndexError):
        return KeyProtection(True, "unknown")


def _scheme(data: bytes) -> KeyProtection:
    algorithm, _ = der.children(der.only(data))
    oid, parameters = der.children(algorithm)
    if der.read_oid(oid) != _PBES2:
        return KeyProtection(True, f"an old scheme ({der.read_oid(oid)})")
    derivation, encryption = der.children(parameters)
    kdf, kdf_parameters = der.children(derivation)
    cipher = der.read_oid(der.children(encryption)[0])
    cipher_name = _NAMES.get(cipher, cipher)
    if der.read_oid(kdf) != _PBKDF2:
        return KeyProtection(True, f"{der.read_oid(kdf)}, {cipher_name}")
    salt, count, *rest = der.children(kdf_parameters)
    iterations = der.read_integer(count)
    # The PRF defaults to HMAC-SHA1; an optional key length may stand before it.
    prf = next(
        (der.read_oid(der.children(part)[0]) for part in rest if part.tag == der.SEQUENCE),
        "1.2.840.113549.2.7",
    )
    return KeyProtection(
        True,
        f"PBKDF2-{_NAMES.get(prf, prf)} {iterations}, {cipher_name}",
        strong=iterations >= ITERATIONS
        and prf == _HMAC_SHA256
        and cipher == _AES256_CBC
        and len(salt.content) >= SALT_BYTES,
    )


def _encrypt(plain: bytes, passphrase: Secret) -> bytes:
    salt, vector = os.urandom(SALT_BYTES), os.urandom(16)
    derived = PBKDF2HMAC(hashes.SHA256(), 32, salt, ITERATIONS).derive(passphrase.reveal().encode())
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(derived), modes.CBC(vector)).encryptor()
    padded = padder.update(plain) + padder.finalize()
    sealed = encryptor.update(padded) + encryptor.finalize()
    derivation = der.sequence(
        der.oid(_PBKDF2),
        der.sequence(
            der.octets(salt),
            der.integer(ITERATIONS),
            der.sequence(der.oid(_HMAC_SHA256), der.null()),
        ),
    )
    cipher = der.sequence(der.oid(_AES256_CBC), der.octets(vector))
    return der.sequence(
        der.sequence(der.oid(_PBES2), der.sequence(derivation, cipher)), der.octets(sealed)
    )


def _pem(label: str, data: bytes) -> bytes:
    body = "\n".join(textwrap.wrap(base64.b64encode(data).decode("ascii"), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode("ascii")
