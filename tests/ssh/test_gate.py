"""Hosts that share a password, over real connections: dead ones, a wrong one, one that stalls."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from certkit.errors import ErrorKind, HostError
from certkit.fleet.distribute import distribute
from certkit.fleet.events import Event, HostFinished
from certkit.fleet.plan import DistributeOptions, Target
from certkit.fleet.stop import Stop
from certkit.inventory.model import Host, Timeouts
from certkit.remote.report import FileReport, PlaceReport, RuntimeReport
from certkit.secret import Secret
from certkit.transport import ssh
from certkit.transport.connection import Connection, Connector
from tests.ssh import stub
from tests.ssh.fickle import PASSWORD, Fickle, fickle_server
from tests.ssh.sshd import Sshd, held_port
from tests.unit.fleet.fakes import PATH, STATE

pytestmark = pytest.mark.timeout(60)

BOUNDS = Timeouts(connect=4, handshake=20, host=40)


class Talk:
    """Says of every host that it stands as it should."""

    def place(self, connection: Connection, state: object, **options: object) -> PlaceReport:
        runtime = RuntimeReport("docker", version="26.1.5", files=(FileReport(PATH, "same"),))
        return PlaceReport((runtime,), int(time.time()))


@dataclass
class Fleet:
    """Servers in this process, and addresses where nothing answers."""

    hosts: list[Host] = field(default_factory=list)
    servers: dict[str, Fickle] = field(default_factory=dict)
    ended: dict[str, tuple[str, float]] = field(default_factory=dict)

    @property
    def passwords(self) -> int:
        """How often any server was sent one."""
        return sum(
            method == "password" for one in self.servers.values() for method, _ in one.attempts
        )

    def distribute(self, connector: Connector, stop: Stop | None = None) -> list[str]:
        def watch(event: Event) -> None:
            if isinstance(event, HostFinished):
                self.ended[event.result.name] = (event.result.outcome.value, time.monotonic())

        talk: Any = Talk()
        targets = [Target(host, STATE, "never") for host in self.hosts]
        options = DistributeOptions(retries=0)
        results = distribute(targets, connector, options, talk=talk, watcher=watch, stop=stop)
        return [result.outcome.value for result in results]


@contextmanager
def silent_port(address: str) -> Iterator[int]:
    """A port that answers nothing, as behind a firewall: its queue of connections is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((address, 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextmanager
def fleet_of(
    directory: Path, live: int, dead: int = 0, password: str = PASSWORD, mode: str = ""
) -> Iterator[Fleet]:
    """The dead ones come first; `mode` is how the live ones behave."""
    with ExitStack() as stack:
        fleet = Fleet()
        common = {"identity_files": (), "password": Secret(password), "timeouts": BOUNDS}
        for number in range(live):
            home = directory / str(number)
            home.mkdir()
            server = stack.enter_context(fickle_server(home, mode, "password"))
            fleet.servers[f"live-{number}"] = server
            fleet.hosts.append(server.host_entry(name=f"live-{number}", **common))
        for number in range(dead):
            # Each has an address of its own: of one address only two are dialled at a time.
            address = f"127.0.1.{number + 1}"
            port = stack.enter_context(silent_port(address))
            entry = server.host_entry(name=f"dead-{number}", address=address, port=port, **common)
            fleet.hosts.insert(number, entry)
        yield fleet


def spoken_to(server: Fickle) -> bool:
    """Whether the client has greeted it, beyond connecting."""
    return any(getattr(one, "remote_version", "") for one in server._open)


def test_dead_hosts_are_dialled_side_by_side(tmp_path: Path, connector: Connector) -> None:
    with fleet_of(tmp_path, live=10, dead=10) as fleet:
        began = time.monotonic()
        outcomes = fleet.distribute(connector)
        seconds = time.monotonic() - began
    assert outcomes == ["unreachable"] * 10 + ["unchanged"] * 10
    # One connect timeout takes 4 s, ten take 40.
    assert 3.9 < seconds < 20
    assert fleet.passwords == 10
    # Nobody was hung up on: sshd penalises an address for that.
    assert [server.connections for server in fleet.servers.values()] == [1] * 10
    first_live = min(when for outcome, when in fleet.ended.values() if outcome == "unchanged")
    first_dead = min(when for outcome, when in fleet.ended.values() if outcome == "unreachable")
    assert first_live < first_dead, "the living waited for the dead"


def test_a_wrong_password_reaches_one_server_only(tmp_path: Path, connector: Connector) -> None:
    with fleet_of(tmp_path, live=10, dead=10, password="hunter2") as fleet:
        outcomes = fleet.distribute(connector)
        assert fleet.passwords == 1
    # Whoever was refused, and those that answered nothing; the others were not tried.
    assert outcomes[:10] == ["unreachable"] * 10
    assert sorted(outcomes[10:]) == ["skipped"] * 9 + ["unreachable"]


def test_a_stop_ends_the_wait_at_the_gate(tmp_path: Path, connector: Connector) -> None:
    with fleet_of(tmp_path, live=6, mode="stall at host key") as fleet:
        stop = Stop()
        run = threading.Thread(target=fleet.distribute, args=(connector, stop))
        run.start()
        # Each is connected, and one of them has been greeted back: its login begins.
        deadline = time.monotonic() + 20
        while not (first := [name for name, one in fleet.servers.items() if spoken_to(one)]) or any(
            server.connections == 0 for server in fleet.servers.values()
        ):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        stopped = time.monotonic()
        stop.request("interrupted", interrupted=True)
        # By itself the wait would end after 20 s.
        while len(fleet.ended) < 5 and time.monotonic() < stopped + 10:
            time.sleep(0.01)
        others = [name for name in fleet.servers if name not in first]
        assert len(others) == 5
        assert all(server.connections == 1 for server in fleet.servers.values())
        assert {name: fleet.ended[name][0] for name in others} == dict.fromkeys(others, "skipped")
        connector.abort()
        run.join(10)
        assert fleet.passwords == 0


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("silent", ErrorKind.TIMEOUT), ("eof", ErrorKind.REFUSED), ("reset", ErrorKind.REFUSED)],
)
def test_a_server_that_does_not_greet_never_has_its_turn(
    mode: str, kind: ErrorKind, tmp_path: Path, connector: Connector
) -> None:
    with fickle_server(tmp_path, mode) as server:
        host = server.host_entry(timeouts=Timeouts(handshake=1 if mode == "silent" else 20))
        with pytest.raises(HostError) as caught:
            connector.connect(host, pytest.fail)
        assert caught.value.kind is kind and caught.value.unreachable


def test_a_connection_that_waited_long_is_given_up_for_a_fresh_one(
    sshd: Sshd, connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sshd.log.count("Accepted publickey")
    peers = []
    for unused in (15.0, 0.1):
        monkeypatch.setattr(ssh, "_UNUSED", unused)
        connection = connector.connect(sshd.host_entry(), lambda: time.sleep(0.2))
        peers.append(connection.peer)
        assert connection.run(stub.exchange()).status == 0
        connection.close()
    assert peers == [sshd.host] * 2
    assert sshd.log.count("Accepted publickey") == before + 2


def test_a_host_behind_a_bastion_waits_for_its_turn_behind_it(
    sshd: Sshd, connector: Connector
) -> None:
    hop = sshd.host_entry(name="bastion")
    turns: list[str] = []
    connection = connector.connect(sshd.host_entry(jump=(hop,)), lambda: turns.append("live"))
    assert connection.run(stub.exchange()).status == 0
    connection.close()
    with (
        held_port() as closed,
        pytest.raises(HostError, match="cannot be reached from bastion on"),
    ):
        connector.connect(sshd.host_entry(port=closed, jump=(hop,)), lambda: turns.append("dead"))
    assert turns == ["live"]


def test_no_password_is_sent_to_a_bastion_before_the_turn(
    sshd: Sshd, tmp_path: Path, connector: Connector
) -> None:
    def stopped() -> None:
        raise InterruptedError

    with fickle_server(tmp_path, methods="password") as server:
        hop = server.host_entry(name="bastion", identity_files=(), password=Secret("wrong"))
        with pytest.raises(InterruptedError):
            connector.connect(sshd.host_entry(jump=(hop,)), stopped)
        assert server.connections == 0
