"""Encrypting with a passphrase in the age format, version 1 (age-encryption.org/v1).

A public, authenticated format with programs of its own, so that a back-up can be opened without
certkit: ``age -d FILE``. Only the passphrase recipient is spoken here. Specification:
https://github.com/C2SP/C2SP/blob/main/age.md
"""

from __future__ import annotations

import base64
import binascii
import os
import re

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from certkit.errors import HomeError, InputError
from certkit.secret import Secret

WORK_FACTOR = 18
"""Base-2 logarithm of scrypt's cost, age's own default: 256 MiB and about a second for a guess."""

MAX_WORK_FACTOR = 22
"""More than this is refused, as age does: a hostile file must not eat the machine."""

_CHUNK = 64 << 10
_TAG = 16
_VERSION = b"age-encryption.org/v1"
_HEADER = re.compile(
    rb"age-encryption\.org/v1\n-> scrypt ([A-Za-z0-9+/]{22}) ([1-9][0-9]?)\n"
    rb"([A-Za-z0-9+/]{43})\n--- ([A-Za-z0-9+/]{43})\n"
)


def encrypt(plain: bytes, passphrase: Secret, work_factor: int | None = None) -> bytes:
    """Encrypt with a passphrase; needs memory for all of it.

    Args:
        plain: What to encrypt.
        passphrase: With what.
        work_factor: Base-2 logarithm of scrypt's N; None for `WORK_FACTOR`.
    """
    work_factor = WORK_FACTOR if work_factor is None else work_factor
    file_key, salt, nonce = os.urandom(16), os.urandom(16), os.urandom(16)
    wrapped = ChaCha20Poly1305(_wrap_key(passphrase, salt, work_factor)).encrypt(
        bytes(12), file_key, None
    )
    header = b"%s\n-> scrypt %s %d\n%s\n---" % (_VERSION, _b64(salt), work_factor, _b64(wrapped))
    stream = ChaCha20Poly1305(_derive(file_key, nonce, b"payload"))
    chunks = [plain[at : at + _CHUNK] for at in range(0, len(plain), _CHUNK)] or [b""]
    body = b"".join(
        stream.encrypt(_nonce(number, number == len(chunks) - 1), chunk, None)
        for number, chunk in enumerate(chunks)
    )
    return b"%s %s\n%s%s" % (header, _b64(_mac(file_key, header).finalize()), nonce, body)


def check_header(data: bytes, source: str) -> re.Match[bytes]:
    """Read what tells how a file was encrypted, for which no passphrase is needed.

    Args:
        data: The whole file.
        source: What errors call the file.

    Returns:
        Salt, work factor, wrapped key and seal.

    Raises:
        InputError: It is not such a file.
    """
    match = _HEADER.match(data)
    if match is None:
        raise InputError(
            f"{source} is not a file that age encrypted with a passphrase",
            "name a back-up that certkit made",
        )
    if int(match[2]) > MAX_WORK_FACTOR:
        raise InputError(
            f"{source} asks for 2^{int(match[2])} rounds of scrypt, which is refused",
            "name a back-up that certkit made",
        )
    return match


def decrypt(data: bytes, passphrase: Secret, source: str) -> bytes:
    """Decrypt what `encrypt` or age made with a passphrase; nothing unproven is returned.

    Args:
        data: The whole file.
        passphrase: With what.
        source: What errors call the file.

    Raises:
        InputError: It is not such a file, or it is damaged.
        HomeError: The passphrase is wrong.
    """
    match = check_header(data, source)
    work_factor = int(match[2])
    damaged = InputError(f"{source} is damaged or cut short", "use another copy of the back-up")
    try:
        salt, wrapped, mac = (_unb64(match[number]) for number in (1, 3, 4))
    except binascii.Error:
        raise damaged from None
    try:
        file_key = ChaCha20Poly1305(_wrap_key(passphrase, salt, work_factor)).decrypt(
            bytes(12), wrapped, None
        )
    except InvalidTag:
        raise HomeError(
            f"the passphrase does not open {source}",
            "check --passphrase-file, CERTKIT_BACKUP_PASSPHRASE or what was typed",
        ) from None
    try:
        _mac(file_key, data[: match.start(4) - 1]).verify(mac)
        payload = data[match.end() :]
        if len(payload) < 16 + _TAG:
            raise damaged
        return _open_stream(_derive(file_key, payload[:16], b"payload"), payload[16:])
    except (InvalidSignature, InvalidTag):
        raise damaged from None


def _open_stream(key: bytes, body: bytes) -> bytes:
    stream, size = ChaCha20Poly1305(key), _CHUNK + _TAG
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    plain = [
        stream.decrypt(_nonce(number, number == len(chunks) - 1), chunk, None)
        for number, chunk in enumerate(chunks)
    ]
    if len(plain) > 1 and not plain[-1]:
        raise InvalidTag
    return b"".join(plain)


def _wrap_key(passphrase: Secret, salt: bytes, work_factor: int) -> bytes:
    kdf = Scrypt(_VERSION + b"/scrypt" + salt, 32, 1 << work_factor, 8, 1)
    return kdf.derive(passphrase.reveal().encode())


def _derive(key: bytes, salt: bytes | None, info: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt, info).derive(key)


def _mac(file_key: bytes, header: bytes) -> HMAC:
    mac = HMAC(_derive(file_key, None, b"header"), hashes.SHA256())
    mac.update(header)
    return mac


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _b64(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _unb64(text: bytes) -> bytes:
    data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    if _b64(data) != text:
        # Two spellings of the same bytes would be two headers under one seal.
        raise binascii.Error
    return data
