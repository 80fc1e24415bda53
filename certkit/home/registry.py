"""One registry in the home: its authority, its certificate, the trust that hosts get."""

from __future__ import annotations

import json
from pathlib import Path

from cryptography import x509

from certkit.errors import HomeError, InputError
from certkit.home.files import CERTIFICATE_MODE, KEY_MODE, check_directory, read_file
from certkit.home.keyfile import KeyProtection, decode_key, key_protection
from certkit.home.request import RegistryRequest
from certkit.names import RegistryReference
from certkit.pki.bundle import TrustBundle, parse_certificates
from certkit.pki.keys import PrivateKey
from certkit.secret import Secret

SCHEMA = "certkit.registry/1"

AUTHORITY = "ca.crt"
AUTHORITY_KEY = "ca.key"
SERVER = "server.crt"
SERVER_KEY = "server.key"
TRUST = "trust.crt"
RECORD = "registry.json"

MODES = {
    AUTHORITY: CERTIFICATE_MODE,
    AUTHORITY_KEY: KEY_MODE,
    SERVER: CERTIFICATE_MODE,
    SERVER_KEY: KEY_MODE,
    TRUST: CERTIFICATE_MODE,
    RECORD: KEY_MODE,
}
"""Every file of a registry, with its mode."""


class RegistryFiles:
    """Reads one registry of a home. Nothing is cached: each call looks at the disk.

    Args:
        directory: Its directory.

    Raises:
        HomeError: The directory is lax or somebody else's, or its record is missing or damaged.
    """

    def __init__(self, directory: Path) -> None:
        check_directory(directory)
        self.directory = directory
        self.request = _read_record(directory / RECORD)

    @property
    def reference(self) -> RegistryReference:
        """The registry, as image names write it."""
        return self.request.reference

    @property
    def aliases(self) -> tuple[RegistryReference, ...]:
        """Other references for it."""
        return self.request.aliases

    @property
    def references(self) -> tuple[RegistryReference, ...]:
        """The registry, then its aliases: each one is a directory under certs.d."""
        return self.request.references

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of the files that should be there and are not."""
        return missing_files(self.directory)

    def path(self, name: str) -> Path:
        """Where one of its files lies; see `MODES` for the names."""
        return self.directory / name

    def read(self, name: str) -> bytes:
        """The content of one of its files, after checking mode and owner.

        Raises:
            HomeError: It is missing, lax, somebody else's or a link.
        """
        return read_file(self.path(name), MODES[name])

    def bundle(self) -> TrustBundle:
        """The trust that hosts get: one authority, or two during a rollover.

        Raises:
            HomeError: The file is missing, or holds anything but authorities.
        """
        try:
            return TrustBundle.parse(self.read(TRUST), str(self.path(TRUST)))
        except InputError as error:
            raise HomeError(error.message, error.hint) from error

    @property
    def authority(self) -> x509.Certificate:
        """The authority's certificate."""
        return self._certificates(AUTHORITY)[0]

    @property
    def server_chain(self) -> tuple[x509.Certificate, ...]:
        """What the registry serves: its certificate, then any intermediates."""
        return self._certificates(SERVER)

    @property
    def leaf(self) -> x509.Certificate:
        """The registry's own certificate."""
        return self.server_chain[0]

    @property
    def server_chain_pem(self) -> bytes:
        """The content of ``server.crt``, checked."""
        self._certificates(SERVER)
        return self.read(SERVER)

    @property
    def server_key_pem(self) -> bytes:
        """The content of ``server.key``; never print or log it."""
        return self.read(SERVER_KEY)

    @property
    def authority_key_protection(self) -> KeyProtection:
        """Whether and how the authority's key is encrypted."""
        return key_protection(self.read(AUTHORITY_KEY))

    def authority_key(self, passphrase: Secret | None) -> PrivateKey:
        """The authority's private key.

        Args:
            passphrase: For an encrypted one; ignored for a plain one.

        Raises:
            HomeError: The passphrase is missing or wrong, or the key is not the authority's.
        """
        key = self._key(AUTHORITY_KEY, passphrase)
        if key.public_key() != self.authority.public_key():
            raise HomeError(
                f"{self.path(AUTHORITY_KEY)} does not belong to {self.path(AUTHORITY)}",
                "restore both from the same back-up",
            )
        return key

    def server_key(self) -> PrivateKey:
        """The server's private key.

        Raises:
            HomeError: It is missing, lax or damaged.
        """
        return self._key(SERVER_KEY, None)

    def _key(self, name: str, passphrase: Secret | None) -> PrivateKey:
        return decode_key(self.read(name), passphrase, str(self.path(name)))

    def _certificates(self, name: str) -> tuple[x509.Certificate, ...]:
        try:
            return parse_certificates(self.read(name), str(self.path(name)))
        except InputError as error:
            raise HomeError(error.message, error.hint) from error


def encode_record(request: RegistryRequest, created: str) -> bytes:
    """The content of ``registry.json``.

    Args:
        request: What the registry was made with.
        created: When, RFC 3339.
    """
    record = {"schema": SCHEMA, "created": created, **request.to_json()}
    return (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()


def missing_files(directory: Path) -> tuple[str, ...]:
    """The names of the files that a registry's directory should have and does not."""
    return tuple(name for name in MODES if not (directory / name).exists())


def _read_record(path: Path) -> RegistryRequest:
    if not path.exists():
        missing = ", ".join(missing_files(path.parent))
        raise HomeError(
            f"{path.parent} is half made: it lacks {missing}",
            "restore it from the back-up, or move it out of the home and run certkit init",
        )
    try:
        record = json.loads(read_file(path, MODES[RECORD]))
        if record["schema"] != SCHEMA:
            raise HomeError(
                f"{path} was written by another version of certkit ({record['schema']!r})",
                "use that version, or a newer one",
            )
        return RegistryRequest.from_json(record)
    except (ValueError, KeyError, TypeError, AttributeError, InputError) as error:
        raise HomeError(f"{path} is damaged: {error}", "restore it from the back-up") from error
