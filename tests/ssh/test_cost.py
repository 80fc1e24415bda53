"""What one host costs: round trips, counted. CPU is measured by `make bench`."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from bench.wire import long_wire
from certkit.fleet.talk import RemoteTalk
from certkit.names import RegistryReference
from certkit.remote.exchange import Exchange
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.state import RuntimeChoice
from certkit.transport.connection import Answer, Connection, Connector
from tests.ssh import stub
from tests.ssh.sshd import Sshd, held_port

BUNDLE = b"-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n"

pytestmark = pytest.mark.timeout(60)


# What waits for nothing is still counted as if it did where this process or sshd is so late that
# an answer has come before: a busy machine never takes a round trip off, and may add some.
TRIES = 3


def round_trips(sshd: Sshd, connector: Connector, work: Callable[[Connection], object]) -> int:
    """How many `work` takes on a connection of its own, with those of TCP and the login."""
    return min(_round_trips(sshd, connector, work) for _ in range(TRIES))


def _round_trips(sshd: Sshd, connector: Connector, work: Callable[[Connection], object]) -> int:
    with (
        held_port(sshd.host) as port,
        long_wire(0.06, port, sshd.port, [sshd.host]) as trips,
    ):
        host = sshd.host_entry(port=port, host_key_alias=f"[{sshd.host}]:{sshd.port}")
        connection = connector.connect(host)
        work(connection)
        connection.close()
    return trips[sshd.host]


def test_at_most_eight_round_trips(sshd: Sshd, connector: Connector) -> None:
    exchange = stub.exchange(stdin=b"x" * 20_000)
    assert round_trips(sshd, connector, lambda connection: connection.run(exchange)) <= 8


def test_status_is_one_exec_and_no_round_trip_more_than_any_command(
    sshd: Sshd, connector: Connector
) -> None:
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
    exchange = stub.exchange(stdin=b"x" * 20_000)
    bare = round_trips(sshd, connector, lambda connection: connection.run(exchange))
    assert round_trips(sshd, connector, survey) <= bare
    assert Counting.ran == TRIES
