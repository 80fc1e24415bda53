from __future__ import annotations

import threading
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certkit.errors import ErrorKind, ExitCode, HostError
from certkit.fleet import crew
from certkit.fleet.distribute import distribute
from certkit.fleet.events import Event, HostFinished, HostRetrying, RunStopping, WaveStarted
from certkit.fleet.plan import DistributeOptions, RestartPlan
from certkit.fleet.report import FleetReport, HostResult, Outcome
from certkit.fleet.stop import Stop
from certkit.fleet.waves import Share, WavePlan
from certkit.remote.report import FileReport, RuntimeReport
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.state import RuntimeChoice
from certkit.secret import Secret
from tests.unit.fleet.fakes import (
    PATH,
    REGISTRY,
    FakeFleet,
    Machine,
    fleet_of,
    unreachable,
    wrong_password,
)


@pytest.fixture(autouse=True)
def quick_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_BACKOFF", 0.001)


def run(fleet: FakeFleet, policy: Any = "changed", **changes: Any) -> dict[str, HostResult]:
    keywords = {key: changes.pop(key) for key in ("watcher", "stop", "confirm") if key in changes}
    targets = changes.pop("targets", None) or fleet.targets(policy)
    results = distribute(targets, fleet, DistributeOptions(**changes), talk=fleet, **keywords)
    assert [result.name for result in results] == [target.host.name for target in targets]
    assert fleet.open == 0, "a connection was left open"
    return {result.name: result for result in results}


def outcomes(results: dict[str, HostResult]) -> list[str]:
    return [result.outcome.value for result in results.values()]


def exit_code(results: dict[str, HostResult], *, check: bool = False) -> ExitCode:
    return FleetReport("distribute", "r", check, (), list(results.values())).exit_code


def test_all_hosts_are_placed_before_the_first_daemon_is_restarted() -> None:
    fleet = fleet_of(9)
    results = run(fleet)
    assert outcomes(results) == ["changed"] * 9
    assert all(result.runtimes[0].restarted for result in results.values())
    what = [event for event, _, _ in fleet.log if event in ("place", "restart")]
    assert what == ["place"] * 9 + ["restart"] * 9
    assert exit_code(results) is ExitCode.DONE


def test_a_second_run_changes_and_restarts_nothing() -> None:
    fleet = fleet_of(5)
    run(fleet)
    fleet.log.clear()
    results = run(fleet)
    assert outcomes(results) == ["unchanged"] * 5
    assert fleet.names("restart") == []


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 14),
    sizes=st.lists(
        st.one_of(st.integers(1, 5).map(str), st.integers(1, 100).map(lambda n: f"{n}%")),
        min_size=1,
        max_size=4,
    ),
    parallel=st.integers(1, 8),
)
def test_waves_never_overlap_and_never_exceed_parallel(
    count: int, sizes: list[str], parallel: int
) -> None:
    fleet = fleet_of(count, seconds=0.001, place_seconds=0.001)
    waves: list[tuple[str, ...]] = []

    def watch(event: Event) -> None:
        if isinstance(event, WaveStarted):
            waves.append(event.hosts)

    run(fleet, waves=WavePlan.parse(sizes), parallel=parallel, watcher=watch)
    assert [name for wave in waves for name in wave] == list(fleet.machines)
    assert fleet.most_busy <= parallel
    ends = {name: at for event, name, at in fleet.log if event == "restarted"}
    starts = {name: at for event, name, at in fleet.log if event == "restart"}
    for before, after in pairwise(waves):
        assert max(ends[name] for name in before) <= min(starts[name] for name in after)


@settings(max_examples=40, deadline=None)
@given(
    broken=st.sets(st.integers(0, 11), max_size=6),
    limit=st.one_of(st.none(), st.integers(0, 4)),
)
def test_no_wave_begins_after_the_budget_is_spent(broken: set[int], limit: int | None) -> None:
    fleet = fleet_of(12)
    for number in broken:
        list(fleet.machines.values())[number].restart = "rolled_back"
    share = None if limit is None else Share(limit)
    results = run(fleet, waves=WavePlan.parse("1,3"), max_fail=share, parallel=1)
    failed = [name for name, result in results.items() if result.outcome is Outcome.ROLLED_BACK]
    skipped = [name for name, result in results.items() if result.outcome is Outcome.SKIPPED]
    # 12 hosts to restart: 10 % of them is one.
    allowed = (1 if limit is None else limit) + 1
    assert len(failed) <= allowed
    if 0 in broken and limit is None:
        assert fleet.names("restart") == ["web-01"]
        assert "canary" in (results["web-02"].error or pytest.fail()).message
    assert not set(skipped) & set(fleet.names("restart"))
    # Whoever was skipped has its files, and the report says so.
    assert all(results[name].runtimes[0].changed == (PATH,) for name in skipped)
    assert all(results[name].error is not None for name in skipped)
    assert exit_code(results) is (ExitCode.FAILED if failed else ExitCode.DONE)


def test_a_rolled_back_host_tells_its_journal_and_keeps_nothing_changed() -> None:
    fleet = fleet_of(2)
    fleet.machines["web-02"].restart = "rolled_back"
    result = run(fleet)["web-02"]
    assert result.outcome is Outcome.ROLLED_BACK
    assert result.error is not None and result.error.kind is ErrorKind.DAEMON
    assert "dockerd: failed to start" in result.runtimes[0].notes
    assert result.runtimes[0].changed == ()


@pytest.mark.parametrize(
    ("restored", "told"),
    [
        (None, "did not come back"),
        (True, "did not come back, not even on its old files"),
        (False, "did not come back, and not all of its old files could be put back"),
    ],
)
def test_a_daemon_that_stays_down_is_a_failure(restored: bool | None, told: str) -> None:
    result = run(fleet_of(1, restart="rollback_failed", restored=restored))["web-01"]
    assert result.outcome is Outcome.FAILED
    assert result.error is not None and result.error.message == f"restarted docker, which {told}"
    assert "the next `certkit distribute` starts it" in result.error.hint


def test_a_daemon_that_came_up_on_the_new_files_is_told_as_up() -> None:
    result = run(fleet_of(1, restart="stuck", restored=False))["web-01"]
    assert result.outcome is Outcome.FAILED and result.runtimes[0].changed == (PATH,)
    assert result.error is not None
    assert "; it runs, and not all of its old files could be put back" in result.error.message
    assert "restarts it once more" in result.error.hint


def test_hosts_that_are_gone_do_not_stop_the_rest() -> None:
    fleet = fleet_of(6)
    fleet.machines["web-01"].connect = [unreachable()]
    fleet.machines["web-04"].connect = [unreachable()]
    results = run(fleet)
    assert [name for name, r in results.items() if r.outcome is Outcome.UNREACHABLE] == [
        "web-01",
        "web-04",
    ]
    assert sum(r.outcome is Outcome.CHANGED for r in results.values()) == 4


def test_unreachable_hosts_count_against_max_fail() -> None:
    fleet = fleet_of(10)
    for name in ("web-01", "web-02", "web-03"):
        fleet.machines[name].connect = [unreachable()]
    results = run(fleet, max_fail=Share(20, percent=True), parallel=1)
    assert outcomes(results) == ["unreachable"] * 3 + ["skipped"] * 7
    assert fleet.names("restart") == []
    assert "--max-fail 20%" in (results["web-10"].error or pytest.fail()).message


def test_only_passing_failures_are_tried_again() -> None:
    fleet = fleet_of(3)
    fleet.machines["web-01"].connect = [unreachable(retryable=True)] * 2
    fleet.machines["web-02"].connect = [unreachable(retryable=True)] * 3
    fleet.machines["web-03"].connect = [unreachable()] * 3
    retried: list[HostRetrying] = []
    results = run(
        fleet,
        retries=2,
        watcher=lambda event: retried.append(event) if isinstance(event, HostRetrying) else None,
    )
    assert outcomes(results) == ["changed", "unreachable", "unreachable"]
    assert fleet.connects == {"web-01": 3, "web-02": 3, "web-03": 1}
    assert sorted(event.name for event in retried) == ["web-01"] * 2 + ["web-02"] * 2


@pytest.mark.parametrize("after", [True, False])
def test_a_link_lost_in_a_restart_is_found_out_about(after: bool) -> None:
    fleet = fleet_of(1, cut=1, cut_after=after)
    results = run(fleet)
    assert outcomes(results) == ["changed"]
    assert results["web-01"].runtimes[0].restarted
    # A restart that was through is not done twice.
    assert fleet.names("restart") == ["web-01"] * (1 if after else 2)


def test_a_link_lost_in_a_rollback_is_found_out_about() -> None:
    fleet = fleet_of(1, cut=1, restart="rolled_back")
    assert outcomes(run(fleet)) == ["rolled_back"]


def test_nor_is_a_rollback_that_could_not_end_told_as_one() -> None:
    fleet = fleet_of(1, cut=1, restart="stuck", restored=False)
    result = run(fleet)["web-01"]
    assert result.outcome is Outcome.FAILED and result.error is not None
    assert "not all of its old files could be put back" in result.error.message
    assert fleet.names("restart") == ["web-01"] * 2


@pytest.mark.parametrize("after", [True, False])
def test_always_does_not_take_a_lost_link_for_a_restart(after: bool) -> None:
    fleet = fleet_of(1, trusted=True, cut=1, cut_after=after)
    result = run(fleet, "always")["web-01"]
    assert fleet.names("restart") == ["web-01"] * 2
    assert result.runtimes[0].restarted
    assert "may have had two" in " ".join(result.runtimes[0].notes)


def test_a_link_that_stays_lost_says_that_a_restart_was_under_way() -> None:
    fleet = fleet_of(1, cut=1)
    connect = fleet.connect

    def once(host: Any, before_login: Any = None) -> Any:
        if fleet.names("restart"):
            raise unreachable()
        return connect(host)

    fleet.connect = once  # type: ignore[method-assign]
    result = run(fleet)["web-01"]
    assert result.outcome is Outcome.FAILED and not result.runtimes[0].restarted
    assert "lost in a restart" in " ".join(result.runtimes[0].notes)


def test_what_another_run_restarted_is_not_restarted_again() -> None:
    fleet = fleet_of(1, meanwhile="restarted")
    result = run(fleet)["web-01"]
    assert fleet.names("restart") == []
    assert (result.outcome, result.error) == (Outcome.CHANGED, None)
    assert not result.runtimes[0].restarted
    [note] = result.runtimes[0].notes
    assert "another run, or somebody by hand, saw to it" in note
    assert run(fleet_of(1, meanwhile="restarted"), "always")["web-01"].runtimes[0].restarted


def test_what_another_run_rolled_back_or_replaced_is_no_success() -> None:
    result = run(fleet_of(1, meanwhile="rolled_back"))["web-01"]
    assert result.outcome is Outcome.FAILED and result.runtimes[0].changed == ()
    assert result.error is not None and result.error.kind is ErrorKind.CONFLICT
    assert "another run restarted docker meanwhile" in result.error.message


def test_a_restart_command_that_fails_is_no_dead_daemon() -> None:
    machine = {"restart": "rolled_back", "reason": "command", "restored": True}
    result = run(fleet_of(1, **machine))["web-01"]
    assert result.outcome is Outcome.ROLLED_BACK and result.runtimes[0].changed == ()
    assert result.error is not None
    assert "the command that should restart docker failed" in result.error.message
    assert "did not come back" not in result.error.message


@pytest.mark.parametrize("restored", [True, False])
def test_files_that_were_put_back_are_not_reported_as_changed(restored: bool) -> None:
    result = run(fleet_of(1, restart="rollback_failed", restored=restored))["web-01"]
    assert result.outcome is Outcome.FAILED
    assert result.runtimes[0].changed == (() if restored else (PATH,))


def test_a_wrong_password_is_tried_on_one_host_only() -> None:
    fleet = fleet_of(40, place_seconds=0.002)
    for machine in fleet.machines.values():
        machine.connect = [wrong_password()]
    targets = [
        type(t)(
            type(t.host)(name=t.host.name, address="a", user="u", password=Secret("x")), t.state
        )
        for t in fleet.targets()
    ]
    results = run(fleet, targets=targets)
    # Whichever of the threads came first.
    assert list(fleet.connects.values()) == [1]
    assert sorted(outcomes(results)) == ["failed"] + ["skipped"] * 39


def test_a_password_that_was_accepted_lets_all_go_at_once() -> None:
    fleet = fleet_of(12)
    targets = [
        type(t)(
            type(t.host)(name=t.host.name, address="a", user="u", password=Secret("x")), t.state
        )
        for t in fleet.targets("never")
    ]
    place, all_others = fleet.place, threading.Barrier(11)

    def place_together(*args: Any, **kwargs: Any) -> Any:
        if len(fleet.connects) > 1:
            all_others.wait(60)
        return place(*args, **kwargs)

    fleet.place = place_together  # type: ignore[method-assign]
    assert set(outcomes(run(fleet, targets=targets))) == {"changed"}


@pytest.mark.parametrize(
    ("policy", "machine", "restarted", "said"),
    [
        ("changed", Machine(), True, ""),
        ("changed", Machine(trusted=True), False, ""),
        ("changed", Machine(running=3), True, ""),
        ("always", Machine(trusted=True), True, ""),
        ("never", Machine(), False, "--restart never"),
        ("safe", Machine(running=3), False, "3 running containers"),
        ("safe", Machine(running=1), False, "1 running container"),
        ("safe", Machine(running=3, live_restore=True), True, ""),
        ("safe", Machine(running=None), False, "could not tell"),
        ("safe", Machine(), True, ""),
        ("always", Machine(trusted=True, daemon=False), False, "did not answer and was left alone"),
        ("changed", Machine(daemon=None), False, ""),
    ],
)
def test_policies(policy: Any, machine: Machine, restarted: bool, said: str) -> None:
    if machine.daemon is False:
        machine.due = False
    result = run(FakeFleet({"a": machine}), policy)["a"]
    assert result.runtimes[0].restarted is restarted
    assert said in " ".join(result.runtimes[0].notes)
    assert result.error is None


def test_safe_leaves_the_restart_due_for_a_later_run() -> None:
    fleet = fleet_of(1, running=2)
    assert outcomes(run(fleet, "safe")) == ["changed"]
    fleet.machines["web-01"].running = 0
    result = run(fleet, "safe")["web-01"]
    assert result.outcome is Outcome.CHANGED and result.runtimes[0].restarted


def test_a_check_changes_nothing_and_asks_for_attention() -> None:
    fleet = fleet_of(3)
    fleet.machines["web-02"].trusted = True
    results = run(fleet, check=True)
    assert outcomes(results) == ["would_change", "unchanged", "would_change"]
    assert "would be restarted" in results["web-01"].runtimes[0].notes
    assert fleet.names("restart") == [] and not fleet.machines["web-01"].trusted
    assert exit_code(results, check=True) is ExitCode.ATTENTION


def test_a_foreign_file_is_a_conflict_and_stands() -> None:
    fleet = fleet_of(2, foreign=True)
    result = run(fleet)["web-01"]
    assert result.outcome is Outcome.FAILED
    assert result.error is not None and result.error.kind is ErrorKind.CONFLICT
    assert PATH in result.error.message and "--force" in result.error.hint
    assert outcomes(run(fleet, force=True)) == ["changed"] * 2


MALLORY = RuntimeReport(
    "docker-rootless",
    "mallory",
    nested=True,
    problem=HostError(ErrorKind.CONFLICT, "/home/mallory/x is a symlink", "replace it"),
)
IN_THE_WAY = RuntimeReport(
    "docker-rootless",
    "mallory",
    nested=True,
    daemon=True,
    restart_due=True,
    files=(FileReport("/home/mallory/ca.crt", "foreign", b"x", ("content",)),),
)


@pytest.mark.parametrize("beside", [MALLORY, IN_THE_WAY])
@pytest.mark.parametrize("policy", ["changed", "never"])
def test_a_users_own_runtime_keeps_nobody_from_restarting_roots(
    policy: Any, beside: RuntimeReport
) -> None:
    state = desired_state((REGISTRY,), b"bundle\n", RuntimeChoice(("docker", "docker-rootless")))
    fleet = fleet_of(1, beside=(beside,))
    result = run(fleet, targets=fleet.targets(policy, state))["web-01"]
    docker, mallory = result.runtimes
    assert docker.changed == (PATH,) and docker.restarted is (policy == "changed")
    assert fleet.names("restart") == ["web-01"] * (policy == "changed")
    assert (mallory.name, mallory.restarted) == ("docker-rootless (mallory)", False)
    assert result.outcome is Outcome.FAILED
    assert result.error is not None and result.error.kind is ErrorKind.CONFLICT
    assert "mallory" in result.error.message
    assert result.error.message in mallory.notes
    checked = run(fleet, targets=fleet.targets(policy, state), check=True)["web-01"]
    assert checked.outcome is Outcome.FAILED and len(checked.runtimes) == 2


def test_a_host_without_a_runtime_is_told() -> None:
    result = run(fleet_of(1, absent=True))["web-01"]
    assert result.error is not None and result.error.kind is ErrorKind.DAEMON


def test_a_wrong_clock_is_told_of() -> None:
    fleet = fleet_of(2, clock=7200)
    fleet.machines["web-02"].clock = 120
    results = run(fleet)
    assert "2 h ahead" in " ".join(results["web-01"].runtimes[0].notes)
    assert "clock" not in " ".join(results["web-02"].runtimes[0].notes)


def test_the_operator_is_asked_once_with_the_numbers() -> None:
    fleet = fleet_of(5, running=0)
    fleet.machines["web-02"].running = 3
    fleet.machines["web-03"].running = 4
    fleet.machines["web-04"].running = None
    plans: list[RestartPlan] = []

    def decline(plan: RestartPlan) -> bool:
        assert fleet.names("restart") == []
        plans.append(plan)
        return False

    results = run(fleet, confirm=decline)
    [plan] = plans
    assert plan.disturbs and len(plan.hosts) == 5
    assert plan.containers == {"web-02": 3, "web-03": 4} and plan.unknown == ("web-04",)
    assert fleet.names("restart") == []
    assert outcomes(results) == ["changed"] * 5
    assert "declined" in " ".join(results["web-01"].runtimes[0].notes)


def test_an_interruption_finishes_what_is_in_flight_and_skips_the_rest() -> None:
    fleet = fleet_of(6)
    stop, restart = Stop(), fleet.restart
    both_in_flight = threading.Barrier(2, action=lambda: stop.request("by hand", interrupted=True))

    def restart_second_wave_together(connection: Any, *args: Any, **kwargs: Any) -> Any:
        if connection.name in ("web-02", "web-03"):
            both_in_flight.wait(60)
        return restart(connection, *args, **kwargs)

    fleet.restart = restart_second_wave_together  # type: ignore[method-assign]
    stopping: list[Event] = []
    results = run(
        fleet,
        waves=WavePlan.parse("1,2"),
        stop=stop,
        watcher=lambda event: stopping.append(event) if isinstance(event, RunStopping) else None,
    )
    assert outcomes(results) == ["changed"] * 3 + ["skipped"] * 3
    assert sorted(fleet.names("restarted")) == sorted(fleet.names("restart"))
    assert len(stopping) == 1
    error = results["web-06"].error
    assert error is not None and error.kind is ErrorKind.INTERRUPTED
    # Not every command that restarts has an option of that name; all can be run again.
    assert "same command again" in error.hint and "--" not in error.hint


def test_an_interruption_at_the_question_is_no_answer() -> None:
    fleet = fleet_of(2, running=1)
    stop = Stop()

    def interrupt(plan: RestartPlan) -> bool:
        stop.request("by hand", interrupted=True)
        return False

    assert outcomes(run(fleet, confirm=interrupt, stop=stop)) == ["skipped"] * 2


def test_what_stops_a_part_of_the_run_and_what_all_of_it() -> None:
    whole = Stop()
    first, second = whole.part(), whole.part()
    first.request("too many failed")
    assert first.requested() and not whole.requested() and not second.requested()
    second.request("a password was refused", whole=True)
    assert whole.reason == second.reason and not whole.interrupted
    whole.request("by hand", interrupted=True)
    assert first.interrupted and first.reason == "too many failed"
    assert whole.part().interrupted


def test_the_run_deadline_keeps_new_hosts_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = fleet_of(8)
    place, stopping, now = fleet.place, threading.Event(), [0.0]
    both_started = threading.Barrier(2, action=lambda: now.append(0.3))
    monkeypatch.setattr(crew, "time", SimpleNamespace(monotonic=lambda: now[-1]))

    def place_until_then(*args: Any, **kwargs: Any) -> Any:
        both_started.wait(60)
        assert stopping.wait(60), "nobody looked at the clock"
        return place(*args, **kwargs)

    fleet.place = place_until_then  # type: ignore[method-assign]
    results = run(
        fleet,
        "never",
        parallel=2,
        run_timeout=0.2,
        watcher=lambda event: stopping.set() if isinstance(event, RunStopping) else None,
    )
    assert outcomes(results) == ["changed"] * 2 + ["skipped"] * 6
    assert exit_code(results) is ExitCode.FAILED


def test_the_host_deadline_ends_retrying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_BACKOFF", 10.0)
    fleet = fleet_of(1, connect=[unreachable(retryable=True)] * 5)
    assert outcomes(run(fleet, host_timeout=1, retries=5)) == ["unreachable"]
    # The next try would come 5 s later at the soonest.
    assert fleet.connects == {"web-01": 1}


def test_connections_wait_for_their_restart_up_to_a_bound() -> None:
    fleet = fleet_of(10)
    run(fleet, keep=4, parallel=2)
    assert fleet.most_open <= 4 + 2
    assert sum(fleet.connects.values()) == 10 + 6


def test_one_thousand_hosts_in_a_sliding_window() -> None:
    fleet = FakeFleet({f"h{n:04}": Machine(trusted=True) for n in range(1000)})
    place, others_done = fleet.place, threading.Event()
    finished: list[str] = []

    def place_first_last(connection: Any, *args: Any, **kwargs: Any) -> Any:
        if connection.name == "h0000":
            assert others_done.wait(60), "the other hosts waited for a slow one"
        return place(connection, *args, **kwargs)

    def watch(event: Event) -> None:
        if isinstance(event, HostFinished):
            finished.append(event.result.name)
            if len(finished) == 999:
                others_done.set()

    fleet.place = place_first_last  # type: ignore[method-assign]
    run(fleet, watcher=watch)
    assert len(finished) == 1000 and finished[-1] == "h0000"


def test_a_defect_on_one_host_is_that_hosts_failure() -> None:
    fleet = fleet_of(3)
    place = fleet.place

    def broken(connection: Any, *args: Any, **kwargs: Any) -> Any:
        if connection.name == "web-02":
            raise ZeroDivisionError("boom")
        return place(connection, *args, **kwargs)

    fleet.place = broken  # type: ignore[method-assign]
    results = run(fleet)
    assert outcomes(results) == ["changed", "failed", "changed"]
    error = results["web-02"].error
    assert error is not None and error.kind is ErrorKind.INTERNAL and "boom" in error.message
