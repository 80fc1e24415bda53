"""Connecting to a real sshd and running one exchange."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from certkit.errors import ErrorKind, HostError
from certkit.transport.connection import Connector
from certkit.transport.connector import open_connector
from certkit.transport.options import ConnectorOptions
from tests.ssh import stub
from tests.ssh.sshd import Sshd, held_port

pytestmark = pytest.mark.timeout(60)


def test_one_exchange(sshd: Sshd, connector: Connector) -> None:
    connection = connector.connect(sshd.host_entry())
    assert connection.peer == "127.0.0.1"
    answer = connection.run(stub.exchange("cat; echo oops >&2; exit 7"))
    connection.close()
    assert (answer.status, answer.stdout, answer.stderr) == (
        7,
        stub.READY + b"\nhello\n",
        b"oops\n",
    )


def test_two_exchanges_on_one_connection(sshd: Sshd, connector: Connector) -> None:
    connection = connector.connect(sshd.host_entry())
    for text in (b"one\n", b"two\n"):
        assert connection.run(stub.exchange(stdin=text)).stdout.endswith(text)
    connection.close()


def test_large_input_comes_back_whole(sshd: Sshd, connector: Connector) -> None:
    data = bytes(range(32, 127)) * 30_000
    connection = connector.connect(sshd.host_entry())
    answer = connection.run(stub.exchange("cat; cat >&2", stdin=data))
    connection.close()
    assert answer.stdout == stub.READY + b"\n" + data


def test_output_is_capped_and_drained(sshd: Sshd, connector: Connector) -> None:
    script = "head -c 6000000 /dev/zero; head -c 3000000 /dev/zero >&2; exit 3"
    connection = connector.connect(sshd.host_entry())
    answer = connection.run(stub.exchange(script))
    connection.close()
    assert answer.status == 3
    assert len(answer.stdout) == 4 * 1024 * 1024
    assert len(answer.stderr) == 64 * 1024


def test_ipv6(start_sshd: Callable[..., Sshd], connector: Connector) -> None:
    sshd = start_sshd("::1")
    connection = connector.connect(sshd.host_entry())
    assert connection.run(stub.exchange()).status == 0
    assert connection.peer == "::1"
    connection.close()


def test_name_with_two_addresses(
    sshd: Sshd, connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    real = socket.getaddrinfo

    def both(host: str, port: int, **kwargs: int) -> object:
        if host != "two.example":
            return real(host, port, **kwargs)
        stream = socket.SOCK_STREAM
        return [
            (socket.AF_INET, stream, 6, "", ("127.9.9.9", port)),
            (socket.AF_INET, stream, 6, "", (sshd.host, port)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    host = sshd.host_entry(address="two.example", host_key_alias=f"[{sshd.host}]:{sshd.port}")
    connection = connector.connect(host)
    assert connection.peer == sshd.host
    connection.close()


def test_killed_by_a_signal_is_no_status(sshd: Sshd, connector: Connector) -> None:
    connection = connector.connect(sshd.host_entry())
    answer = connection.run(stub.exchange("kill -9 $$"))
    connection.close()
    assert answer.status is None
    assert answer.stdout == stub.READY + b"\n"


def test_limit_of_an_exchange(sshd: Sshd, connector: Connector) -> None:
    connection = connector.connect(sshd.host_entry())
    with pytest.raises(HostError, match=r"within 0\.5 s") as caught:
        connection.run(stub.exchange("sleep 30", limit=0.5))
    connection.close()
    assert caught.value.kind is ErrorKind.TIMEOUT
    assert not caught.value.unreachable


def test_refused(sshd: Sshd, connector: Connector) -> None:
    with (
        held_port() as closed,
        pytest.raises(HostError, match=r"refuses connections on 127\.0\.0\.1:") as caught,
    ):
        connector.connect(sshd.host_entry(port=closed))
    assert caught.value.kind is ErrorKind.REFUSED
    assert caught.value.retryable and caught.value.unreachable


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a..b", "x" * 300])
def test_names_that_do_not_resolve(name: str, sshd: Sshd, connector: Connector) -> None:
    with pytest.raises(HostError) as caught:
        connector.connect(sshd.host_entry(address=name))
    assert caught.value.kind is ErrorKind.DNS
    assert caught.value.unreachable


def test_no_route_is_bounded(sshd: Sshd, connector: Connector) -> None:
    from certkit.inventory.model import Timeouts

    host = sshd.host_entry(address="192.0.2.1", timeouts=Timeouts(connect=0.5))
    with pytest.raises(HostError) as caught:
        connector.connect(host)
    assert caught.value.kind in (ErrorKind.TIMEOUT, ErrorKind.NETWORK, ErrorKind.REFUSED)


def test_shell_that_is_none(start_sshd: Callable[..., Sshd], connector: Connector) -> None:
    sshd = start_sshd(config={"ForceCommand": "echo This account is \x1b[31mnot available; exit 1"})
    connection = connector.connect(sshd.host_entry())
    with pytest.raises(HostError, match="This account is") as caught:
        connection.run(stub.exchange())
    connection.close()
    assert caught.value.kind is ErrorKind.SHELL
    assert "\x1b" not in str(caught.value)


def test_connection_that_died_between_exchanges(sshd: Sshd, connector: Connector) -> None:
    connection = connector.connect(sshd.host_entry())
    # The session's parent is the sshd process of this very connection.
    answer = connection.run(stub.exchange("trap '' HUP; kill -9 $PPID; sleep 1".replace("'", '"')))
    assert answer.status is None
    with pytest.raises(HostError) as caught:
        connection.run(stub.exchange())
    connection.close()
    assert caught.value.kind is ErrorKind.NETWORK
    assert caught.value.retryable


def test_abort_ends_a_wait(sshd: Sshd) -> None:
    import threading
    import time

    connector = open_connector(ConnectorOptions(start_spread=0))
    connection = connector.connect(sshd.host_entry())
    threading.Timer(0.3, connector.abort).start()
    started = time.monotonic()
    with pytest.raises(HostError) as caught:
        connection.run(stub.exchange("sleep 30"))
    assert caught.value.kind is ErrorKind.INTERRUPTED
    # By itself it would end after 20 s.
    assert time.monotonic() - started < 10
    with pytest.raises(HostError) as caught:
        connector.connect(sshd.host_entry())
    assert caught.value.kind is ErrorKind.INTERRUPTED
    connection.close()
    connector.close()
