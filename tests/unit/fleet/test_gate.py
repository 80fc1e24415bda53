"""Hosts that share a password: one login at a time, and dead hosts hold up nobody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from certkit.errors import ErrorKind
from certkit.fleet import job
from certkit.fleet.distribute import distribute
from certkit.fleet.events import Event, HostFinished, HostRetrying
from certkit.fleet.plan import DistributeOptions, Target
from certkit.secret import Secret
from certkit.transport.faults import LostAtLogin
from tests.unit.fleet.fakes import FakeFleet, fleet_of, unreachable, wrong_password


def sharing(fleet: FakeFleet) -> list[Target]:
    secret = Secret("x")
    return [replace(one, host=replace(one.host, password=secret)) for one in fleet.targets("never")]


def run(fleet: FakeFleet) -> tuple[list[str], list[Event]]:
    events: list[Event] = []
    talk: Any = fleet
    results = distribute(
        sharing(fleet),
        fleet,
        DistributeOptions(),
        talk=talk,
        watcher=lambda event: events.append(event),
    )
    return [result.outcome.value for result in results], events


def test_the_live_host_behind_dead_ones_waits_for_no_second_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job, "_BACKOFF", 0.2)
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
    monkeypatch.setattr(job, "_BACKOFF", 0.001)
    fleet = fleet_of(40)
    for number, machine in enumerate(fleet.machines.values()):
        dead = [unreachable(retryable=True)] if number % 2 == 0 else []
        machine.connect = [*dead, wrong_password()]
    outcomes, _ = run(fleet)
    assert outcomes.count("failed") == 1
    assert set(outcomes) <= {"failed", "unreachable", "skipped"}


def test_nobody_else_goes_while_a_login_may_have_been_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job, "_BACKOFF", 0.05)
    fleet = fleet_of(5)
    first = next(iter(fleet.machines.values()))
    lost = LostAtLogin(ErrorKind.NETWORK, "closed it", retryable=True, unreachable=True)
    first.connect = [lost, wrong_password()]
    outcomes, _ = run(fleet)
    assert outcomes == ["failed"] + ["skipped"] * 4
    assert len(fleet.connects) == 1
