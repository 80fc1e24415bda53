"""Insecure settings go once the trust is proven, and only then."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from certkit.errors import ErrorKind
from certkit.fleet import crew
from certkit.fleet.distribute import distribute
from certkit.fleet.drift.insecure import Retirement, network_notes, retirement
from certkit.fleet.events import Event, PhaseStarted
from certkit.fleet.plan import DistributeOptions
from certkit.fleet.report import HostResult, Problem
from certkit.names import RegistryReference
from certkit.remote.report import RuntimeReport, SettingsReport
from tests.unit.fleet.fakes import REGISTRY, STATE, FakeFleet, fleet_of

PATH = "/etc/docker/daemon.json"
ALIAS = RegistryReference.parse("mirror.lab:5000")
SECRET = "hunter2"


def file_with(*entries: str) -> bytes:
    document = {"insecure-registries": entries, "proxies": {"http-proxy": f"http://a:{SECRET}@p"}}
    return json.dumps(document).encode()


def says(*references: str, networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128")) -> str:
    indexes = {name: {"Secure": False} for name in references}
    return json.dumps({"IndexConfigs": indexes, "InsecureRegistryCIDRs": networks})


def settings(*entries: str, **changes: Any) -> SettingsReport:
    return replace(SettingsReport(PATH, "file", file_with(*entries), running=True), **changes)


def insecure_fleet(count: int = 2, **changes: Any) -> FakeFleet:
    given = {
        "settings": settings("other:1", REGISTRY.text),
        "verification": says(REGISTRY.text),
        **changes,
    }
    return fleet_of(count, **given)


def run(fleet: FakeFleet, *, asked: bool = True, **changes: Any) -> dict[str, HostResult]:
    state = replace(STATE, retire_insecure=(REGISTRY.text,) if asked else ())
    keywords = {key: changes.pop(key) for key in ("watcher", "confirm") if key in changes}
    policy = changes.pop("policy", "changed")
    results = distribute(
        fleet.targets(policy, state), fleet, DistributeOptions(**changes), talk=fleet, **keywords
    )
    assert fleet.open == 0, "a connection was left open"
    assert SECRET not in repr(results)
    return {result.name: result for result in results}


@pytest.fixture(autouse=True)
def quick_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_BACKOFF", 0.001)


def test_the_entry_goes_after_every_restart_and_the_proof() -> None:
    fleet = insecure_fleet()
    results = run(fleet, diff=True)
    for name, result in results.items():
        [runtime] = result.runtimes
        assert (result.outcome.value, result.error) == ("changed", None)
        assert runtime.changed[-1] == PATH
        assert f"- insecure-registries: {REGISTRY.text}" in runtime.diff
        assert f"{REGISTRY.text} was taken out of insecure-registries" in runtime.notes
        assert not any("is listed in" in note for note in runtime.notes)
        told = fleet.machines[name].settings
        assert told is not None and told.content == file_with("other:1")
    order = [what for what, _, _ in fleet.log]
    assert max(n for n, what in enumerate(order) if what == "restarted") < order.index("retire")
    assert order.count("probe ") == order.count("retire") == 2


def test_a_second_run_asks_nothing_more_than_a_run_without_the_option() -> None:
    fleet = insecure_fleet()
    run(fleet)
    fleet.log.clear()
    results = run(fleet)
    assert [result.outcome.value for result in results.values()] == ["unchanged"] * 2
    assert [what for what, _, _ in fleet.log] == ["place"] * 2


def test_nothing_of_settings_without_being_asked() -> None:
    fleet = insecure_fleet()
    run(fleet, asked=False)
    assert not fleet.names("retire") and not fleet.names("probe ")


@pytest.mark.parametrize(
    ("changes", "kind", "word"),
    [
        ({"handshake": 1}, ErrorKind.TRUST, "self-signed"),
        ({"handshake": None}, ErrorKind.TRUST, "openssl"),
        ({"pull": "connection refused"}, ErrorKind.NETWORK, "cannot be reached"),
    ],
)
def test_without_proof_nothing_is_retired(changes: Any, kind: ErrorKind, word: str) -> None:
    fleet = insecure_fleet(1, **changes)
    [result] = run(fleet).values()
    assert result.outcome.value == "failed"
    assert result.error is not None and result.error.kind is kind
    assert "keeps registry.lab:5000 in its insecure-registries" in result.error.message
    assert word in result.error.message
    assert not fleet.names("retire")
    assert PATH not in result.runtimes[0].changed


@pytest.mark.parametrize(
    ("ends", "outcome", "word"),
    [
        (("rolled_back", "pull"), "rolled_back", "does not pull once it verifies"),
        (("rolled_back", "listed"), "rolled_back", f"{PATH} is as it was"),
        (("kept", "listed"), "failed", "nothing was written"),
        (("rollback_failed", "dead"), "failed", "log in"),
    ],
)
def test_how_it_can_end(ends: Any, outcome: str, word: str) -> None:
    [result] = run(insecure_fleet(1, retires=ends)).values()
    assert result.outcome.value == outcome
    assert result.error is not None and word in f"{result.error.message} {result.error.hint}"
    assert PATH not in result.runtimes[0].changed
    assert "a line" in result.runtimes[0].notes


def test_a_check_says_what_would_go_and_asks_nothing() -> None:
    fleet = insecure_fleet(1, trusted=True)
    [result] = run(fleet, check=True, diff=True).values()
    assert result.outcome.value == "would_change"
    assert result.runtimes[0].changed == (PATH,)
    assert result.runtimes[0].diff == (PATH, f"- insecure-registries: {REGISTRY.text}")
    assert [what for what, _, _ in fleet.log] == ["check"]


def test_a_failed_restart_leaves_the_setting() -> None:
    fleet = insecure_fleet(1, restart="rolled_back", restored=True)
    [result] = run(fleet).values()
    assert result.outcome.value == "rolled_back"
    assert not fleet.names("retire")


def test_declined_restarts_keep_no_setting() -> None:
    fleet = insecure_fleet(2, running=3)
    results = run(fleet, confirm=lambda plan: False)
    assert [result.outcome.value for result in results.values()] == ["changed"] * 2
    assert not fleet.names("restart") and len(fleet.names("retire")) == 2


def test_it_is_a_phase_of_its_own() -> None:
    seen: list[Event] = []
    run(insecure_fleet(3), watcher=seen.append)
    phases = [event for event in seen if isinstance(event, PhaseStarted)]
    assert [(one.phase, one.hosts) for one in phases] == [
        ("place", 3),
        ("restart", 3),
        ("retire", 3),
    ]


def judged(told: SettingsReport | None, said: str = "", name: str = "docker") -> Any:
    report = RuntimeReport(name, verification=said, settings=told)
    return retirement(report, (REGISTRY, ALIAS))


def test_every_name_of_the_registry_goes_and_no_other() -> None:
    listed = settings(f"HTTP://{REGISTRY.text}", ALIAS.text, "10.0.0.0/8", "other:1")
    found = judged(listed, says(REGISTRY.text, ALIAS.text))
    assert isinstance(found, Retirement)
    assert found.entries == (f"HTTP://{REGISTRY.text}", ALIAS.text)
    assert found.references == (REGISTRY, ALIAS)
    assert found.after == file_with("10.0.0.0/8", "other:1")
    assert SECRET not in repr(found)


def test_an_entry_that_counts_from_the_next_start_goes_too() -> None:
    found = judged(settings(ALIAS.text), says())
    assert isinstance(found, Retirement) and found.references == (ALIAS,)


def test_what_an_earlier_run_left_unfinished_is_finished() -> None:
    found = judged(settings("other:1", unfinished=True), says())
    assert isinstance(found, Retirement)
    assert (found.entries, found.before) == ((), found.after)
    found = judged(settings("other:1"), says(REGISTRY.text))
    assert isinstance(found, Retirement) and found.references == (REGISTRY,)


@pytest.mark.parametrize(
    ("told", "word"),
    [
        (settings("o:1", flags=(REGISTRY.text,)), "--insecure-registry registry.lab:5000"),
        (settings(kind="link", content=b""), "symlink"),
        (settings(kind="other", content=b""), "no file"),
        (settings(content=b"{"), "not valid JSON"),
        (settings(content=b'{"debug": true}'), "no such list any more"),
        (settings(content=b" " * 65536), "larger than 64 KiB"),
        (settings(kind="missing", content=b""), "no such list any more"),
        (settings(REGISTRY.text, running=False), "does not run"),
    ],
)
def test_what_cannot_be_taken_out_is_named_with_the_cure(told: SettingsReport, word: str) -> None:
    found = judged(told, says(REGISTRY.text))
    assert isinstance(found, Problem)
    assert word in found.message and found.hint


def test_what_does_not_concern_the_registry_is_no_business_of_certkits() -> None:
    for told in (
        settings("other:1"),
        settings(kind="link", content=b""),
        settings(content=b"{"),
        settings(flags=("other:1",)),
        settings(kind="missing", content=b""),
    ):
        assert judged(told, says("other:1")) is None
    assert judged(None, "{}", "podman") is None


def test_podmans_setting_is_named_and_left() -> None:
    said = json.dumps({"registries": {REGISTRY.text: {"Insecure": True}}})
    found = judged(None, said, "podman")
    assert isinstance(found, Problem) and "registries.conf" in found.message


def test_networks_are_named_with_what_lies_in_them() -> None:
    report = RuntimeReport(
        "docker", verification=says(networks=("127.0.0.0/8", "::1/128", "10.0.0.0/8", "fd00::/8"))
    )
    first, second = network_notes(report, (REGISTRY,), ("10.1.2.3",))
    assert first.startswith("10.0.0.0/8 stays") and "10.1.2.3 lies in it" in first
    assert second.startswith("fd00::/8 stays") and "lies in it" not in second
    address = RegistryReference.parse("10.9.9.9:5000")
    assert "10.9.9.9 lies in it" in network_notes(report, (address,))[0]
    for listed in (
        "",
        "[]",
        "{}",
        '{"InsecureRegistryCIDRs": 5}',
        '{"InsecureRegistryCIDRs": [5]}',
    ):
        assert network_notes(RuntimeReport("docker", verification=listed), (REGISTRY,)) == ()
