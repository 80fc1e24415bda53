"""Servers that stall, break or lie at every step: the wait is bounded, the failure has a name."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

import paramiko
import pytest

from certkit.errors import ErrorKind, HostError
from certkit.fleet.talk import RemoteTalk
from certkit.inventory.model import Timeouts
from certkit.names import RegistryReference
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.state import RuntimeChoice
from certkit.transport import conversation, ssh
from certkit.transport.connection import Connector
from tests.ssh import stub
from tests.ssh.fickle import fickle_server
from tests.ssh.sshd import Sshd

NETWORK, REFUSED, TIMEOUT = ErrorKind.NETWORK, ErrorKind.REFUSED, ErrorKind.TIMEOUT
AUTH, HOST_KEY, SHELL = ErrorKind.AUTH, ErrorKind.HOST_KEY, ErrorKind.SHELL
STATE = desired_state([RegistryReference.parse("registry.lab:5000")], b"", RuntimeChoice())

pytestmark = pytest.mark.timeout(60)

# Seconds that a step has where the server never takes it, and where it goes wrong by itself, which
# a machine that is busy must not be too slow for.
SHORT, LONG = 2, 20
# Within which either is over: nobody waits for the bound of what went wrong.
SOON = 10


def bounds(kind: ErrorKind) -> Timeouts:
    return Timeouts(connect=LONG, handshake=SHORT if kind is TIMEOUT else LONG, host=60)


@pytest.mark.parametrize(
    ("mode", "kind", "retryable", "text"),
    [
        # The greeting.
        ("silent", TIMEOUT, True, "its SSH greeting within 2 s"),
        ("reset", REFUSED, True, "before its SSH greeting"),
        ("eof", REFUSED, True, "before its SSH greeting"),
        ("half a greeting", REFUSED, True, "SSH greeting"),
        ("busy", REFUSED, True, 'SSH greeting ("Exceeded MaxStartups")'),
        ("http", NETWORK, False, 'not as an SSH server ("HTTP/1.1 400 Bad Request")'),
        ("old", NETWORK, False, "no SSH that certkit accepts"),
        ("endless greeting", NETWORK, False, "not as an SSH server"),
        # KEXINIT.
        ("stall at KEXINIT", TIMEOUT, True, "its key exchange within 2 s"),
        ("reset at KEXINIT", REFUSED, True, "during the key exchange"),
        ("hang up at KEXINIT", REFUSED, True, "during the key exchange"),
        ("junk", NETWORK, True, "key exchange"),
        ("huge packet", NETWORK, True, "key exchange"),
        ("empty packet", NETWORK, True, "key exchange"),
        ("ancient kex", NETWORK, False, "no SSH that certkit accepts"),
        ("keys without an exchange", NETWORK, True, "broke the SSH key exchange"),
        ("success without keys", NETWORK, True, "broke the SSH key exchange"),
        # The host key.
        ("stall at host key", TIMEOUT, True, "its key exchange within 2 s"),
        ("reset at host key", REFUSED, True, "during the key exchange"),
        ("hang up at host key", REFUSED, True, "during the key exchange"),
        ("half a host key", NETWORK, True, "broke the SSH key exchange"),
        ("keys without a host key", NETWORK, True, "broke the SSH key exchange"),
        ("forged signature", HOST_KEY, False, "could not prove"),
        # The login.
        ("stall at auth", TIMEOUT, True, "the login within 2 s"),
        ("reset at auth", NETWORK, True, "during the login"),
        ("hang up at auth", NETWORK, True, "during the login"),
        ("question unasked", NETWORK, True, "during the login"),
        ("another service", TIMEOUT, True, "the login within 2 s"),
        ("endless banners", TIMEOUT, True, "the login within 2 s"),
        ("refuse", AUTH, False, "refused someone with"),
        ("second factor", AUTH, False, "wants another factor"),
    ],
)
def test_connect(
    tmp_path: Path,
    connector: Connector,
    tried: Counter[str],
    mode: str,
    kind: ErrorKind,
    retryable: bool,
    text: str,
) -> None:
    tried["servers"] += 1
    with fickle_server(tmp_path, mode) as server:
        started = time.monotonic()
        with pytest.raises(HostError) as caught:
            connector.connect(server.host_entry(timeouts=bounds(kind)))
        assert time.monotonic() - started < SOON
        server.wait_until_left()
    assert text in str(caught.value)
    assert caught.value.kind is kind
    assert caught.value.retryable is retryable
    assert caught.value.unreachable
    assert server.connections == 1


@pytest.mark.parametrize(
    ("mode", "kind", "retryable", "text"),
    [
        # The channel. Who was let in without a login gets none.
        ("success unasked", SHELL, False, "refuses to open a session"),
        ("stall at channel", TIMEOUT, True, "did not open a channel within 2 s"),
        ("reset at channel", NETWORK, True, "before anything was run"),
        ("hang up at channel", NETWORK, True, "before anything was run"),
        ("another channel", TIMEOUT, True, "did not open a channel within 2 s"),
        ("data for no channel", NETWORK, True, "before anything was run"),
        ("no channel", SHELL, False, "refuses to open a session"),
        # The command.
        ("reset at exec", NETWORK, True, "when the command was started"),
        ("hang up at exec", NETWORK, True, "when the command was started"),
        ("another command", NETWORK, True, "when the command was started"),
        ("closed in place of started", SHELL, False, "refuses to run commands"),
        ("no exec", SHELL, False, "refuses to run commands"),
        ("mute", TIMEOUT, False, "did not finish within 2 s"),
        ("never ends", TIMEOUT, False, "did not finish within 2 s"),
        # The exit status: whatever the server said before it, how the program ended is not known.
        ("stall at exit status", TIMEOUT, False, "did not finish within 2 s"),
        ("no status", TIMEOUT, True, "without telling its exit status"),
        ("reset at exit status", NETWORK, True, "before it had answered"),
        ("hang up at exit status", NETWORK, True, "before it had answered"),
        ("closed without status", NETWORK, True, "before it had answered"),
        ("another's status", NETWORK, True, "before it had answered"),
        ("killed", NETWORK, True, "before it had answered"),
    ],
)
def test_run(
    tmp_path: Path,
    connector: Connector,
    tried: Counter[str],
    mode: str,
    kind: ErrorKind,
    retryable: bool,
    text: str,
) -> None:
    tried["servers"] += 1
    with fickle_server(tmp_path, mode) as server:
        limits = bounds(kind)
        connection = connector.connect(server.host_entry(timeouts=limits))
        started = time.monotonic()
        with pytest.raises(HostError) as caught:
            RemoteTalk().survey(connection, STATE, limit=limits.handshake)
        connection.close()
        assert time.monotonic() - started < SOON
        server.wait_until_left()
    assert text in str(caught.value)
    assert caught.value.kind is kind
    assert caught.value.retryable is retryable


def test_a_connection_that_is_lost_is_no_refusal(
    tmp_path: Path, connector: Connector, tried: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though paramiko tells who waits for its channel before it tells anybody else."""
    unlink = paramiko.Channel._unlink

    def unlink_early(channel: paramiko.Channel) -> None:
        unlink(channel)
        time.sleep(0.5)

    monkeypatch.setattr(paramiko.Channel, "_unlink", unlink_early)
    tried["servers"] += 1
    with fickle_server(tmp_path, "reset at exec") as server:
        connection = connector.connect(server.host_entry())
        with pytest.raises(HostError, match="when the command was started") as caught:
            connection.run(stub.exchange())
        connection.close()
        server.wait_until_left()
    assert caught.value.kind is NETWORK and caught.value.retryable


def test_a_command_that_is_never_started(
    tmp_path: Path, connector: Connector, tried: Counter[str]
) -> None:
    tried["servers"] += 1
    with fickle_server(tmp_path, "stall at exec") as server:
        connection = connector.connect(server.host_entry())
        started = time.monotonic()
        with pytest.raises(HostError, match="did not start the command") as caught:
            connection.run(stub.exchange(limit=0.1))
        connection.close()
        assert time.monotonic() - started < 0.1 + ssh._GRACE + SOON
        server.wait_until_left()
    assert caught.value.kind is TIMEOUT


def test_a_command_that_takes_no_input(
    tmp_path: Path, connector: Connector, tried: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the one before, and as slow; that the bound is `_GRACE` is seen there."""
    tried["servers"] += 1
    monkeypatch.setattr(ssh, "_GRACE", 0.5)
    with fickle_server(tmp_path, "no room") as server:

        def reads_nothing(channel: paramiko.Channel, command: bytes) -> None:
            server.stop.wait()

        server.program = reads_nothing
        connection = connector.connect(server.host_entry())
        started = time.monotonic()
        with pytest.raises(HostError, match=f"did not finish within {SHORT} s") as caught:
            connection.run(stub.exchange(limit=SHORT))
        connection.close()
        assert time.monotonic() - started < SOON
        server.wait_until_left()
    assert caught.value.kind is TIMEOUT


@pytest.mark.parametrize(
    ("cut", "kind", "text"),
    [(False, SHELL, "ended before its last line"), (True, NETWORK, "before it had answered")],
)
def test_a_success_without_the_last_line(
    tmp_path: Path,
    connector: Connector,
    tried: Counter[str],
    cut: bool,
    kind: ErrorKind,
    text: str,
) -> None:
    """An exit status of 0 proves nothing: only the program's own last line does.

    A link that is cut behind the status is a lost one: sshd may tell it before the last output.
    """

    def cut_short(channel: paramiko.Channel, command: bytes) -> None:
        found = re.search(rb"N=(\w+);", command)
        assert found
        channel.sendall(b"READY-%b\n%b epoch 1700000000\n" % (found[1], found[1]))
        channel.send_exit_status(0)
        (channel.get_transport() if cut else channel).close()

    tried["servers"] += 1
    with fickle_server(tmp_path) as server:
        server.program = cut_short
        connection = connector.connect(server.host_entry())
        with pytest.raises(HostError, match=text) as caught:
            RemoteTalk().survey(connection, STATE, limit=LONG)
        connection.close()
        server.wait_until_left()
    assert caught.value.kind is kind and caught.value.retryable


def test_a_flood_of_output(
    sshd: Sshd, connector: Connector, tried: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of the 64 MiB of `OUTPUT_LIMIT` a window is taken each half a second.
    monkeypatch.setattr(conversation, "OUTPUT_LIMIT", 4 * 2**20)
    tried["servers"] += 1
    connection = connector.connect(sshd.host_entry())
    with pytest.raises(HostError, match="more than 4 MiB") as caught:
        connection.run(stub.exchange("cat /dev/zero"))
    connection.close()
    assert caught.value.kind is SHELL
    sshd.wait_until_idle()


def test_curve25519_under_its_standard_name_only(tmp_path: Path, connector: Connector) -> None:
    with fickle_server(tmp_path, "standard curve") as server:
        connection = connector.connect(server.host_entry())
        assert connection.run(stub.exchange()).status == 0
        connection.close()
