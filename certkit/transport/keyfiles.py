"""Private keys from files: each is read, and decrypted, once for a run.

Deriving the key of an encrypted file takes 0.2 s (bcrypt), so a fleet must not pay it per host.
"""

from __future__ import annotations

import base64
import binascii
import copy
import io
import threading
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from certkit.secret import Secret
from certkit.transport.hostkeys.certificate import blob_type
from certkit.transport.options import PassphrasePrompt
from certkit.transport.reading import read_file
from certkit.transport.without_invoke import paramiko

_KINDS: tuple[tuple[type, type[paramiko.PKey]], ...] = (
    (ed25519.Ed25519PrivateKey, paramiko.Ed25519Key),
    (ec.EllipticCurvePrivateKey, paramiko.ECDSAKey),
    (rsa.RSAPrivateKey, paramiko.RSAKey),
)
# Anything larger is no key file; in bytes.
_LARGEST_FILE = 1024 * 1024


class KeyFileError(Exception):
    """A key file gives no key; the text says why, to follow its name."""


class _EncryptedError(Exception):
    """The passphrase is missing or wrong."""


class KeyFiles:
    """Reads identity files; shared by all threads of a run.

    Args:
        prompt: Asks for a passphrase that the inventory does not give, once for each file.
    """

    def __init__(self, prompt: PassphrasePrompt | None) -> None:
        self._prompt = prompt
        self._loaded: dict[tuple[Path, str], paramiko.PKey | KeyFileError] = {}
        self._lock = threading.Lock()

    def load(self, path: Path, passphrase: Secret | None) -> paramiko.PKey:
        """Return the key in `path`.

        Raises:
            KeyFileError: There is none that can be used.
        """
        key = (path, passphrase.reveal() if passphrase else "")
        with self._lock:
            if key not in self._loaded:
                try:
                    self._loaded[key] = self._read(path, passphrase)
                except KeyFileError as error:
                    self._loaded[key] = error
            found = self._loaded[key]
        if isinstance(found, KeyFileError):
            raise found
        return found

    def _read(self, path: Path, passphrase: Secret | None) -> paramiko.PKey:
        try:
            data = read_file(path, _LARGEST_FILE)
        except FileNotFoundError as error:
            raise KeyFileError("is not there") from error
        except OSError as error:
            raise KeyFileError(f"cannot be read ({error.strerror})") from error
        try:
            return _parse(data, None)
        except _EncryptedError:
            pass
        if passphrase is None and self._prompt is not None:
            passphrase = self._prompt(path)
            if not passphrase:
                raise KeyFileError("is encrypted, and no passphrase was entered")
        if not passphrase:
            raise KeyFileError(
                "is encrypted, and there is no passphrase for it; give it with "
                "`--key-passphrase-file` or CERTKIT_KEY_PASSPHRASE"
            )
        try:
            return _parse(data, passphrase.reveal().encode())
        except _EncryptedError as error:
            raise KeyFileError("is encrypted, and the passphrase is wrong") from error


def with_certificate(key: paramiko.PKey, certificate: bytes) -> paramiko.PKey:
    """Return a copy of a private key that presents a user certificate (wire format)."""
    certified = copy.copy(key)
    certified.public_blob = paramiko.pkey.PublicBlob(blob_type(certificate), certificate)
    return certified


def public_blob(path: Path) -> bytes | None:
    """Return the key or certificate in a ``.pub`` file in wire format; None where there is none."""
    try:
        words = read_file(path, _LARGEST_FILE).split(None, 2)
        return base64.b64decode(words[1], validate=True)
    except (OSError, IndexError, binascii.Error):
        return None


def _parse(data: bytes, passphrase: bytes | None) -> paramiko.PKey:
    load = load_ssh_private_key if b"BEGIN OPENSSH" in data else load_pem_private_key
    if b"PRIVATE KEY" not in data:
        raise KeyFileError("is not a private key")
    try:
        loaded = load(data, passphrase)
    except TypeError as error:  # encrypted, and no passphrase was given
        raise _EncryptedError from error
    except UnsupportedAlgorithm as error:
        raise KeyFileError(f"is of a kind that is not supported ({error})") from error
    except ValueError as error:
        if passphrase is not None:
            raise _EncryptedError from error
        raise KeyFileError(f"is damaged ({error})") from error
    for kind, key_class in _KINDS:
        if isinstance(loaded, kind):
            # Through memory, so that paramiko need not decrypt the file a second time.
            text = loaded.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
            return key_class.from_private_key(io.StringIO(text.decode()))
    raise KeyFileError("is of a kind that is not supported; use ed25519, ECDSA or RSA")
