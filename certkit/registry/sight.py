"""What is served, as seen from one place: this machine, the registry's own host, any other host."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography import x509

from certkit.errors import ErrorKind, HostError
from certkit.fleet.report import Problem
from certkit.home.inspection.served import fetch_served
from certkit.inventory.model import Host
from certkit.names import RegistryReference
from certkit.pki.bundle import fingerprint
from certkit.pki.reading import load_certificate
from certkit.remote import deploy as phase
from certkit.remote.deployment import Endpoint
from certkit.transport.connection import Connection, Connector

HERE = "this machine"

_WAIT = 10.0
_POLL = 0.5

Fetch = Callable[[RegistryReference, tuple[str, int] | None], tuple[x509.Certificate, ...]]
"""Shakes hands and returns what was presented; for tests to replace."""


@dataclass(frozen=True)
class Sight:
    """What one place saw.

    Attributes:
        place: `HERE`, or a host's name.
        sha256: Of the leaf; empty when none was seen.
        chain: What was presented; from a host, the leaf alone; empty when only its fingerprint is
            known.
        problem: Why none was seen.
    """

    place: str
    sha256: str = ""
    chain: tuple[x509.Certificate, ...] = ()
    problem: Problem | None = None


def fetch(
    reference: RegistryReference, address: tuple[str, int] | None
) -> tuple[x509.Certificate, ...]:
    """Shake hands over the network; see `certkit.home.inspection.served.fetch_served`."""
    return fetch_served(reference, address=address)


def from_here(
    reference: RegistryReference,
    fallback: str = "",
    *,
    until: str = "",
    wait: float | None = None,
    fetcher: Fetch = fetch,
) -> Sight:
    """Look from this machine.

    Args:
        reference: The registry.
        fallback: An address of its host, for a name that only the fleet can resolve.
        until: The fingerprint that is waited for.
        wait: Seconds to wait for it; None for as long as a start may take to show.
        fetcher: How to shake hands.
    """
    deadline = time.monotonic() + ((_WAIT if wait is None else wait) if until else 0)
    while True:
        seen = _once(reference, fallback, fetcher)
        if seen.sha256 == until or time.monotonic() >= deadline:
            return seen
        if seen.problem is not None and seen.problem.kind not in _PASSING:
            return seen
        time.sleep(_POLL)


# A registry that has just been started may refuse for a moment.
_PASSING = (ErrorKind.REFUSED, ErrorKind.NOT_TLS, ErrorKind.NETWORK)


def _once(reference: RegistryReference, fallback: str, fetcher: Fetch) -> Sight:
    try:
        try:
            chain = fetcher(reference, None)
        except HostError as error:
            if error.kind is not ErrorKind.DNS or not fallback:
                raise
            chain = fetcher(reference, (fallback, reference.endpoint[1]))
    except HostError as error:
        return Sight(HERE, problem=Problem.of(error))
    return Sight(HERE, fingerprint(chain[0]), chain)


def from_host(connection: Connection, host: Host, endpoint: Endpoint) -> Sight:
    """Look from a host.

    Raises:
        HostError: The program did not run there.
    """
    exchange = phase.look(endpoint)
    seen = phase.decode_look(connection.run(exchange).stdout, exchange.nonce)
    if seen.sha256:
        chain: tuple[x509.Certificate, ...] = ()
        # The fingerprint was taken on the host; without the rest it is enough to compare.
        with contextlib.suppress(ValueError):
            chain = (load_certificate(seen.leaf),)
        return Sight(host.name, seen.sha256, chain)
    if not seen.able:
        return Sight(
            host.name,
            problem=Problem(
                ErrorKind.SHELL, "has no openssl to look with", "install openssl there"
            ),
        )
    said = f": {seen.text}" if seen.text else ""
    return Sight(
        host.name,
        problem=Problem(
            ErrorKind.REFUSED,
            f"sees no certificate at {_shown(endpoint)}{said}",
            "is the registry running, and reachable from there?",
        ),
    )


def watch(
    connection: Connection,
    host: Host,
    endpoint: Endpoint,
    *,
    until: str = "",
    wait: float | None = None,
) -> Sight:
    """Look from a host, again and again while another certificate than `until` is seen.

    Raises:
        HostError: The program did not run there.
    """
    deadline = time.monotonic() + ((_WAIT if wait is None else wait) if until else 0)
    seen = from_host(connection, host, endpoint)
    while seen.sha256 not in ("", until) and time.monotonic() < deadline:
        time.sleep(_POLL)
        seen = from_host(connection, host, endpoint)
    return seen


def from_hosts(
    hosts: Sequence[Host],
    reference: RegistryReference,
    connector: Connector,
    *,
    until: str = "",
    wait: float | None = None,
) -> list[Sight]:
    """Look from some hosts, one after the other, by the name they pull from.

    Args:
        hosts: Where from.
        reference: The registry.
        connector: Opens connections; the caller closes it.
        until: The fingerprint that is waited for, where another one is seen: a proxy that reloads
            may go on for a moment with what it had.
        wait: Seconds to wait for it on each host; None as above.
    """
    endpoint = Endpoint(reference.endpoint, reference)
    sights = []
    for host in hosts:
        try:
            connection = connector.connect(host)
            try:
                sights.append(watch(connection, host, endpoint, until=until, wait=wait))
            finally:
                connection.close()
        except HostError as error:
            sights.append(Sight(host.name, problem=Problem.of(error)))
    return sights


def _shown(endpoint: Endpoint) -> str:
    host, port = endpoint.connect
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
