"""Hosts that share a password: one login at a time, and dead hosts hold up nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from certkit.errors import ErrorKind
from certkit.fleet import crew, gate
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
    return [one._replace(host=replace(one.host, password=secret)) for one in fleet.targets("never")]


def goes_first(fleet: FakeFleet) -> Machine:
    """The first machine: the others do not answer before its login begins."""
    first, *others = fleet.machines.values()
    begun, connect = threading.Event(), fleet.connect
    for machine in others:
        machine.reach = (None, begun)

    def noted(host: Any, before_login: Any = None) -> Any:
        def login() -> None:
            before_login()
            begun.set()

        return connect(host, before_login and login)

    fleet.connect = noted  # type: ignore[method-assign]
    return first


def while_placing(fleet: FakeFleet, machine: Machine, act: Callable[[], object]) -> None:
    """Have something done while a machine's files are placed."""
    place = fleet.place

    def acting(connection: Any, *args: Any, **kwargs: Any) -> Any:
        if fleet.machines[connection.name] is machine:
            act()
        return place(connection, *args, **kwargs)

    fleet.place = acting  # type: ignore[method-assign]


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
    monkeypatch.setattr(crew, "_BACKOFF", 0.001)
    fleet = fleet_of(9)
    connect, done = fleet.connect, threading.Event()
    for machine in list(fleet.machines.values())[:8]:
        machine.connect = [unreachable(retryable=True) for _ in range(3)]

    def once(host: Any, before_login: Any = None) -> Any:
        if host.name in fleet.connects:
            assert done.wait(60), "the live host waited for a second try"
        return connect(host, before_login)

    def watch(event: Event) -> None:
        if isinstance(event, HostFinished):
            done.set()

    fleet.connect = once  # type: ignore[method-assign]
    outcomes, events = run(fleet, watch)
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
    # Each of them is given up only while all are waited for, and once the others are done.
    others_done, side_by_side = threading.Event(), threading.Barrier(10)
    connect, finished = fleet.connect, []
    for machine in list(fleet.machines.values())[:10]:
        machine.reach = (unreachable(), others_done)

    def together(host: Any, before_login: Any = None) -> Any:
        if fleet.machines[host.name].reach[0] is not None:
            side_by_side.wait(60)
        return connect(host, before_login)

    def watch(event: Event) -> None:
        if isinstance(event, HostFinished):
            finished.append(event.result.outcome.value)
            if len(finished) == 10:
                others_done.set()

    fleet.connect = together  # type: ignore[method-assign]
    outcomes, _ = run(fleet, watch)
    assert outcomes == ["unreachable"] * 10 + ["changed"] * 10
    assert sorted(fleet.connects) == list(fleet.machines)[10:]
    assert finished == ["changed"] * 10 + ["unreachable"] * 10


def test_a_host_that_dies_between_the_look_and_the_login_lets_others_go() -> None:
    fleet = fleet_of(3)
    next(iter(fleet.machines.values())).connect = [unreachable()]
    assert run(fleet)[0] == ["unreachable", "changed", "changed"]


def test_hosts_that_wait_are_skipped_soon_after_a_stop() -> None:
    fleet = fleet_of(8)
    slow = goes_first(fleet)
    stop, others_done = Stop(), threading.Event()
    ended: list[str] = []
    timer = threading.Timer(0.3, lambda: stop.request("interrupted", interrupted=True))

    def stop_and_wait() -> None:
        # The others are in line by then, most likely; it ends the same where they are not.
        timer.start()
        assert others_done.wait(60), "those in line waited for the host that goes first"

    def watch(event: Event) -> None:
        if isinstance(event, HostFinished):
            ended.append(event.result.name)
            if len(ended) == 7:
                others_done.set()

    while_placing(fleet, slow, stop_and_wait)
    outcomes, _ = run(fleet, watch, stop)
    timer.join()
    assert outcomes == ["changed"] + ["skipped"] * 7
    first, *others = list(fleet.machines)
    assert (sorted(ended[:7]), ended[7:]) == (others, [first])
    assert list(fleet.connects) == [first]


def test_who_waits_keeps_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_BACKOFF", 0.05)
    now, looks, in_line = 0.0, 0, threading.Event()

    def look() -> float:
        """The first host looks before and after its turn, and then the second before its own."""
        nonlocal looks
        at, looks = now, looks + 1
        if looks == 3:
            in_line.set()
        return at

    def let_it_wait() -> None:
        nonlocal now
        assert in_line.wait(60)
        now += 1.5

    monkeypatch.setattr(gate, "time", SimpleNamespace(monotonic=look))
    monkeypatch.setattr(crew, "time", SimpleNamespace(monotonic=lambda: now))
    fleet = fleet_of(2)
    while_placing(fleet, goes_first(fleet), let_it_wait)
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
