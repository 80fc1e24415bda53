"""The texts inside names: hosts, ports and addresses, refused with a reason and a cure."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Literal, NoReturn

import idna

from certkit.errors import InputError

ParsedHost = tuple[Literal["dns", "ip"], str]
"""The kind of a host and its normal form."""

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# What inet_aton, and so glibc, would read as a number: never a host name (WHATWG URL, 3.5).
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[1-9][0-9]{0,4}")


def fail(text: str, what: str, why: str, hint: str = "") -> NoReturn:
    """Raise the error for a name, shown shortened and escaped: it may move the cursor."""
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
    raise InputError(f"the {what} '{shown}' {why}", hint)


def refuse_unprintable(text: str, what: str) -> None:
    """Refuse what is empty, starts with a dash, or holds white space or control characters."""
    if not text:
        raise InputError(f"the {what} is empty", "write host:port, such as registry.lab:5000")
    if any("\ud800" <= c <= "\udfff" for c in text):  # how Python keeps bytes that are no text
        fail(text, what, "is not UTF-8 text", "write it anew in letters, digits, dots and dashes")
    if any(c.isspace() or unicodedata.category(c).startswith("C") for c in text):
        fail(text, what, "holds white space or control characters", "remove them")
    if text.startswith("-"):
        fail(text, what, "starts with a dash", "a host name starts with a letter or a digit")


def refuse_url(text: str, what: str, *, keep_port: bool) -> None:
    """Refuse a scheme, a path or a network; the hint keeps the port or not."""
    scheme, separator, rest = text.partition("://")
    if separator:
        plain = re.split(r"[/?#]", rest.rpartition("@")[2].lstrip("/"))[0]
        plain = plain if keep_port else plain.partition(":")[0]
        fail(text, what, "has a scheme", f"write {plain} without {scheme}://" if plain else "")
    if "/" in text:
        head, _, tail = text.partition("/")
        if not keep_port and tail.isdigit():
            fail(text, what, "is a network, not one name", f"widen with --permit {text}")
        fail(text, what, "has a path", f"write {head} only" if head else "")


def refuse_name_port(text: str) -> NoReturn:
    """Refuse a port where a certificate's name belongs."""
    host = text.rpartition(":")[0].strip("[]")
    fail(
        text,
        "name",
        "has a port, and certificates hold names only",
        f"write {host}" if host else "",
    )


def parse_port(digits: str, text: str) -> int:
    """Read a TCP port, 1 to 65535, without leading zeros."""
    if not _PORT.fullmatch(digits) or int(digits) > 65535:
        fail(text, "registry", "has a bad port", "a port is a number from 1 to 65535")
    return int(digits)


def is_ipv6(text: str) -> bool:
    """Whether the text is an IPv6 address."""
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def parse_ipv6(inside: str, text: str, what: str) -> ParsedHost:
    """Read an IPv6 address without brackets; zone ids and IPv4-mapped ones are refused."""
    if "%" in inside:
        plain = inside.partition("%")[0]
        fail(
            text,
            what,
            "has a zone id, which means something on one machine only",
            f"write a routable address instead of {plain}%...",
        )
    try:
        address = ipaddress.IPv6Address(inside)
    except ValueError:
        fail(text, what, "is not a valid IPv6 address", "write an address such as fd00::1")
    if address.ipv4_mapped is not None:
        # Verifiers disagree on whether it is IPv4 or IPv6, and constraints tell the two apart.
        fail(text, what, "is an IPv4 address in IPv6 clothes", f"write {address.ipv4_mapped}")
    return "ip", str(address)


def parse_host(bare: str, text: str, what: str) -> ParsedHost:
    """Read a DNS name or an IPv4 address that has neither port nor wildcard."""
    name = bare.lower()
    if not name.isascii() or any(label.startswith("xn--") for label in name.split(".")):
        try:
            name = idna.encode(name, uts46=True, std3_rules=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            fail(text, what, "is not a valid internationalised name (IDNA 2008)", "check it")
    try:
        return "ip", str(ipaddress.IPv4Address(name))
    except ValueError:
        pass
    if "_" in name:
        fail(
            text,
            what,
            "has an underscore, which host names cannot hold and strict verifiers refuse",
            f"give the machine a second name: {name.replace('_', '-')}",
        )
    labels = name.split(".")
    if not name:
        fail(text, what, "has no host", "write host:port, such as registry.lab:5000")
    if not all(labels):
        fail(text, what, "has an empty label", "write the name without stray dots")
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        fail(text, what, "is all numbers but not a valid IPv4 address", "check the four numbers")
    if len(name) > 253 or any(len(label) > 63 for label in labels):
        fail(text, what, "is too long", "a label has at most 63 characters, a name at most 253")
    for label in labels:
        if label.startswith("-") or label.endswith("-"):
            fail(text, what, "has a label that starts or ends with a dash", "remove the dash")
        if not _LABEL.fullmatch(label):
            fail(
                text,
                what,
                "holds characters that host names cannot",
                "a host name has letters, digits, dashes and dots",
            )
    return "dns", name


def display_label(label: str) -> str:
    """The U-label of an A-label; anything else as it is."""
    if not label.startswith("xn--"):
        return label
    try:
        return idna.decode(label)
    except (idna.IDNAError, UnicodeError):
        return label
