"""From bytes to a login: greeting, key exchange, host key, authentication, each bounded."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from certkit.errors import ErrorKind, HostError
from certkit.inventory.model import Host
from certkit.transport import faults
from certkit.transport.client import Client
from certkit.transport.hostkeys.certificate import blob_type
from certkit.transport.hostkeys.policy import HostKeys
from certkit.transport.identities import Offers
from certkit.transport.links import Link
from certkit.transport.login import LinkLostError, log_in
from certkit.transport.watchdog import Lease, Watchdog
from certkit.transport.without_invoke import paramiko

_GREETING = "its SSH greeting"
_LOGIN = "the login"


def wait_for_greeting(link: Link, host: Host, dog: Watchdog) -> None:
    """Return once the server has begun to greet, within ``host.timeouts.handshake`` seconds.

    What it said is kept for `open_client`.

    Raises:
        HostError: ``refused`` or ``timeout``.
    """
    greeted = False
    # A reset says no more than an end.
    with dog.lease(host.timeouts.handshake, link.cut) as lease, contextlib.suppress(OSError):
        greeted = link.await_data()
    if lease.cut_off:
        raise faults.interrupted()
    if lease.fired:
        raise _too_late(host, _GREETING)
    if not greeted:
        raise faults.greeting(host.endpoint, b"")


def open_client(
    link: Link, host: Host, offers: Offers, host_keys: HostKeys, dog: Watchdog
) -> Client:
    """Return a logged-in connection over `link`, which is closed when that fails.

    The host key is checked before anything of ours is signed or sent. All of it together may
    take ``host.timeouts.handshake`` seconds.

    Raises:
        HostError: ``refused``, ``timeout``, ``network``, ``host_key`` or ``auth``.
    """
    client = Client(link, host_keys.algorithms(host))
    try:
        with dog.lease(host.timeouts.handshake, link.cut) as lease:
            _exchange_keys(client, host, host_keys, lease)
            host_keys.check(host, _presented(client))
            try:
                log_in(client, host, offers)
            except LinkLostError as error:
                raise _lost_at_login(host, lease, error) from error
        if lease.fired:
            raise _too_late(host, _LOGIN)
    except BaseException:
        close_client(client)
        raise
    return client


def close_client(client: Client) -> None:
    """Close a connection whether or not it came to be; never blocks."""
    client.close()
    client.link.close()


def wait_for(event: threading.Event, client: paramiko.Transport) -> None:
    """Wait for an event of `client`'s, or for its end; a lease bounds this."""
    while not event.wait(0.5):
        if not client.is_active():
            return


def _exchange_keys(client: Client, host: Host, host_keys: HostKeys, lease: Lease) -> None:
    done = threading.Event()
    client.start_client(event=done)
    wait_for(done, client)
    if client.is_active() and client.initial_kex_done:
        return
    error = client.get_exception()
    if lease.cut_off:
        raise faults.interrupted()
    if lease.fired:
        raise _too_late(host, "its key exchange" if client.remote_version else _GREETING)
    text = str(error or "")
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        if "host key" in text:
            raise host_keys.no_common_algorithm(host, "no host key type in common")
        raise faults.unreachable(
            ErrorKind.NETWORK,
            f"speaks no SSH that certkit accepts: {text}",
            "its sshd is too old or too restricted: it needs curve25519, ecdh-sha2-nistp256 or "
            "group14-sha256, and AES-GCM or AES-CTR with SHA-2",
            retryable=False,
        )
    if not client.remote_version:
        raise faults.greeting(host.endpoint, client.link.first_words)
    if text.startswith("Signature verification"):
        raise faults.unreachable(
            ErrorKind.HOST_KEY,
            "could not prove that the host key it showed is its own",
            "something else answers at this address: find out what before you go on",
            retryable=False,
        )
    if isinstance(error, ValueError | paramiko.SSHException):
        raise faults.unreachable(ErrorKind.NETWORK, f"broke the SSH key exchange: {text}")
    raise faults.unreachable(
        ErrorKind.REFUSED,
        "closed the connection during the key exchange"
        + (f" ({client.farewell})" if client.farewell else ""),
        "its sshd is busy (MaxStartups) or penalises this address (PerSourcePenalties)",
    )


def _presented(client: Client) -> bytes:
    """Return the host key or certificate whose possession the key exchange has proven."""
    key = client.get_remote_server_key()
    shown = getattr(key, "public_blob", None)
    if shown is not None and blob_type(shown.key_blob):
        return bytes(shown.key_blob)
    return key.asbytes()


def _lost_at_login(host: Host, lease: Lease, error: LinkLostError) -> HostError:
    if lease.cut_off:
        return faults.interrupted()
    if lease.fired:
        return _too_late(host, _LOGIN)
    return faults.LostAtLogin(
        ErrorKind.NETWORK,
        f"closed the connection during the login of {host.user}",
        retryable=True,
        unreachable=True,
    )


def _too_late(host: Host, step: str) -> HostError:
    kind = faults.LostAtLogin if step == _LOGIN else HostError
    return kind(
        ErrorKind.TIMEOUT,
        f"did not finish {step} within {host.timeouts.handshake:g} s",
        "the host is overloaded, or something on the way swallows SSH; `timeouts.handshake` in "
        "the inventory allows more",
        retryable=True,
        unreachable=True,
    )


def bounded(
    client: Client, dog: Watchdog, seconds: float, action: Callable[[], paramiko.Channel]
) -> paramiko.Channel:
    """Open a channel by `action` within `seconds`; the connection is lost if it takes longer.

    Raises:
        HostError: ``timeout`` or ``interrupted``.
        paramiko.SSHException: The server refuses.
        EOFError: The connection is lost.
    """
    with dog.lease(seconds, client.link.cut) as lease:
        try:
            return action()
        except (EOFError, OSError, paramiko.SSHException) as error:
            if lease.cut_off:
                raise faults.interrupted() from error
            if lease.fired:
                raise faults.unreachable(
                    ErrorKind.TIMEOUT, f"did not open a channel within {seconds:g} s"
                ) from error
            raise
