"""From a name to a connected socket, bounded: every address is tried, DNS hiccups are retried."""

from __future__ import annotations

import ipaddress
import random
import socket
import threading
import time
from typing import NamedTuple

from certkit.errors import HostError
from certkit.transport import faults
from certkit.transport.watchdog import Watchdog

_DNS_TRIES = 3


class Address(NamedTuple):
    """One result of a lookup, as socket.connect takes it."""

    family: int
    sockaddr: tuple[str, int] | tuple[str, int, int, int]


class _Lookup:
    def __init__(self) -> None:
        self.done = threading.Event()
        self.found: list[Address] = []
        self.error: socket.gaierror | None = None


def resolve(address: str, port: int, deadline: float, dog: Watchdog) -> list[Address]:
    """Look an address up, at most until `deadline` on the monotonic clock.

    Raises:
        HostError: ``dns``; retryable when the resolver had a hiccup, not when the name is wrong.
    """
    if _is_literal(address):
        return _getaddrinfo(address, port, socket.AI_NUMERICHOST)
    lookup = _Lookup()
    # getaddrinfo cannot be cut: with a dead resolver it takes half a minute. Its thread is left
    # to end by itself.
    worker = threading.Thread(
        target=_look_up, args=(lookup, address, port, deadline), name="certkit-dns", daemon=True
    )
    worker.start()
    while not lookup.done.wait(max(0.0, min(0.25, deadline - time.monotonic()))):
        if dog.aborted:
            raise faults.interrupted()
        if time.monotonic() >= deadline:
            raise faults.dns(address, socket.gaierror(socket.EAI_AGAIN, "no answer in time"))
    worker.join(1)
    if lookup.error is not None:
        raise faults.dns(address, lookup.error)
    return lookup.found


def dial(addresses: list[Address], endpoint: str, seconds: float, dog: Watchdog) -> socket.socket:
    """Connect to the first address that answers; each gets its share of what time is left.

    Args:
        addresses: The results of `resolve`, in their order.
        endpoint: How the target is called in messages.
        seconds: For all addresses together.
        dog: Cuts the attempt when the run is aborted.

    Raises:
        HostError: ``refused``, ``timeout`` or ``network``, for the most telling address.
    """
    deadline = time.monotonic() + seconds
    errors: list[OSError] = []
    for number, address in enumerate(addresses):
        share = (deadline - time.monotonic()) / (len(addresses) - number)
        if share <= 0:
            break
        try:
            return _connect(address, share, dog)
        except OSError as error:
            errors.append(error)
        if dog.aborted:
            raise faults.interrupted()
    raise faults.connect(endpoint, min(errors, key=_telling, default=TimeoutError()))


def _connect(address: Address, seconds: float, dog: Watchdog) -> socket.socket:
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        with dog.lease(seconds + 1, lambda: sock.shutdown(socket.SHUT_RDWR)):
            sock.connect(address.sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock


def _telling(error: OSError) -> int:
    """Order errors: a refusal says more than silence, silence more than a missing route."""
    if isinstance(error, ConnectionRefusedError):
        return 0
    return 1 if isinstance(error, TimeoutError) else 2


def _is_literal(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _getaddrinfo(address: str, port: int, flags: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=flags)
    except socket.gaierror as error:
        raise faults.dns(address, error) from error
    return [Address(family, sockaddr) for family, _, _, _, sockaddr in found]  # type: ignore[arg-type]


def _look_up(lookup: _Lookup, address: str, port: int, deadline: float) -> None:
    for attempt in range(_DNS_TRIES):
        try:
            lookup.found = _getaddrinfo(address, port, 0)
            lookup.error = None
            break
        except HostError as error:
            cause = error.__cause__
            lookup.error = (
                cause if isinstance(cause, socket.gaierror) else socket.gaierror(str(error))
            )
            if lookup.error.errno != socket.EAI_AGAIN or time.monotonic() >= deadline:
                break
            time.sleep(random.uniform(0.1, 0.3) * 2**attempt)
        except UnicodeError as error:
            lookup.error = socket.gaierror(socket.EAI_NONAME, f"not a host name: {error}")
            break
    lookup.done.set()
