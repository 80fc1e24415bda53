"""SSH connections: one socket, one login, one channel for each exchange."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

from certkit.errors import ErrorKind, HostError
from certkit.inventory.model import Host
from certkit.remote.exchange import Exchange
from certkit.transport import faults
from certkit.transport.agent import Agents
from certkit.transport.bastions import Bastions
from certkit.transport.client import Client
from certkit.transport.connection import Answer, BeforeLogin
from certkit.transport.conversation import run_exchange
from certkit.transport.dial import dial, resolve
from certkit.transport.handshake import bounded, close_client, open_client, wait_for_greeting
from certkit.transport.hostkeys.policy import HostKeys
from certkit.transport.identities import Identities
from certkit.transport.keyfiles import KeyFiles
from certkit.transport.limits import HandshakeLimiter
from certkit.transport.links import Link, TcpLink
from certkit.transport.options import ConnectorOptions
from certkit.transport.privilege import Command
from certkit.transport.surroundings import allow_files, quieten, switch_seldom
from certkit.transport.watchdog import Lease, Watchdog
from certkit.transport.without_invoke import paramiko

_CHUNK = 64 * 1024
# Seconds that the exit status may follow the end of output.
_STATUS_SECONDS = 30.0
# How long a connection may wait for its login: sshd's LoginGraceTime is 120 s, and often cut to 30.
_UNUSED = 15.0
# Beyond an exchange's own limit, for a channel on which even sending blocks.
_GRACE = 5.0
# What any call on a channel may raise once its connection is gone.
_GONE = (EOFError, OSError, paramiko.SSHException)


class ChannelProcess:
    """A command in a session channel. Never a terminal: with one, a lost link kills it midway."""

    def __init__(self, client: Client, channel: paramiko.Channel) -> None:
        self._client = client
        self._channel = channel

    def send(self, data: bytes) -> None:
        """Write to its stdin; a process that no longer reads is no error."""
        self._channel.settimeout(None)
        view = data
        # The end of the channel shows when its output is read.
        with contextlib.suppress(*_GONE):
            while view:
                sent = self._channel.send(view)
                if sent == 0:
                    return
                view = view[sent:]

    def finish_input(self) -> None:
        """Close its stdin."""
        with contextlib.suppress(*_GONE):
            self._channel.shutdown_write()

    def wait(self, seconds: float) -> bool:
        """Wait for its end, at most `seconds`; return whether it came."""
        return self._channel.status_event.wait(seconds)

    def read(self, seconds: float) -> tuple[bytes, bytes] | None:
        """Return what came on stdout and stderr within `seconds`; None when both have ended."""
        channel = self._channel
        channel.settimeout(seconds)
        ended = False
        out = err = b""
        try:
            out = channel.recv(_CHUNK)
            ended = not out
        except TimeoutError:
            pass
        except _GONE:
            ended = True
        # Unread, it would fill the window that both streams share, and nothing would move.
        with contextlib.suppress(*_GONE):
            while channel.recv_stderr_ready() or ended:
                part = channel.recv_stderr(_CHUNK)
                if not part:
                    break
                err += part
        return None if ended and not err else (out, err)

    def status(self, seconds: float) -> int | None:
        """Return its exit status; None if the link was lost, or it was killed by a signal.

        Raises:
            TimeoutError: The link stands, and none came within `seconds`.
        """
        deadline = time.monotonic() + min(seconds, _STATUS_SECONDS)
        while not self._channel.status_event.wait(min(0.5, seconds)):
            if not self._client.is_active():
                return None
            if time.monotonic() > deadline:
                raise TimeoutError
        # sshd tells it before the end of the output: cut off in between, the answer is not whole.
        if not self._channel.eof_received and not self._client.is_active():
            return None
        status = self._channel.exit_status
        return status if status >= 0 else None


class SSHConnection:
    """A logged-in connection to one host."""

    def __init__(self, client: Client, host: Host, dog: Watchdog) -> None:
        self._client = client
        self._host = host
        self._dog = dog

    @property
    def peer(self) -> str:
        """The address that answered."""
        return self._client.link.peer

    def run(self, exchange: Exchange) -> Answer:
        """Run one exchange; see `certkit.transport.connection.Connection.run`."""
        return run_exchange(
            lambda command: self._start(command, exchange.limit),
            exchange,
            self._host.become,
            self._host.user,
        )

    def close(self) -> None:
        """Let go of the connection at once."""
        close_client(self._client)

    @contextlib.contextmanager
    def _start(self, command: Command, limit: float) -> Iterator[ChannelProcess]:
        channel = self._open_session()
        try:
            with self._dog.lease(limit + _GRACE, self._client.link.cut) as lease:
                self._exec(channel, command, lease, limit)
                yield ChannelProcess(self._client, channel)
                if lease.cut_off:
                    raise faults.interrupted()
                if lease.fired:
                    raise HostError(ErrorKind.TIMEOUT, f"did not finish within {limit:g} s")
        finally:
            with contextlib.suppress(*_GONE):
                channel.close()

    def _open_session(self) -> paramiko.Channel:
        seconds = self._host.timeouts.handshake
        try:
            return bounded(self._client, self._dog, seconds, lambda: self._client.open_session())
        except paramiko.ChannelException as error:
            raise HostError(
                ErrorKind.SHELL,
                f"refuses to open a session ({error.text})",
                "look at MaxSessions and at forced settings for this user in its sshd_config",
            ) from error
        except _GONE as error:
            raise _lost(self._client, "before anything was run") from error

    def _exec(
        self, channel: paramiko.Channel, command: Command, lease: Lease, limit: float
    ) -> None:
        try:
            channel.exec_command(command.line)
        except _GONE as error:
            if lease.cut_off:
                raise faults.interrupted() from error
            if lease.fired:
                raise HostError(
                    ErrorKind.TIMEOUT, f"did not start the command within {limit:g} s"
                ) from error
            # paramiko wakes this thread before it says that the connection is gone. To a server
            # that refuses, or closes the channel, it has said goodbye by then.
            if channel.eof_sent and self._client.is_active():
                raise HostError(
                    ErrorKind.SHELL,
                    "refuses to run commands",
                    "its sshd_config or a forced command allows this user something else only",
                ) from error
            raise _lost(self._client, "when the command was started") from error


class SSHConnector:
    """Connects to hosts over SSH; one for a run, shared by its threads.

    Args:
        options: For all connections.
        dog: Bounds every wait.
    """

    def __init__(self, options: ConnectorOptions, dog: Watchdog) -> None:
        self._dog = dog
        self._host_keys = HostKeys(options.known_hosts, options.host_key_policy)
        self._agents = Agents()
        self._identities = Identities(KeyFiles(options.passphrase_prompt), self._agents)
        self._limiter = HandshakeLimiter(options)
        # Their own, so that no login waits behind hosts which do not answer.
        self._dials = HandshakeLimiter(options)
        self._bastions = Bastions(self._open, dog)
        quieten(options.verbose)
        allow_files()
        switch_seldom()

    def connect(self, host: Host, before_login: BeforeLogin | None = None) -> SSHConnection:
        """Open a connection; see `certkit.transport.connection.Connector.connect`."""
        if before_login is None:
            client = self._open(host, host.jump)
        elif any(hop.password for hop in host.jump):
            # On the way there a password would be sent.
            before_login()
            client = self._open(host, host.jump)
        else:
            client = self._open_ahead(host, before_login)
        return SSHConnection(client, host, self._dog)

    def close(self) -> None:
        """Release bastions and agents."""
        self._bastions.close()
        self._agents.close()

    def _open(self, host: Host, hops: tuple[Host, ...]) -> Client:
        # First, because it may prompt, and nothing that has a deadline may wait for that.
        offers = self._identities.offers(host)
        with _room_for_threads(), self._link(host, hops, self._limiter) as link:
            return open_client(link, host, offers, self._host_keys, self._dog)

    def _open_ahead(self, host: Host, before_login: BeforeLogin) -> Client:
        """Connect, wait without holding a handshake's place, and log in."""
        offers = self._identities.offers(host)
        with _room_for_threads():
            with self._link(host, host.jump, self._dials) as link:
                try:
                    wait_for_greeting(link, host, self._dog)
                except BaseException:
                    link.close()
                    raise
            since = time.monotonic()
            try:
                before_login()
            except BaseException:
                link.close()
                raise
            if time.monotonic() - since > _UNUSED:
                link.close()
                return self._open(host, host.jump)
            try:
                with self._limiter.slot((host.jump, link.peer), host.jump or None):
                    self._refuse_if_aborted()
                    return open_client(link, host, offers, self._host_keys, self._dog)
            except BaseException:
                link.close()
                raise

    @contextlib.contextmanager
    def _link(
        self, host: Host, hops: tuple[Host, ...], limiter: HandshakeLimiter
    ) -> Iterator[Link]:
        """Hold a handshake's place, and connect."""
        if hops:
            # The bastion's own handshake is over before a place is taken for the one behind it.
            self._bastions.ready(hops)
            with limiter.slot((hops, host.address), hops):
                self._refuse_if_aborted()
                yield self._bastions.link(host, hops)
            return
        deadline = time.monotonic() + host.timeouts.connect
        addresses = resolve(host.address, host.port, deadline, self._dog)
        # Waiting for a place below is this side's doing, so it does not count.
        left = deadline - time.monotonic()
        with limiter.slot((hops, addresses[0].sockaddr[0]), None):
            self._refuse_if_aborted()
            sock = dial(addresses, host.endpoint, left, self._dog)
            yield _tcp_link(sock, host)

    def _refuse_if_aborted(self) -> None:
        if self._dog.aborted:
            raise faults.interrupted()


@contextlib.contextmanager
def _room_for_threads() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # threading: can't start new thread
        raise faults.unreachable(
            ErrorKind.INTERNAL,
            f"was not tried because this machine has no room for another thread ({error})",
            "lower `--parallel`, or raise `ulimit -u`",
        ) from error


def _tcp_link(sock: socket.socket, host: Host) -> TcpLink:
    try:
        return TcpLink(sock)
    except OSError as error:  # the peer reset it between connect and here
        sock.close()
        raise faults.greeting(host.endpoint, b"") from error


def _lost(client: Client, when: str) -> HostError:
    said = f" ({client.farewell})" if client.farewell else ""
    return HostError(
        ErrorKind.NETWORK, f"lost the connection {when}{said}", retryable=True, unreachable=True
    )
