"""Jump hosts: one connection each, shared by all hosts behind it.

sshd counts sessions, not forwarded connections, against MaxSessions, and counts new connections
against MaxStartups; sixty separate ones made a default sshd drop eighteen. A bastion that failed
is not tried again for the next host: a thousand refused logins would lock the account there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from certkit.errors import ErrorKind, HostError
from certkit.inventory.model import Host
from certkit.transport import faults
from certkit.transport.client import Client
from certkit.transport.handshake import bounded, close_client
from certkit.transport.links import ChannelLink
from certkit.transport.watchdog import Watchdog
from certkit.transport.without_invoke import paramiko

# Seconds before a bastion that could not be reached is tried again, twice as many after each
# failure. At first it must be no longer than a host waits for its own next try, which would
# otherwise be told of the same failure again.
_PAUSE, _PAUSE_AT_MOST = 0.5, 5.0

OpenClient = Callable[[Host, tuple[Host, ...]], Client]


class _Shared:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.client: Client | None = None
        self.failure: HostError | None = None
        self.failed_at = 0.0
        self.pause = 0.0


class Bastions:
    """The shared connections of a run, by the whole way to each.

    Args:
        open_client: Connects to a host by way of the hops before it.
        dog: Bounds the opening of channels.
    """

    def __init__(self, open_client: OpenClient, dog: Watchdog) -> None:
        self._open_client = open_client
        self._dog = dog
        self._shared: dict[tuple[Host, ...], _Shared] = {}
        self._lock = threading.Lock()

    def ready(self, hops: tuple[Host, ...]) -> None:
        """Connect to the last of `hops` unless that is done; only one thread does.

        Raises:
            HostError: The bastion fails; its name is in the message.
        """
        self._client(hops)

    def link(self, host: Host, hops: tuple[Host, ...]) -> ChannelLink:
        """Open a channel to `host` through the last of `hops`.

        Raises:
            HostError: The bastion fails (its name is in the message), or cannot reach the host.
        """
        bastion = hops[-1]
        client = self._client(hops)
        try:
            channel = bounded(
                client,
                self._dog,
                # Beyond what the host may take, so that it is the bastion which is at fault.
                host.timeouts.connect + 1,
                lambda: client.open_channel(
                    "direct-tcpip",
                    (host.address, host.port),
                    ("127.0.0.1", 0),
                    timeout=host.timeouts.connect,
                ),
            )
        except (EOFError, OSError, paramiko.SSHException) as error:
            raise _cannot_forward(host, bastion, error) from error
        return ChannelLink(channel, host.address)

    def close(self) -> None:
        """Close all of them, the farthest first."""
        with self._lock:
            ways = sorted(self._shared, key=len, reverse=True)
            clients = [self._shared[way].client for way in ways]
            self._shared.clear()
        for client in clients:
            if client is not None:
                close_client(client)

    def _client(self, hops: tuple[Host, ...]) -> Client:
        with self._lock:
            shared = self._shared.setdefault(hops, _Shared())
        with shared.lock:
            if shared.client is not None and shared.client.is_active():
                return shared.client
            early = time.monotonic() - shared.failed_at < shared.pause
            if shared.failure is not None and (early or not shared.failure.retryable):
                raise shared.failure
            try:
                shared.client = self._open_client(hops[-1], hops[:-1])
            except HostError as error:
                shared.failure = _through(hops[-1], error)
                shared.failed_at = time.monotonic()
                shared.pause = min(max(_PAUSE, 2 * shared.pause), _PAUSE_AT_MOST)
                raise shared.failure from error
            shared.failure, shared.pause = None, 0.0
            return shared.client


def _through(bastion: Host, error: HostError) -> HostError:
    """Return a bastion's failure as that of a host behind it; of the same class."""
    return type(error)(
        error.kind,
        f"is behind {bastion.name}, which {error.message}",
        error.hint,
        retryable=error.retryable,
        unreachable=True,
    )


def _cannot_forward(host: Host, bastion: Host, error: Exception) -> HostError:
    code = error.code if isinstance(error, paramiko.ChannelException) else 0
    if code == 1:
        return faults.unreachable(
            ErrorKind.NETWORK,
            f"is behind {bastion.name}, which forbids forwarding to {host.endpoint}",
            f"allow it in {bastion.name}'s sshd_config: AllowTcpForwarding, PermitOpen",
            retryable=False,
        )
    if code == 4:
        return faults.unreachable(
            ErrorKind.REFUSED,
            f"is behind {bastion.name}, which has no room for another connection",
            "lower `--parallel`, or allow more there",
        )
    if isinstance(error, EOFError):
        return faults.unreachable(
            ErrorKind.NETWORK, f"is behind {bastion.name}, whose connection was lost"
        )
    if "Timeout" in str(error):
        return faults.unreachable(
            ErrorKind.TIMEOUT,
            f"does not answer {bastion.name} on {host.endpoint}",
            "is it up, and does a firewall let port and address through?",
        )
    return faults.unreachable(
        ErrorKind.REFUSED,
        f"cannot be reached from {bastion.name} on {host.endpoint} ({error})",
        f"is sshd running there, and does {bastion.name} know its name?",
    )
