from __future__ import annotations

from typing import Any

from certkit.errors import ExitCode
from certkit.fleet.distribute import distribute
from certkit.fleet.plan import DistributeOptions
from certkit.fleet.report import FleetReport, HostResult
from certkit.runtimes.state import removal
from tests.unit.fleet.fakes import PATH, STATE, FakeFleet, fleet_of


def run(fleet: FakeFleet, policy: Any = "changed", **changes: Any) -> list[HostResult]:
    targets = fleet.targets(policy, removal(STATE))
    return distribute(targets, fleet, DistributeOptions(**changes), talk=fleet)


def exit_code(results: list[HostResult], *, check: bool = False) -> ExitCode:
    return FleetReport("remove", "r", check, (), results).exit_code


def test_files_go_first_then_daemons_restart_in_waves() -> None:
    fleet = fleet_of(9, trusted=True)
    results = run(fleet)
    assert {one.outcome.value for one in results} == {"changed"}
    assert all(one.runtimes[0].changed == (PATH,) for one in results)
    assert [what for what, _, _ in fleet.log if what != "restarted"] == ["place"] * 9 + [
        "restart"
    ] * 9
    assert not any(machine.trusted for machine in fleet.machines.values())
    again = run(fleet)
    assert {one.outcome.value for one in again} == {"unchanged"}
    assert exit_code(again) is ExitCode.DONE


def test_a_check_tells_and_a_diff_describes() -> None:
    fleet = fleet_of(2, trusted=True)
    results = run(fleet, check=True, diff=True)
    assert {one.outcome.value for one in results} == {"would_change"}
    assert exit_code(results, check=True) is ExitCode.ATTENTION
    assert results[0].runtimes[0].diff == (f"{PATH} (goes)", "- 7 bytes that are no certificates")
    assert all(machine.trusted for machine in fleet.machines.values())


def test_a_foreign_file_is_no_failure() -> None:
    fleet = fleet_of(1, foreign=True)
    [result] = run(fleet, diff=True)
    assert (result.outcome.value, result.error) == ("unchanged", None)
    assert "left" in result.runtimes[0].diff[0]


def test_a_host_without_a_runtime_has_nothing_to_remove() -> None:
    fleet = fleet_of(1, absent=True)
    [result] = run(fleet)
    assert (result.outcome.value, result.error) == ("unchanged", None)


def test_a_canary_that_does_not_come_back_gets_its_file_back_and_ends_the_run() -> None:
    fleet = fleet_of(5, trusted=True)
    fleet.machines["web-01"].restart = "rolled_back"
    results = run(fleet)
    assert [one.outcome.value for one in results] == ["rolled_back"] + ["skipped"] * 4
    assert fleet.machines["web-01"].trusted
    assert exit_code(results) is ExitCode.FAILED
