"""A link that is cut at any byte, stalls or crawls; a server and a bastion with no room left."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from certkit.errors import ErrorKind
from certkit.fleet import distribute as engine
from certkit.fleet import status as surveying
from certkit.fleet.drift.directory import Wanted
from certkit.fleet.events import Event, HostRetrying, Watcher
from certkit.fleet.job import RunOptions
from certkit.fleet.plan import DistributeOptions, Target
from certkit.fleet.report import HostResult, Outcome
from certkit.fleet.targets import targets_for
from certkit.inventory.loading import load
from certkit.inventory.model import Host, Settings, Timeouts
from certkit.names import RegistryReference
from certkit.pki.bundle import TrustBundle
from certkit.transport.connection import Connector
from certkit.transport.connector import open_connector
from certkit.transport.options import ConnectorOptions
from tests.faults.rounds import chance, patience, rounds
from tests.faults.wire import Cut, Direction, How, Wire, wire_to
from tests.ssh.fickle import Fickle, fickle_server
from tests.ssh.lab import Lab, lab_running
from tests.ssh.sshd import Sshd

BOUNDS = Timeouts(connect=20, handshake=20, host=120, restart=20)
BROKEN = (Outcome.FAILED, Outcome.UNREACHABLE)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_running(tmp_path_factory.mktemp("lab"), ["web-01"]) as running:
        yield running


@pytest.fixture
def connector(lab: Lab) -> Iterator[Connector]:
    opened = open_connector(
        ConnectorOptions(known_hosts=lab.directory / "known_hosts", start_spread=0)
    )
    yield opened
    opened.close()


def through(lab: Lab, wire: Wire, **changes: object) -> Host:
    """The lab's machine, behind a wire."""
    [host] = load(lab.directory / "hosts.yaml").hosts
    alias = f"[{host.address}]:{host.port}"
    changed = {"port": wire.port, "host_key_alias": alias, "timeouts": BOUNDS, **changes}
    return replace(host, **changed)  # type: ignore[arg-type]


def targets(lab: Lab, *hosts: Host) -> tuple[Target, ...]:
    references = (RegistryReference.parse(lab.registry),)
    return targets_for(hosts, references, lab.trust, Settings())


def distribute(lab: Lab, wire: Wire, connector: Connector, retries: int = 0) -> HostResult:
    options = DistributeOptions(retries=retries)
    [result] = engine.distribute(targets(lab, through(lab, wire)), connector, options)
    return result


def assert_whole(lab: Lab) -> None:
    """The trust is there as it should be, or not at all; nothing half made lies about."""
    file = lab.certificate("web-01")
    assert not file.exists() or file.read_bytes() == lab.trust
    stray = [path for path in lab.at("web-01", "certs.d").rglob("*") if path.is_file()]
    assert stray in ([], [file])


def positions(total: dict[Direction, int], many: int) -> list[Cut]:
    """Cuts all over the exchange, in both directions, ends and resets in turn."""
    dice = chance("cuts")
    found = []
    for number in range(many):
        direction: Direction = "up" if number % 2 else "down"
        how: How = "reset" if number // 2 % 2 else "end"
        # One from each equal part, so that few cuts are spread as well as many.
        part = total[direction] * (number // 2) / ((many + 1) // 2)
        after = int(part + dice.random() * total[direction] / ((many + 1) // 2))
        found.append(Cut(direction, max(1, after), how))
    return found


def whole_exchange(lab: Lab, connector: Connector) -> dict[Direction, int]:
    """How many bytes a first distribution takes, its restart included."""
    lab.forget("web-01")
    with wire_to(lab.machines["web-01"]) as wire:
        assert distribute(lab, wire, connector).outcome is Outcome.CHANGED
    return wire.carried


def assert_finished_by_another_run(lab: Lab, wire: Wire, connector: Connector) -> None:
    """The same command again finishes the job; a restart is neither lost nor done twice."""
    lab.machines["web-01"].wait_until_idle()
    assert_whole(lab)
    again = distribute(lab, wire, connector)
    assert again.outcome in (Outcome.CHANGED, Outcome.UNCHANGED), (wire.cut, again)
    assert lab.certificate("web-01").read_bytes() == lab.trust, wire.cut
    assert lab.restarts("web-01") == 1, (wire.cut, again)


@pytest.mark.timeout(patience(120))
def test_a_cut_at_any_byte(lab: Lab, connector: Connector, tried: Counter[str]) -> None:
    for cut in positions(whole_exchange(lab, connector), rounds(12)):
        lab.forget("web-01")
        with wire_to(lab.machines["web-01"], cut) as wire:
            result = distribute(lab, wire, connector)
            if result.outcome in BROKEN:
                assert result.error is not None
                # Refused is what comes before the login, where sshd itself may be too busy.
                early = {ErrorKind.REFUSED} if result.outcome is Outcome.UNREACHABLE else set()
                assert result.error.kind in {ErrorKind.NETWORK} | early, (cut, result)
            else:
                assert result.outcome is Outcome.CHANGED, (cut, result)
            tried[f"cuts: {result.error.kind.value if result.error else 'not felt'}"] += 1
            assert_finished_by_another_run(lab, wire, connector)
    assert tried["cuts: not felt"] < sum(tried.values()) / 2


@pytest.mark.timeout(patience(120))
def test_a_cut_is_mended_by_a_retry(lab: Lab, connector: Connector, tried: Counter[str]) -> None:
    for cut in positions(whole_exchange(lab, connector), rounds(4)):
        lab.forget("web-01")
        with wire_to(lab.machines["web-01"], cut) as wire:
            result = distribute(lab, wire, connector, retries=2)
        assert result.outcome is Outcome.CHANGED, (cut, result)
        assert lab.certificate("web-01").read_bytes() == lab.trust, cut
        assert lab.restarts("web-01") == 1, (cut, result)
        tried["cuts, retried" if wire.connections > 1 else "cuts, not felt"] += 1
    assert tried["cuts, retried"]


@pytest.mark.timeout(patience(120))
def test_silence_at_any_byte_is_bounded(
    lab: Lab, connector: Connector, tried: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the application is silent: a peer that is gone is found out about by TCP itself."""
    total = whole_exchange(lab, connector)
    bounds = Timeouts(connect=2, handshake=2, host=3, restart=1)
    placing, restarting = 2 + 2 + 3, 2 + 2 + 4 * 1 + 3 * 1
    for cut in positions(total, rounds(4)):
        lab.forget("web-01")
        with wire_to(lab.machines["web-01"], replace(cut, how="stall")) as wire:
            aims = targets(lab, through(lab, wire, timeouts=bounds))
            with monkeypatch.context() as patch:
                for slack in ("_ASKING", "_SLACK", "_LOCK_WAIT"):
                    patch.setattr(f"certkit.remote.program.{slack}", 1)
                began = time.monotonic()
                [result] = engine.distribute(aims, connector, DistributeOptions(retries=0))
                took = time.monotonic() - began
            assert took < placing + restarting + 10, (cut, took, result)
            if result.outcome in BROKEN:
                assert result.error is not None, result
                assert result.error.kind is ErrorKind.TIMEOUT, (cut, result)
            else:
                assert result.outcome is Outcome.CHANGED, (cut, result)
            tried["silences, not felt" if result.error is None else "silences"] += 1
            assert_finished_by_another_run(lab, wire, connector)
    assert tried["silences"] > tried["silences, not felt"]


def test_a_slow_link_is_only_slow(lab: Lab, connector: Connector) -> None:
    lab.forget("web-01")
    with wire_to(lab.machines["web-01"], rate=16_000) as wire:
        result = distribute(lab, wire, connector)
    assert result.outcome is Outcome.CHANGED, result
    assert result.seconds > sum(wire.carried.values()) / 16_000 * 0.5
    assert lab.restarts("web-01") == 1


def survey(
    lab: Lab,
    hosts: list[Host],
    connector: Connector,
    watcher: Watcher = lambda event: None,
    **options: int,
) -> list[HostResult]:
    bundle = TrustBundle.parse(lab.trust, "trust.crt")
    wanted = Wanted(bundle.pem, bundle.fingerprints, (RegistryReference.parse(lab.registry),))
    aims = targets(lab, *hosts)
    return surveying.status(aims, wanted, connector, RunOptions(**options), watcher=watcher)


def test_max_startups_is_waited_out(start_sshd: Callable[..., Sshd], lab: Lab) -> None:
    """Twenty hosts behind one address, as behind a port forwarder, whose sshd refuses most."""
    crowded = start_sshd(config={"MaxStartups": "1:70:3"})
    hosts = [crowded.host_entry(name=f"web-{n}", timeouts=BOUNDS) for n in range(20)]
    connector = open_connector(
        ConnectorOptions(start_spread=0, handshakes_per_address=20, known_hosts=crowded.known_hosts)
    )
    try:
        eager = survey(lab, hosts, connector, parallel=20, retries=0)
        refused = [one.error for one in eager if one.error is not None]
        assert refused and {error.kind for error in refused} == {ErrorKind.REFUSED}
        patient = survey(lab, hosts, connector, parallel=20, retries=6)
    finally:
        connector.close()
    assert [one for one in patient if one.error is not None] == []


def behind(lab: Lab, bastion: Sshd | Fickle, many: int) -> list[Host]:
    """The lab's machine under `many` names, each behind the bastion, whose key is known."""
    known = lab.directory / "known_hosts"
    known.write_text(known.read_text() + bastion.known_hosts.read_text())
    [host] = load(lab.directory / "hosts.yaml").hosts
    hop = bastion.host_entry(name="bastion", timeouts=BOUNDS)
    return [replace(host, name=f"web-{n}", jump=(hop,), timeouts=BOUNDS) for n in range(many)]


def test_a_bastion_without_a_free_login(
    start_sshd: Callable[..., Sshd], lab: Lab, connector: Connector, tried: Counter[str]
) -> None:
    """Strangers who do not log in hold all that `MaxStartups` allows, and leave in the run."""
    bastion = start_sshd(config={"MaxStartups": "2"})
    hosts = behind(lab, bastion, 12)

    def leave(event: Event) -> None:
        if isinstance(event, HostRetrying):
            tried["refusals, retried"] += 1
            if tried["refusals, retried"] == 1:
                strangers.close()
                bastion.wait_until_idle()

    with ExitStack() as strangers:
        for _ in range(2):
            sock = strangers.enter_context(socket.create_connection((bastion.host, bastion.port)))
            assert sock.recv(100).startswith(b"SSH-2.0")
        eager = survey(lab, hosts, connector, retries=0)
        for one in eager:
            assert one.outcome is Outcome.UNREACHABLE and one.error, one
            assert one.error.kind is ErrorKind.REFUSED, one
            assert "is behind bastion" in one.error.message and "MaxStartups" in one.error.hint
        patient = survey(lab, hosts, connector, leave, retries=2)
    assert [one for one in patient if one.error is not None] == []
    assert tried["refusals, retried"] >= 1
    assert bastion.log.count("Accepted publickey") == 1


def test_a_bastion_without_room_for_connections(
    lab: Lab, connector: Connector, tried: Counter[str], tmp_path: Path
) -> None:
    def count(event: Event) -> None:
        tried["refusals, retried"] += isinstance(event, HostRetrying)

    with fickle_server(tmp_path) as bastion:
        hosts = behind(lab, bastion, 8)
        bastion.full = 5
        eager = survey(lab, hosts, connector, retries=0)
        refused = [one.error for one in eager if one.error is not None]
        assert len(refused) == 5
        assert {error.kind for error in refused} == {ErrorKind.REFUSED}
        assert all("bastion, which has no room" in error.message for error in refused), refused
        bastion.full = 5
        patient = survey(lab, hosts, connector, count, retries=2)
        assert bastion.connections == 1
    assert [one for one in patient if one.error is not None] == []
    assert tried["refusals, retried"] == 5


@pytest.mark.parametrize("config", [{"PermitOpen": "none"}, {"AllowTcpForwarding": "no"}])
def test_a_bastion_that_forwards_nothing(
    start_sshd: Callable[..., Sshd], lab: Lab, connector: Connector, config: dict[str, str]
) -> None:
    hosts = behind(lab, start_sshd(config=config), 6)
    began = time.monotonic()
    results = survey(lab, hosts, connector, parallel=6, retries=0)
    assert time.monotonic() - began < 20
    assert {one.outcome for one in results} == {Outcome.UNREACHABLE}
    # Refused all at once, and each told its own reason.
    for one in results:
        assert one.error and one.error.kind is ErrorKind.NETWORK, one
        assert "is behind bastion, which forbids forwarding" in one.error.message, one


def test_a_bastion_that_dies_in_the_middle(
    start_sshd: Callable[..., Sshd], lab: Lab, connector: Connector
) -> None:
    bastion = start_sshd()
    known = lab.directory / "known_hosts"
    known.write_text(known.read_text() + bastion.known_hosts.read_text())
    lab.forget("web-01")
    total = whole_exchange(lab, connector)
    lab.forget("web-01")
    [host] = load(lab.directory / "hosts.yaml").hosts
    alias = f"[{bastion.host}]:{bastion.port}"
    with wire_to(bastion, Cut("up", 4000 + total["up"] // 2, "reset")) as wire:
        hop = bastion.host_entry(name="bastion", port=wire.port, host_key_alias=alias)
        [result] = engine.distribute(
            targets(lab, replace(host, jump=(hop,), timeouts=BOUNDS)),
            connector,
            DistributeOptions(retries=2),
        )
    assert result.outcome is Outcome.CHANGED, result
    assert wire.connections == 2
    assert lab.restarts("web-01") == 1


@pytest.fixture(autouse=True)
def known_hosts_as_they_were(lab: Lab) -> Iterator[None]:
    known: Path = lab.directory / "known_hosts"
    before = known.read_text()
    yield
    known.write_text(before)
