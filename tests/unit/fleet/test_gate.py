"""Hosts that share a password: one login at a time, and dead hosts hold up nobody."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from certkit.errors import ErrorKind
from certkit.fleet import crew
from certkit.fleet.distribute import distribute
from certkit.fleet.events import Event, HostFinished, HostRetrying, Watcher
from certkit.fleet.plan import DistributeOptions, Target
from certkit.fleet.report import HostResult
from certkit.fleet.stop import Stop
from certkit.secret import Secret
from certkit.transport.faults import LostAtLogin
from tests.unit.fleet.fakes import FakeFleet, Machine, fleet_of, unreachable, wrong_password


def sharing(fleet: FakeFleet) -> list[Target]:
    secret = Secret("x")
    return [replace(one, host=replace(one.host, password=secret)) for one in fleet.targets("never")]


def goes_first(fleet: FakeFleet) -> Machine:
    """The first machine, which answers sooner than the others."""
    first, *others = fleet.machines.values()
    for machine in others:
        machine.reach = (None, 0.3)
    return first


def run(
    fleet: FakeFleet,
    watch: Watcher = lambda event: None,
    stop: Stop | None = None,
    options: DistributeOptions | None = None,
) -> tuple[list[str], list[Event]]:
    events: list[Event] = []

    def watcher(event: Event) -> None:
        events.append(event)
        watch(event)

    talk: Any = fleet
    results = distribute(
        sharing(fleet),
        fleet,
        options or DistributeOptions(),
        talk=talk,
        watcher=watcher,
        stop=stop,
    )
    return [result.outcome.value for result in results], events


def test_the_live_host_behind_dead_ones_waits_for_no_second_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crew, "_BACKOFF", 0.2)
    fleet = fleet_of(9)
    for machine in list(fleet.machines.values())[:8]:
        machine.connect = [unreachable(retryable=True) for _ in range(3)]
    outcomes, events = run(fleet)
    assert outcomes == ["unreachable"] * 8 + ["changed"]
    told = [event for event in events if isinstance(event, HostRetrying | HostFinished)]
    done = next(at for at, one in enumerate(told) if isinstance(one, HostFinished))
    finished = told[done]
    assert isinstance(finished, HostFinished) and finished.result.outcome.value == "changed"
    assert all(one.attempt == 1 for one in told[:done] if isinstance(one, HostRetrying))


def test_after_dead_hosts_a_wrong_password_still_goes_to_one_host_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crew, "_BACKOFF", 0.001)
    fleet = fleet_of(40)
    for number, machine in enumerate(fleet.machines.values()):
        dead = [unreachable(retryable=True)] if number % 2 == 0 else []
        machine.connect = [*dead, wrong_password()]
    outcomes, _ = run(fleet)
    assert outcomes.count("failed") == 1
    assert set(outcomes) <= {"failed", "unreachable", "skipped"}


def test_hosts_that_do_not_answer_are_found_out_side_by_side_and_sent_nothing() -> None:
    fleet = fleet_of(20)
    for machine in list(fleet.machines.values())[:10]:
        machine.reach = (unreachable(), 1.0)
    began = time.monotonic()
    outcomes, events = run(fleet)
    assert outcomes == ["unreachable"] * 10 + ["changed"] * 10
    assert time.monotonic() - began < 4
    assert sorted(fleet.connects) == list(fleet.machines)[10:]
    # Nor did the others wait for them.
    ends = [event.result.outcome.value for event in events if isinstance(event, HostFinished)]
    assert ends == ["changed"] * 10 + ["unreachable"] * 10


def test_a_host_that_dies_between_the_look_and_the_login_lets_others_go() -> None:
    fleet = fleet_of(3)
    next(iter(fleet.machines.values())).connect = [unreachable()]
    assert run(fleet)[0] == ["unreachable", "changed", "changed"]


def test_hosts_that_wait_are_skipped_soon_after_a_stop() -> None:
    fleet = fleet_of(8)
    slow = goes_first(fleet)
    slow.place_seconds = 3
    stop = Stop()
    ended: dict[str, float] = {}

    def watch(event: Event) -> None:
        if isinstance(event, HostFinished):
            ended[event.result.name] = time.monotonic()

    timer = threading.Timer(0.5, lambda: stop.request("interrupted", interrupted=True))
    timer.start()
    outcomes, _ = run(fleet, watch, stop)
    timer.join()
    assert outcomes == ["changed"] + ["skipped"] * 7
    first, *others = list(fleet.machines)
    assert all(ended[first] - ended[name] > 1 for name in others)
    assert list(fleet.connects) == [first]


def test_who_waits_keeps_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_BACKOFF", 0.05)
    fleet = fleet_of(2)
    goes_first(fleet).place_seconds = 1.5
    second = list(fleet.machines.values())[1]
    second.connect = [unreachable(retryable=True)]
    results: list[HostResult] = []

    def watch(event: Event) -> None:
        if isinstance(event, HostFinished):
            results.append(event.result)

    outcomes, _ = run(fleet, watch, options=DistributeOptions(host_timeout=1))
    assert outcomes == ["changed", "changed"]
    assert next(one for one in results if one.name == list(fleet.machines)[1]).seconds < 1


def test_nobody_else_goes_while_a_login_may_have_been_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crew, "_BACKOFF", 0.05)
    fleet = fleet_of(5)
    first = goes_first(fleet)
    lost = LostAtLogin(ErrorKind.NETWORK, "closed it", retryable=True, unreachable=True)
    first.connect = [lost, wrong_password()]
    outcomes, _ = run(fleet)
    assert outcomes == ["failed"] + ["skipped"] * 4
    assert len(fleet.connects) == 1
