"""The few DER values that an encrypted PKCS#8 key is made of (X.690)."""

from __future__ import annotations

from dataclasses import dataclass

SEQUENCE = 0x30
_INTEGER, _OCTETS, _NULL, _OID = 0x02, 0x04, 0x05, 0x06


@dataclass(frozen=True)
class Element:
    """One tag and its content."""

    tag: int
    content: bytes


def sequence(*parts: bytes) -> bytes:
    """A SEQUENCE of encoded values."""
    return _encode(SEQUENCE, b"".join(parts))


def octets(value: bytes) -> bytes:
    """An OCTET STRING."""
    return _encode(_OCTETS, value)


def integer(value: int) -> bytes:
    """A non-negative INTEGER."""
    return _encode(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def null() -> bytes:
    """NULL."""
    return _encode(_NULL, b"")


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = (int(part) for part in dotted.split("."))
    content = b""
    for value in (first * 40 + second, *rest):
        groups = [value & 0x7F]
        while value := value >> 7:
            groups.append(value & 0x7F | 0x80)
        content += bytes(reversed(groups))
    return _encode(_OID, content)


def only(data: bytes) -> Element:
    """Decode the one element that the data consists of.

    Raises:
        ValueError: There is none, more than one, or it is cut short.
    """
    (element,) = _elements(data)
    return element


def children(element: Element) -> list[Element]:
    """Decode the elements inside a SEQUENCE.

    Raises:
        ValueError: It is not a SEQUENCE, or is cut short.
    """
    if element.tag != SEQUENCE:
        raise ValueError("not a sequence")
    return _elements(element.content)


def read_integer(element: Element) -> int:
    """The value of an INTEGER.

    Raises:
        ValueError: It is something else.
    """
    if element.tag != _INTEGER:
        raise ValueError("not an integer")
    return int.from_bytes(element.content, "big", signed=True)


def read_oid(element: Element) -> str:
    """The dotted form of an OBJECT IDENTIFIER.

    Raises:
        ValueError: It is something else.
    """
    if element.tag != _OID or not element.content:
        raise ValueError("not an object identifier")
    values, value = [], 0
    for byte in element.content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            values.append(value)
            value = 0
    first = min(values[0] // 40, 2)
    return ".".join(str(part) for part in (first, values[0] - first * 40, *values[1:]))


def _encode(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _elements(data: bytes) -> list[Element]:
    found, at = [], 0
    while at < len(data):
        if at + 2 > len(data):
            raise ValueError("cut short")
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            width = size & 0x7F
            size = int.from_bytes(data[at : at + width], "big")
            at += width
        if at + size > len(data):
            raise ValueError("cut short")
        found.append(Element(tag, data[at : at + size]))
        at += size
    return found
