"""One registry in the home: its authority, its certificate, the trust that hosts get."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from cryptography import x509

from certkit.errors import HomeError, InputError
from certkit.home.disk.files import CERTIFICATE_MODE, KEY_MODE, check_directory, read_file
from certkit.home.place import home_option
from certkit.home.record import read_record
from certkit.home.request import Origin
from certkit.names import RegistryReference, SubjectName
from certkit.pki.bundle import TrustBundle, fingerprint, parse_certificates
from certkit.secret import Secret

if TYPE_CHECKING:
    from certkit.home.keys.keyfile import KeyProtection
    from certkit.pki.keys import PrivateKey

AUTHORITY = "ca.crt"
AUTHORITY_KEY = "ca.key"
SERVER = "server.crt"
SERVER_KEY = "server.key"
TRUST = "trust.crt"
RECORD = "registry.json"
REQUEST = "server-request.csr"
REQUEST_KEY = "server-request.key"
REQUEST_RECORD = "server-request.json"

MODES = {
    AUTHORITY: CERTIFICATE_MODE,
    AUTHORITY_KEY: KEY_MODE,
    SERVER: CERTIFICATE_MODE,
    SERVER_KEY: KEY_MODE,
    TRUST: CERTIFICATE_MODE,
    RECORD: KEY_MODE,
}
"""Every file of a registry that has its own authority, with its mode."""

REQUEST_MODES = {REQUEST: CERTIFICATE_MODE, REQUEST_KEY: KEY_MODE, REQUEST_RECORD: KEY_MODE}
"""Every file of a request that waits for another authority's answer."""


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
        if not (directory / RECORD).exists():
            raise HomeError(
                f"{directory} is half made: it lacks {', '.join(missing_files(directory))}",
                "restore it from the back-up, or move it out of the home and run certkit init",
            )
        self.request = read_record(directory / RECORD)

    @property
    def reference(self) -> RegistryReference:
        """The registry, as image names write it."""
        return self.request.reference

    @property
    def where(self) -> str:
        """The registry as a command to paste names it: with ``--home DIR`` where that is needed."""
        return f"{quote(str(self.reference))}{home_option(self.directory.parents[1])}"

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
        if self.request.origin is Origin.OWN:
            return missing_files(self.directory)
        # Nobody may have the root of another authority, so trust.crt may be absent.
        needed = REQUEST_MODES if self.waits else {SERVER: 0, SERVER_KEY: 0}
        return tuple(name for name in needed if not self.path(name).exists())

    @property
    def waits(self) -> bool:
        """Whether all it has is a request that another authority has not answered yet."""
        return self.request.origin is Origin.REQUESTED and not self.path(SERVER).exists()

    def require_certificate(self) -> None:
        """Refuse what needs a certificate while the first request has no answer.

        Raises:
            HomeError: It has none.
        """
        if self.waits:
            raise HomeError(
                f"{self.reference} has no certificate yet: the request waits for its answer",
                f"send {self.path(REQUEST)} to the authority, then run certkit import-signed FILE "
                f"{self.where}",
            )

    def require_own_authority(self, what: str) -> None:
        """Refuse what only an authority of certkit's own can do.

        Args:
            what: What is asked for, such as ``nothing can be rotated here``.

        Raises:
            InputError: The certificate comes from elsewhere.
        """
        if self.request.origin is not Origin.OWN:
            raise InputError(
                f"the certificate of {self.reference} comes from {self.request.origin.words}: "
                f"{what}",
                "a new certificate, of a new authority too, is taken with certkit import-signed "
                f"FILE {self.where}; certkit renew {self.where} --csr makes a request",
            )

    def path(self, name: str) -> Path:
        """Where one of its files lies; see `MODES` for the names."""
        return self.directory / name

    def read(self, name: str) -> bytes:
        """The content of one of its files, after checking mode and owner.

        Raises:
            HomeError: It is missing, lax, somebody else's or a link; or is still to come, with
                another authority's answer.
        """
        if name in (SERVER, SERVER_KEY):
            self.require_certificate()
        return read_file(self.path(name), MODES[name])

    def bundle(self) -> TrustBundle:
        """The trust that hosts get: one authority, or two during a change.

        It is empty where the root of another authority is not known.

        Raises:
            HomeError: The file is missing, or holds anything but authorities.
        """
        self.require_certificate()
        if self.request.origin is not Origin.OWN and not self.path(TRUST).exists():
            return TrustBundle(())
        try:
            return TrustBundle.parse(self.read(TRUST), str(self.path(TRUST)))
        except InputError as error:
            raise HomeError(error.message, error.hint) from error

    @property
    def vouched(self) -> str:
        """The fingerprint of the certificate that hosts' own systems may vouch for.

        Empty where only ``trust.crt`` counts: for an authority of certkit's own, and while another
        authority's new root is on its way to the hosts.
        """
        if self.request.origin is Origin.OWN:
            return ""
        from certkit.pki.importing import trusted_by

        roots = self.bundle().certificates
        settled = trusted_by(self.server_chain, roots) == roots
        return fingerprint(self.leaf) if settled else ""

    def verify(
        self,
        chain: Sequence[x509.Certificate],
        names: Iterable[SubjectName],
        now: datetime,
    ) -> None:
        """Check that hosts which have the home's trust accept a chain.

        Another authority's certificates are held to what Docker and Podman hold them to. Its
        intermediates count as known, because not every TLS library tells what else was presented.

        Raises:
            CertkitError: They do not.
            HomeError: The home's files are missing, damaged or lax.
        """
        from certkit.pki.verify import verify_server

        anchors = (*self.bundle().certificates, *self.server_chain[1:])
        verify_server(chain, anchors, names, now, strict=self.request.origin is Origin.OWN)

    @property
    def authority(self) -> x509.Certificate:
        """The authority's certificate.

        Raises:
            InputError: The certificate comes from elsewhere.
        """
        self.require_own_authority("there is no authority here")
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
        """Whether and how the authority's key is encrypted.

        Raises:
            InputError: The certificate comes from elsewhere.
        """
        from certkit.home.keys.keyfile import key_protection

        self.require_own_authority("there is no authority's key here")
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
        from certkit.home.keys.keyfile import decode_key

        return decode_key(self.read(name), passphrase, str(self.path(name)))

    def _certificates(self, name: str) -> tuple[x509.Certificate, ...]:
        try:
            return parse_certificates(self.read(name), str(self.path(name)))
        except InputError as error:
            raise HomeError(error.message, error.hint) from error


def missing_files(directory: Path) -> tuple[str, ...]:
    """The names of the files that a registry's directory should have and does not."""
    return tuple(name for name in MODES if not (directory / name).exists())
