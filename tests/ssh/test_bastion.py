"""Many hosts behind jump hosts: one connection to each, opened once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from certkit.errors import ErrorKind, HostError
from certkit.inventory.model import Timeouts
from certkit.secret import Secret
from certkit.transport.connection import Connector
from certkit.transport.faults import WrongPassword
from tests.ssh import stub
from tests.ssh.fickle import fickle_server
from tests.ssh.sshd import Sshd, held_port

pytestmark = pytest.mark.timeout(60)


def test_many_targets_through_one_bastion_with_few_sessions(
    start_sshd: Callable[..., Sshd], sshd: Sshd, connector: Connector
) -> None:
    bastion = start_sshd(config={"MaxSessions": "2"})
    hop = bastion.host_entry(name="bastion")

    def one(number: int) -> int | None:
        connection = connector.connect(sshd.host_entry(name=f"host-{number}", jump=(hop,)))
        try:
            return connection.run(stub.exchange()).status
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(one, range(40))) == [0] * 40
    assert bastion.log.count("Accepted publickey") == 1


def test_two_hops(start_sshd: Callable[..., Sshd], sshd: Sshd, connector: Connector) -> None:
    outer, inner = start_sshd(), start_sshd("127.1.0.2")
    hops = (outer.host_entry(name="outer"), inner.host_entry(name="inner"))
    for _ in range(2):
        connection = connector.connect(sshd.host_entry(jump=hops))
        assert connection.run(stub.exchange()).status == 0
        connection.close()
    assert outer.log.count("Accepted publickey") == 1
    assert inner.log.count("Accepted publickey") == 1


def test_a_lost_bastion_is_connected_again(
    start_sshd: Callable[..., Sshd], sshd: Sshd, connector: Connector
) -> None:
    bastion = start_sshd()
    host = sshd.host_entry(jump=(bastion.host_entry(name="bastion"),))
    first = connector.connect(host)
    # The listener stays.
    for pid in bastion.connections():
        os.killpg(pid, signal.SIGKILL)
    with pytest.raises(HostError):
        first.run(stub.exchange("sleep 30"))
    first.close()
    second = connector.connect(host)
    assert second.run(stub.exchange()).status == 0
    second.close()
    assert bastion.log.count("Accepted publickey") == 2


def test_target_that_the_bastion_cannot_reach(sshd: Sshd, connector: Connector) -> None:
    hop = sshd.host_entry(name="bastion")
    with (
        held_port() as closed,
        pytest.raises(HostError, match="cannot be reached from bastion on") as caught,
    ):
        connector.connect(sshd.host_entry(port=closed, jump=(hop,)))
    assert caught.value.kind is ErrorKind.REFUSED
    assert caught.value.unreachable


def test_bastion_that_forbids_forwarding(
    start_sshd: Callable[..., Sshd], sshd: Sshd, connector: Connector
) -> None:
    bastion = start_sshd(config={"AllowTcpForwarding": "no"})
    with pytest.raises(HostError, match="behind bastion, which forbids") as caught:
        connector.connect(sshd.host_entry(jump=(bastion.host_entry(name="bastion"),)))
    assert not caught.value.retryable


def test_a_failing_bastion_is_tried_once_for_all(
    sshd: Sshd, connector: Connector, tmp_path: Path
) -> None:
    with fickle_server(tmp_path, methods="password") as server:
        hop = server.host_entry(name="bastion", identity_files=(), password=Secret("wrong"))
        for name in ("a", "b", "c"):
            with pytest.raises(WrongPassword, match="is behind bastion, which refused"):
                connector.connect(sshd.host_entry(name=name, jump=(hop,)))
        assert server.connections == 1


def test_stall_behind_a_bastion_is_bounded_and_leaves_the_bastion(
    sshd: Sshd, connector: Connector, tmp_path: Path
) -> None:
    hop = sshd.host_entry(name="bastion")
    with fickle_server(tmp_path, "stall at host key") as server:
        host = server.host_entry(jump=(hop,), timeouts=Timeouts(handshake=2))
        with pytest.raises(HostError, match="key exchange within 2 s") as caught:
            connector.connect(host)
        assert caught.value.kind is ErrorKind.TIMEOUT
        connection = connector.connect(replace(sshd.host_entry(), jump=(hop,)))
        assert connection.run(stub.exchange()).status == 0
        connection.close()


def test_host_key_is_checked_behind_a_bastion(
    sshd: Sshd, connector: Connector, tmp_path: Path
) -> None:
    hop = sshd.host_entry(name="bastion")
    host = sshd.host_entry(jump=(hop,), known_hosts_files=(tmp_path / "none",))
    with pytest.raises(HostError) as caught:
        connector.connect(host)
    assert caught.value.kind is ErrorKind.HOST_KEY
