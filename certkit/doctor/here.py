"""What this machine sees of a registry: its name, its port, its certificate. The only I/O here."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509

from certkit.errors import ErrorKind, HostError
from certkit.home.inspection.served import fetch_served
from certkit.names import RegistryReference

TIMEOUT = 10.0
"""For the name, and then for the handshake, in seconds."""


@dataclass(frozen=True)
class View:
    """A registry, as seen from here.

    Attributes:
        addresses: Of its name; empty when it does not resolve.
        chain: What it serves; empty when it serves nothing over TLS.
        error: Why not; None when it does.
        http: The first line of its answer to plain HTTP, where it gives one.
        proxy: HTTPS_PROXY of this environment.
        no_proxy: NO_PROXY of this environment.
    """

    addresses: tuple[str, ...]
    chain: tuple[x509.Certificate, ...] = ()
    error: HostError | None = None
    http: str = ""
    proxy: str = ""
    no_proxy: str = ""


def look(reference: RegistryReference, environment: Mapping[str, str] | None = None) -> View:
    """Look at a registry from this machine, without any proxy.

    Args:
        reference: Which.
        environment: Where proxy variables are; None for the process's own.
    """
    environment = os.environ if environment is None else environment
    proxy = environment.get("HTTPS_PROXY") or environment.get("https_proxy") or ""
    no_proxy = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    addresses = resolve(reference.host)
    if not addresses:
        message = f"{reference.host} does not resolve"
        error = HostError(ErrorKind.DNS, message, "check the spelling")
        return View((), error=error, proxy=proxy, no_proxy=no_proxy)
    try:
        chain = fetch_served(reference, TIMEOUT)
    except HostError as error:
        http = _plain_http(reference) if error.kind is ErrorKind.NOT_TLS else ""
        return View(addresses, error=error, http=http, proxy=proxy, no_proxy=no_proxy)
    return View(addresses, chain, proxy=proxy, no_proxy=no_proxy)


def resolve(host: str) -> tuple[str, ...]:
    """Return the addresses of a name, sorted; empty when there are none in time."""
    found: set[str] = set()

    def run() -> None:
        try:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        found.update(str(answer[4][0]) for answer in answers)

    # A name lookup cannot be bounded in any other way.
    thread = threading.Thread(target=run, name="certkit-resolve", daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    return tuple(sorted(found.copy()))


def _plain_http(reference: RegistryReference) -> str:
    """Ask over plain HTTP; return the status line, or nothing."""
    try:
        with socket.create_connection(reference.endpoint, TIMEOUT) as plain:
            plain.sendall(b"GET /v2/ HTTP/1.0\r\nHost: registry\r\n\r\n")
            line = plain.recv(200).split(b"\r\n", 1)[0]
    except OSError:
        return ""
    return line.decode("ascii", "replace") if line.startswith(b"HTTP/") else ""
