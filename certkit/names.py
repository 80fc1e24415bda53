"""The names a registry goes by: references as written in image names, and subject names.

Two kinds of text are accepted from people. A *registry reference* is what stands before the first
slash of an image name (``registry.lab:5000``); Docker and Podman use it byte for byte as the name
of the directory that holds the trust. A *subject name* is what goes into a certificate. Both are
parsed once, here, and everything after that carries the parsed value.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from typing import Literal, NoReturn

import idna

from certkit.errors import InputError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

DEFAULT_PORT = 443

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# What inet_aton, and so glibc, would read as a number: never a host name (WHATWG URL, 3.5).
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[1-9][0-9]{0,4}")


@dataclass(frozen=True, order=True)
class SubjectName:
    """One subject alternative name, normalised.

    Attributes:
        kind: ``dns`` or ``ip``, the GeneralName type it becomes (RFC 5280, 4.2.1.6).
        text: A lower-case A-label name, possibly starting with ``*.``, or an IP address as
            RFC 5952 writes it, without brackets.
    """

    kind: Literal["dns", "ip"]
    text: str

    @classmethod
    def parse(cls, text: str) -> SubjectName:
        """Read a DNS name, a wildcard, an internationalised name or an IP address.

        One trailing dot is dropped (no verifier accepts it in a certificate), brackets around an
        IPv6 address too; a wildcard is only accepted as the whole left label, over at least two
        labels, because OpenSSL matches no other.

        Args:
            text: What the user wrote.

        Returns:
            The normalised name.

        Raises:
            InputError: The text is not a name that every verifier accepts.
        """
        _refuse_unprintable(text, "name")
        _refuse_url(text, "name", keep_port=False)
        if text.startswith("[") and text.endswith("]"):
            return _parse_ipv6(text[1:-1], text, "name")
        if text.count(":") > 1:
            if text.startswith("["):
                _refuse_name_port(text)
            return _parse_ipv6(text, text, "name")
        if ":" in text:
            _refuse_name_port(text)
        bare = text[:-1] if text.endswith(".") else text
        if "*" not in bare:
            return _parse_host(bare, text, "name")
        if not bare.startswith("*.") or "*" in bare[1:]:
            _fail(text, "name", "has a * that is not its whole first label", "write *.example.com")
        base = _parse_host(bare[2:], text, "name")
        if base.kind == "ip" or "." not in base.text:
            _fail(
                text,
                "name",
                "is a wildcard over a single label, which OpenSSL never matches",
                "write a wildcard over at least two labels, such as *.example.com",
            )
        return cls("dns", f"*.{base.text}")

    @property
    def is_wildcard(self) -> bool:
        """Whether it covers every name one label below."""
        return self.text.startswith("*.")

    @property
    def address(self) -> IPAddress | None:
        """The address, or None for a DNS name."""
        return ipaddress.ip_address(self.text) if self.kind == "ip" else None

    @property
    def display(self) -> str:
        """The text for people: U-labels where there are A-labels."""
        return ".".join(_display_label(label) for label in self.text.split("."))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, order=True)
class RegistryReference:
    """A registry as image names write it: ``host``, ``host:port`` or ``[IPv6]:port``.

    The host is lower-cased and an IPv6 address compressed (RFC 5952). Docker looks the trust up
    under the reference byte for byte, so images must be named with the text shown here; Docker
    accepts upper case in image names, but then looks in a directory of that spelling.

    Attributes:
        written: The whole reference, normalised, as it stands in image names.
        host: The host alone: a DNS name (A-labels), an IPv4 address, or an IPv6 address without
            brackets.
        port: The port as written, or None.
    """

    written: str
    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> RegistryReference:
        """Read a registry reference, by the grammar of distribution/reference.

        An internationalised host becomes its A-label form, because image names hold ASCII only.

        Args:
            text: What the user wrote.

        Returns:
            The normalised reference.

        Raises:
            InputError: The text is not a reference that Docker would use, or not a host name that
                verifiers accept. Message and hint say which and what to write instead.
        """
        what = "registry"
        _refuse_unprintable(text, what)
        _refuse_url(text, what, keep_port=True)
        if text.startswith("["):
            inside, bracket, rest = text[1:].partition("]")
            if not bracket or (rest and not rest.startswith(":")):
                _fail(text, what, "has unbalanced brackets", "write [fd00::1]:5000")
            name = _parse_ipv6(inside, text, what)
            port = _parse_port(rest[1:], text) if rest else None
            host = f"[{name.text}]"
        else:
            if text.count(":") > 1:
                _fail(
                    text,
                    what,
                    "has more than one colon",
                    f"write an IPv6 address in brackets: [{text}]:5000"
                    if _is_ipv6(text)
                    else "write host:port, an IPv6 address in brackets: [fd00::1]:5000",
                )
            bare, colon, digits = text.partition(":")
            if bare.endswith("."):
                trimmed = bare.rstrip(".")
                _fail(
                    text,
                    what,
                    "ends with a dot, which image names cannot hold",
                    f"write {trimmed}{colon}{digits}" if trimmed else "",
                )
            if "*" in bare:
                _fail(
                    text,
                    what,
                    "is a wildcard, not one registry",
                    f"name the registry, and add the wildcard with --san {bare}",
                )
            name = _parse_host(bare, text, what)
            port = _parse_port(digits, text) if colon else None
            host = name.text
            if port is None and "." not in host and host != "localhost":
                _fail(
                    text,
                    what,
                    "has neither a dot nor a port, so Docker takes it for a repository on Docker "
                    "Hub",
                    f"add the port: {host}:5000",
                )
        return cls(host if port is None else f"{host}:{port}", name.text, port)

    @property
    def text(self) -> str:
        """The reference as image names and directories under certs.d have it."""
        return self.written

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host (no brackets) and TCP port to connect to; the port defaults to 443."""
        return self.host, DEFAULT_PORT if self.port is None else self.port

    @property
    def slug(self) -> str:
        """The directory name in the home, ``<host>_<port>``.

        Colons become underscores, which no accepted DNS name holds, so that no two endpoints
        share a slug.
        """
        host, port = self.endpoint
        return f"{host.replace(':', '_')}_{port}"

    @property
    def is_ip(self) -> bool:
        """Whether the host is an IP address."""
        return self.subject_name.kind == "ip"

    @property
    def is_loopback(self) -> bool:
        """Whether Docker treats it as insecure without being told: localhost, 127/8, ::1.

        A pull from such a registry proves nothing about trust.
        """
        address = self.subject_name.address
        if address is not None:
            return address.is_loopback
        return self.host == "localhost" or self.host.endswith(".localhost")

    @property
    def subject_name(self) -> SubjectName:
        """The host as a subject alternative name."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return SubjectName("dns", self.host)
        return SubjectName("ip", self.host)

    def __str__(self) -> str:
        return self.written


def _fail(text: str, what: str, why: str, hint: str = "") -> NoReturn:
    # Shortened and escaped: the text may be a megabyte, or move the cursor of a terminal.
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
    raise InputError(f"the {what} '{shown}' {why}", hint)


def _refuse_unprintable(text: str, what: str) -> None:
    if not text:
        raise InputError(f"the {what} is empty", "write host:port, such as registry.lab:5000")
    if any(c.isspace() or unicodedata.category(c).startswith("C") for c in text):
        _fail(text, what, "holds white space or control characters", "remove them")
    if text.startswith("-"):
        _fail(text, what, "starts with a dash", "a host name starts with a letter or a digit")


def _refuse_url(text: str, what: str, *, keep_port: bool) -> None:
    scheme, separator, rest = text.partition("://")
    if separator:
        plain = re.split(r"[/?#]", rest.rpartition("@")[2].lstrip("/"))[0]
        plain = plain if keep_port else plain.partition(":")[0]
        _fail(text, what, "has a scheme", f"write {plain} without {scheme}://" if plain else "")
    if "/" in text:
        head, _, tail = text.partition("/")
        if not keep_port and tail.isdigit():
            _fail(text, what, "is a network, not one name", f"widen with --permit {text}")
        _fail(text, what, "has a path", f"write {head} only" if head else "")


def _refuse_name_port(text: str) -> NoReturn:
    host = text.rpartition(":")[0].strip("[]")
    _fail(
        text,
        "name",
        "has a port, and certificates hold names only",
        f"write {host}" if host else "",
    )


def _parse_port(digits: str, text: str) -> int:
    if not _PORT.fullmatch(digits) or int(digits) > 65535:
        _fail(text, "registry", "has a bad port", "a port is a number from 1 to 65535")
    return int(digits)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _parse_ipv6(inside: str, text: str, what: str) -> SubjectName:
    if "%" in inside:
        plain = inside.partition("%")[0]
        _fail(
            text,
            what,
            "has a zone id, which means something on one machine only",
            f"write a routable address instead of {plain}%...",
        )
    try:
        address = ipaddress.IPv6Address(inside)
    except ValueError:
        _fail(text, what, "is not a valid IPv6 address", "write an address such as fd00::1")
    if address.ipv4_mapped is not None:
        # Verifiers disagree on whether it is IPv4 or IPv6, and constraints tell the two apart.
        _fail(text, what, "is an IPv4 address in IPv6 clothes", f"write {address.ipv4_mapped}")
    return SubjectName("ip", str(address))


def _parse_host(bare: str, text: str, what: str) -> SubjectName:
    """Read a DNS name or an IPv4 address that has neither port nor wildcard."""
    name = bare.lower()
    if not name.isascii() or any(label.startswith("xn--") for label in name.split(".")):
        try:
            name = idna.encode(name, uts46=True, std3_rules=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            _fail(text, what, "is not a valid internationalised name (IDNA 2008)", "check it")
    try:
        return SubjectName("ip", str(ipaddress.IPv4Address(name)))
    except ValueError:
        pass
    if "_" in name:
        _fail(
            text,
            what,
            "has an underscore, which host names cannot hold and strict verifiers refuse",
            f"give the machine a second name: {name.replace('_', '-')}",
        )
    labels = name.split(".")
    if not name:
        _fail(text, what, "has no host", "write host:port, such as registry.lab:5000")
    if not all(labels):
        _fail(text, what, "has an empty label", "write the name without stray dots")
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        _fail(text, what, "is all numbers but not a valid IPv4 address", "check the four numbers")
    if len(name) > 253 or any(len(label) > 63 for label in labels):
        _fail(text, what, "is too long", "a label has at most 63 characters, a name at most 253")
    for label in labels:
        if label.startswith("-") or label.endswith("-"):
            _fail(text, what, "has a label that starts or ends with a dash", "remove the dash")
        if not _LABEL.fullmatch(label):
            _fail(
                text,
                what,
                "holds characters that host names cannot",
                "a host name has letters, digits, dashes and dots",
            )
    return SubjectName("dns", name)


def _display_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return idna.decode(label)
    except (idna.IDNAError, UnicodeError):
        return label
