"""A certificate and its private key, checked to belong together."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from certkit.errors import HomeError
from certkit.home.registry import RegistryFiles
from certkit.pki.bundle import fingerprint, parse_certificates


@dataclass(frozen=True)
class Pair:
    """What a registry is given to serve.

    Attributes:
        chain_pem: The leaf, then any intermediates.
        key_pem: The leaf's private key, not encrypted: no registry can ask for a passphrase. Kept
            out of `repr`.
    """

    chain_pem: bytes
    key_pem: bytes = field(repr=False)

    @classmethod
    def current(cls, files: RegistryFiles) -> Pair:
        """The pair of the home that is in service.

        Raises:
            HomeError: A file is missing, lax or damaged, or they do not belong together.
        """
        return cls(files.server_chain_pem, files.server_key_pem).checked()

    @cached_property
    def leaf(self) -> x509.Certificate:
        """The certificate that is to be served."""
        return parse_certificates(self.chain_pem, "the server certificate")[0]

    @property
    def sha256(self) -> str:
        """The leaf's fingerprint, 64 lower-case hex digits."""
        return fingerprint(self.leaf)

    def checked(self) -> Pair:
        """Return the pair.

        Raises:
            HomeError: The key is damaged, encrypted, or another certificate's.
        """
        try:
            public = load_pem_private_key(self.key_pem, None).public_key()
        except (ValueError, TypeError):
            raise HomeError(
                "the registry's private key is damaged or encrypted", "restore it from the back-up"
            ) from None
        if public != self.leaf.public_key():
            raise HomeError(
                "the registry's private key does not belong to its certificate",
                "restore both from the same back-up",
            )
        return self
