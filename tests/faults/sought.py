"""What a secret may look like where it must not be: as it is, in hex, base64, and as a number."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

# What tools put between the letters of hex and base64.
_BETWEEN = b" \t\r\n:"
# How long a line is in each format of a key; in OpenSSH's own as ssh-keygen writes it.
_WIDTHS = {
    PrivateFormat.PKCS8: 64,
    PrivateFormat.TraditionalOpenSSL: 64,
    PrivateFormat.OpenSSH: 70,
}


@dataclass(frozen=True)
class Key:
    """What gives a private key away.

    Attributes:
        plain: The key itself, whoever wrote it down in whatever format.
        stored: The file that it was found in, which may be encrypted.
    """

    plain: frozenset[bytes]
    stored: frozenset[bytes]

    @property
    def traces(self) -> frozenset[bytes]:
        return self.plain | self.stored


def password(text: str) -> frozenset[bytes]:
    """All that gives a password away."""
    return frozenset(_forms(text.encode()))


def key(pem: bytes, passphrase: str | None = None) -> Key:
    """All that gives a private key away.

    Args:
        pem: The file: PKCS#8, or OpenSSH's own format.
        passphrase: What opens it, where it is encrypted.
    """
    load = load_ssh_private_key if b"OPENSSH" in pem else load_pem_private_key
    private: Any = load(pem, passphrase.encode() if passphrase else None)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        number = private.private_numbers().private_value
        scalar = number.to_bytes((private.key_size + 7) // 8, "big")
        # As a number it loses the zeros in front.
        pieces = [scalar, b"%d" % number, b"%x" % number]
    else:
        scalar = private.private_bytes_raw()
        pieces = [scalar]
    # Of text it is a line that is coded once more.
    for format_, width in _WIDTHS.items():
        with suppress(ValueError):
            text = private.private_bytes(Encoding.PEM, format_, NoEncryption())
            pieces += _lines(text, scalar, width)
    return Key(
        frozenset(form for piece in pieces for form in _forms(piece)),
        # The first line of a format is much the same in every file.
        frozenset(_forms(pem.splitlines()[2])),
    )


def seen(traces: Iterable[bytes], where: bytes) -> bool:
    """Whether any of them is there."""
    closed_up = where.translate(None, _BETWEEN)
    return any(trace in where or trace in closed_up for trace in traces)


def _lines(pem: bytes, scalar: bytes, width: int) -> list[bytes]:
    """The lines that hold a part of it; in others is the public half, as in certificates."""
    letters = b"".join(pem.splitlines()[1:-1])
    at = base64.b64decode(letters).index(scalar)
    first, last = (byte * 8 // 6 // width for byte in (at, at + len(scalar) - 1))
    return [letters[line * width : (line + 1) * width] for line in range(first, last + 1)]


def _forms(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for before in range(3):
        coded = base64.b64encode(bytes(before) + secret)
        # Only letters that are made of nothing else; base64 says 3 bytes by 4 letters.
        mine = coded[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
        yield mine
        yield mine.translate(bytes.maketrans(b"+/", b"-_"))
