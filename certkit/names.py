"""The names a registry goes by: references as written in image names, and subject names.

Two kinds of text are accepted from people. A *registry reference* is what stands before the first
slash of an image name (``registry.lab:5000``); Docker and Podman use it byte for byte as the name
of the directory that holds the trust. A *subject name* is what goes into a certificate. Both are
parsed once, here, and everything after that carries the parsed value.
"""

from __future__ import annotations

import ipaddress
from typing import Literal, NamedTuple

from certkit.hostnames import (
    display_label,
    fail,
    is_ipv6,
    parse_host,
    parse_ipv6,
    parse_port,
    refuse_name_port,
    refuse_unprintable,
    refuse_url,
)

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

DEFAULT_PORT = 443


class SubjectName(NamedTuple):
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
        refuse_unprintable(text, "name")
        refuse_url(text, "name", keep_port=False)
        if text.startswith("[") and text.endswith("]"):
            return cls(*parse_ipv6(text[1:-1], text, "name"))
        if text.count(":") > 1:
            if text.startswith("["):
                refuse_name_port(text)
            return cls(*parse_ipv6(text, text, "name"))
        if ":" in text:
            refuse_name_port(text)
        bare = text[:-1] if text.endswith(".") else text
        if "*" not in bare:
            return cls(*parse_host(bare, text, "name"))
        if not bare.startswith("*.") or "*" in bare[1:]:
            fail(text, "name", "has a * that is not its whole first label", "write *.example.com")
        kind, base = parse_host(bare[2:], text, "name")
        if kind == "ip" or "." not in base:
            fail(
                text,
                "name",
                "is a wildcard over a single label, which OpenSSL never matches",
                "write a wildcard over at least two labels, such as *.example.com",
            )
        return cls("dns", f"*.{base}")

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
        return ".".join(display_label(label) for label in self.text.split("."))

    def __str__(self) -> str:
        return self.text


class RegistryReference(NamedTuple):
    """A registry as image names write it: ``host``, ``host:port`` or ``[IPv6]:port``.

    An IPv6 address is compressed (RFC 5952). Docker looks the trust up under the reference byte
    for byte and accepts upper case in image names, so capital letters are refused: the one host
    would have as many directories as spellings.

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
        refuse_unprintable(text, what)
        refuse_url(text, what, keep_port=True)
        if text.startswith("["):
            inside, bracket, rest = text[1:].partition("]")
            if not bracket or (rest and not rest.startswith(":")):
                fail(text, what, "has unbalanced brackets", "write [fd00::1]:5000")
            _, name = parse_ipv6(inside, text, what)
            port = parse_port(rest[1:], text) if rest else None
            host = f"[{name}]"
        else:
            if text.count(":") > 1:
                fail(
                    text,
                    what,
                    "has more than one colon",
                    f"write an IPv6 address in brackets: [{text}]:5000"
                    if is_ipv6(text)
                    else "write host:port, an IPv6 address in brackets: [fd00::1]:5000",
                )
            bare, colon, digits = text.partition(":")
            if bare.endswith("."):
                trimmed = bare.rstrip(".")
                fail(
                    text,
                    what,
                    "ends with a dot, which image names cannot hold",
                    f"write {trimmed}{colon}{digits}" if trimmed else "",
                )
            if bare.isascii() and bare != bare.lower():
                fail(
                    text,
                    what,
                    "has capital letters, and Docker would take each spelling for another registry",
                    f"write {text.lower()}, and name images so",
                )
            if "*" in bare:
                fail(
                    text,
                    what,
                    "is a wildcard, not one registry",
                    f"name the registry, and add the wildcard with --san {bare}",
                )
            _, name = parse_host(bare, text, what)
            port = parse_port(digits, text) if colon else None
            host = name
            if port is None and "." not in host and host != "localhost":
                fail(
                    text,
                    what,
                    "has neither a dot nor a port, so Docker takes it for a repository on Docker "
                    "Hub",
                    f"add the port: {host}:5000",
                )
        return cls(host if port is None else f"{host}:{port}", name, port)

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
