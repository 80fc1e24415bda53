"""What one host costs: round trips, counted, and client CPU beside bare paramiko."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from typing import cast

import pytest

from certkit.fleet.talk import RemoteTalk
from certkit.names import RegistryReference
from certkit.remote.exchange import Exchange
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.state import RuntimeChoice
from certkit.transport.connection import Answer, Connection, Connector
from tests.ssh import stub
from tests.ssh.relay import Relay
from tests.ssh.sshd import Sshd

BUNDLE = b"-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n"

pytestmark = pytest.mark.timeout(60)


def test_at_most_eight_round_trips(sshd: Sshd, connector: Connector) -> None:
    relay = Relay((sshd.host, sshd.port))
    host = sshd.host_entry(port=relay.port, host_key_alias=f"[{sshd.host}]:{sshd.port}")
    connection = connector.connect(host)
    assert connection.run(stub.exchange(stdin=b"x" * 20_000)).status == 0
    flights = relay.flights
    connection.close()
    relay.close()
    # One more for TCP's own handshake, which the relay answers itself.
    assert 1 + flights <= 8


def test_status_is_one_exec_and_one_round_trip_more_than_the_connection(
    sshd: Sshd, connector: Connector
) -> None:
    def flights(work: Callable[[Connection], object]) -> int:
        relay = Relay((sshd.host, sshd.port))
        host = sshd.host_entry(port=relay.port, host_key_alias=f"[{sshd.host}]:{sshd.port}")
        connection = connector.connect(host)
        work(connection)
        connection.close()
        relay.close()
        return relay.flights

    class Counting:
        """A connection that counts what is run over it."""

        ran = 0

        def __init__(self, inner: Connection) -> None:
            self._inner = inner

        def run(self, exchange: Exchange) -> Answer:
            Counting.ran += 1
            return self._inner.run(exchange)

    def survey(connection: Connection) -> None:
        found = RemoteTalk().survey(cast(Connection, Counting(connection)), state, 60)
        assert found.epoch > 1_700_000_000

    state = desired_state([RegistryReference.parse("status.lab:5000")], BUNDLE, RuntimeChoice())
    bare = flights(lambda connection: connection.run(stub.exchange(stdin=b"x" * 20_000)))
    # The least of several: a busy server may send in two pieces what is one flight by the protocol.
    counted = [flights(survey) for _ in range(5)]
    assert min(counted) <= bare
    assert Counting.ran == len(counted)


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def bare(sshd: Sshd) -> None:
    import paramiko

    client = paramiko.SSHClient()
    client.load_host_keys(str(sshd.known_hosts))
    client.connect(
        sshd.host,
        sshd.port,
        sshd.user,
        key_filename=str(sshd.key),
        look_for_keys=False,
        allow_agent=False,
    )
    transport = client.get_transport()
    assert transport
    channel = transport.open_session()
    channel.exec_command("cat")
    channel.sendall(b"x" * 3000)
    channel.shutdown_write()
    while channel.recv(65536):
        pass
    assert channel.recv_exit_status() == 0
    client.close()


@pytest.mark.skipif(sys.gettrace() is not None, reason="a tracer counts for more than the work")
def test_client_cpu_beside_bare_paramiko(sshd: Sshd, connector: Connector) -> None:
    """Coarse, because the box may be busy; `make bench` is the measurement."""

    def ours() -> None:
        connection = connector.connect(sshd.host_entry())
        assert connection.run(stub.exchange(stdin=b"x" * 3000)).status == 0
        connection.close()

    cost = {"ours": float("inf"), "bare": float("inf")}
    for _ in range(4):
        for name, job in (("ours", ours), ("bare", lambda: bare(sshd))):
            started = cpu_seconds()
            for _ in range(5):
                job()
            cost[name] = min(cost[name], cpu_seconds() - started)
    assert cost["ours"] <= 1.3 * cost["bare"], cost
