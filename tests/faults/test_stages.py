"""Servers that stall or break at every step: the wait is bounded and the failure has a name."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from certkit.errors import ErrorKind, HostError
from certkit.transport.connection import Connector
from tests.ssh import stub
from tests.ssh.fickle import fickle_server

pytestmark = pytest.mark.timeout(30)


@pytest.mark.parametrize(
    ("mode", "kind", "retryable", "text"),
    [
        ("silent", ErrorKind.TIMEOUT, True, "its SSH greeting within 1 s"),
        ("reset", ErrorKind.REFUSED, True, "before its SSH greeting"),
        ("eof", ErrorKind.REFUSED, True, "before its SSH greeting"),
        ("http", ErrorKind.NETWORK, False, 'not as an SSH server ("HTTP/1.1 400 Bad Request")'),
        ("busy", ErrorKind.REFUSED, True, 'SSH greeting ("Exceeded MaxStartups")'),
        ("old", ErrorKind.NETWORK, False, "no SSH that certkit accepts"),
        ("half a greeting", ErrorKind.REFUSED, True, "SSH greeting"),
        ("endless greeting", ErrorKind.NETWORK, False, "not as an SSH server"),
        ("junk", ErrorKind.NETWORK, True, "key exchange"),
        ("huge packet", ErrorKind.NETWORK, True, "key exchange"),
        ("empty packet", ErrorKind.NETWORK, True, "key exchange"),
        ("forged signature", ErrorKind.HOST_KEY, False, "could not prove"),
        ("only banner", ErrorKind.TIMEOUT, True, "its key exchange within 1 s"),
        ("stall in kex", ErrorKind.TIMEOUT, True, "its key exchange within 1 s"),
        ("reset in kex", ErrorKind.REFUSED, True, "during the key exchange"),
        ("ancient kex", ErrorKind.NETWORK, False, "no SSH that certkit accepts"),
        ("stall in login", ErrorKind.TIMEOUT, True, "the login within 1 s"),
        ("hang up in login", ErrorKind.NETWORK, True, "during the login"),
        ("refuse", ErrorKind.AUTH, False, "refused someone with"),
        ("second factor", ErrorKind.AUTH, False, "wants another factor"),
    ],
)
def test_connect(
    tmp_path: Path,
    connector: Connector,
    mode: str,
    kind: ErrorKind,
    retryable: bool,
    text: str,
) -> None:
    with fickle_server(tmp_path, mode) as server:
        started = time.monotonic()
        with pytest.raises(HostError) as caught:
            connector.connect(server.host_entry())
        assert time.monotonic() - started < 2.5
    assert text in str(caught.value)
    assert caught.value.kind is kind
    assert caught.value.retryable is retryable
    assert caught.value.unreachable
    assert server.connections == 1


@pytest.mark.parametrize(
    ("mode", "kind", "text"),
    [
        ("hang up in channel", ErrorKind.NETWORK, "lost the connection"),
        ("hang up in exec", ErrorKind.NETWORK, "lost the connection"),
        ("stall in channel", ErrorKind.TIMEOUT, "did not open a channel within 1 s"),
        ("no channel", ErrorKind.SHELL, "refuses to open a session"),
        ("no exec", ErrorKind.SHELL, "refuses to run commands"),
        ("never ends", ErrorKind.TIMEOUT, "did not finish within 1 s"),
        ("mute", ErrorKind.TIMEOUT, "did not finish within 1 s"),
        ("flood", ErrorKind.SHELL, "more than 64 MiB"),
    ],
)
def test_run(tmp_path: Path, connector: Connector, mode: str, kind: ErrorKind, text: str) -> None:
    with fickle_server(tmp_path, mode) as server:
        connection = connector.connect(server.host_entry())
        limit = 20 if mode == "flood" else 1
        started = time.monotonic()
        with pytest.raises(HostError) as caught:
            connection.run(stub.exchange(limit=limit))
        connection.close()
        assert time.monotonic() - started < limit + 1.5
    assert text in str(caught.value)
    assert caught.value.kind is kind


def test_exec_that_is_never_answered(
    tmp_path: Path, connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certkit.transport.ssh._GRACE", 0.5)
    with fickle_server(tmp_path, "stall in exec") as server:
        connection = connector.connect(server.host_entry())
        with pytest.raises(HostError, match="did not start the command") as caught:
            connection.run(stub.exchange(limit=0.5))
        connection.close()
    assert caught.value.kind is ErrorKind.TIMEOUT


@pytest.mark.parametrize("mode", ["cut", "closed without status"])
def test_an_unknown_outcome_is_no_failure(tmp_path: Path, connector: Connector, mode: str) -> None:
    with fickle_server(tmp_path, mode) as server:
        connection = connector.connect(server.host_entry())
        answer = connection.run(stub.exchange(limit=5))
        connection.close()
    assert answer.status is None
    assert answer.stdout.startswith(stub.READY)


def test_end_of_output_without_a_status(
    tmp_path: Path, connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certkit.transport.ssh._STATUS_SECONDS", 0.5)
    with fickle_server(tmp_path, "no status") as server:
        connection = connector.connect(server.host_entry())
        assert connection.run(stub.exchange(limit=10)).status is None
        connection.close()


def test_curve25519_under_its_standard_name_only(tmp_path: Path, connector: Connector) -> None:
    with fickle_server(tmp_path, "standard curve") as server:
        connection = connector.connect(server.host_entry())
        assert connection.run(stub.exchange()).status == 0
        connection.close()
