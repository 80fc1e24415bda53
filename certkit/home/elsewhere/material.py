"""Certificates and keys that somebody else made, read from the files that a user names."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from cryptography import x509

from certkit.errors import HomeError, InputError
from certkit.home.keys.keyfile import decode_key, key_protection
from certkit.home.keys.passphrase import PassphraseSources
from certkit.paths import expanded, read_named
from certkit.pki.bundle import parse_certificates
from certkit.pki.keys import PrivateKey
from certkit.pki.reading import load_certificate

ENVIRONMENT = "CERTKIT_IMPORT_PASSPHRASE"
"""Holds the passphrase of a key that is imported."""

_MAX_BYTES = 1 << 20
# openssl ecparam -genkey writes the curve's name in front of the key.
_PARAMETERS = re.compile(
    rb"\s*-----BEGIN EC PARAMETERS-----.*?-----END EC PARAMETERS-----\s*", re.DOTALL
)


@dataclass(frozen=True)
class Material:
    """What was given.

    Attributes:
        certificates: All of the files, in their order; none is checked yet.
        key: The server's key, where it was given.
        warnings: What the user should be told of the files.
    """

    certificates: tuple[x509.Certificate, ...]
    key: PrivateKey | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()

    @classmethod
    def read(
        cls,
        certificate: Path,
        chain: Path | None,
        key: Path | None,
        passphrases: PassphraseSources,
    ) -> Material:
        """Read the files.

        Args:
            certificate: The server's certificate, with or without its chain.
            chain: The authorities above it.
            key: The server's key.
            passphrases: Where the key's passphrase comes from; asked only when it is needed.

        Raises:
            InputError: A file cannot be read, or is not what it should be; with the command that
                converts it where there is one.
        """
        files = [certificate, *([chain] if chain is not None else [])]
        found = tuple(one for path in files for one in _certificates(path))
        if key is None:
            return cls(found)
        return cls(found, _key(key, passphrases), _lax(key))


def _certificates(path: Path) -> tuple[x509.Certificate, ...]:
    data, shown = read_named(path, _MAX_BYTES), quote(str(path))
    if b"-----BEGIN PKCS7-----" in data:
        raise InputError(
            f"{path} is PKCS#7, not PEM certificates",
            f"convert it: openssl pkcs7 -print_certs -in {shown} -out chain.pem",
        )
    if data[:1] == b"\x30":
        try:
            return (load_certificate(data),)
        except ValueError:
            raise InputError(
                f"{path} is neither a PEM nor a DER certificate",
                f"if it is PKCS#12: openssl pkcs12 -nokeys -in {shown} -out chain.pem; if it is "
                f"PKCS#7: openssl pkcs7 -inform DER -print_certs -in {shown} -out chain.pem",
            ) from None
    return parse_certificates(data, str(path), explained=True)


def _key(path: Path, passphrases: PassphraseSources) -> PrivateKey:
    data, shown = _PARAMETERS.sub(b"", read_named(path, _MAX_BYTES), 1), quote(str(path))
    if data[:1] == b"\x30":
        raise InputError(
            f"{path} is DER, not PEM",
            f"convert it: openssl pkey -inform DER -in {shown} -out key.pem; if it is PKCS#12: "
            f"openssl pkcs12 -nocerts -in {shown} -out key.pem",
        )
    if b"-----BEGIN CERTIFICATE-----" in data:
        raise InputError(
            f"{path} holds a certificate beside the key",
            f"take the key out: openssl pkey -in {shown} -out key.pem",
        )
    # What pkcs12 and others say of the key in front of it.
    data = data[max(data.find(b"-----BEGIN "), 0) :]
    try:
        secret = None
        if key_protection(data).encrypted:
            secret = passphrases.existing(str(path))
            if secret is None:
                raise InputError(
                    f"{path} is encrypted, and no passphrase was given",
                    f"give it with --passphrase-file FILE or {ENVIRONMENT}",
                )
        return decode_key(data, secret, str(path))
    except HomeError as error:
        hint = (
            f"check --passphrase-file, {ENVIRONMENT} or what was typed"
            if "passphrase" in error.message
            else f"give the private key as PEM: openssl pkey -in {shown} -out key.pem"
        )
        raise InputError(f"{path}: {error.message.removeprefix(f'{path} ')}", hint) from None


def _lax(path: Path) -> tuple[str, ...]:
    mode = expanded(path).stat().st_mode
    # A pipe has a mode too, and nobody else can open it.
    if not stat.S_ISREG(mode) or not mode & 0o077:
        return ()
    return (
        f"others can get at the key in {path}: it has mode {stat.S_IMODE(mode):04o}; run chmod 600 "
        f"{quote(str(path))}, and ask for another certificate if somebody may have read it",
    )
