from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certkit.errors import InputError
from certkit.fleet.waves import DEFAULT_WAVES, Budget, Share, WavePlan


@given(st.integers(0, 3000), st.lists(st.integers(1, 100), min_size=1, max_size=5))
def test_every_host_is_in_exactly_one_wave(hosts: int, percents: list[int]) -> None:
    plan = WavePlan.parse([f"{percent}%" for percent in percents])
    waves = plan.split(range(hosts))
    assert [host for wave in waves for host in wave] == list(range(hosts))
    assert all(waves)


def test_the_default_begins_with_one_host() -> None:
    assert [len(wave) for wave in DEFAULT_WAVES.split(range(100))] == [1, 10, 50, 39]
    assert [len(wave) for wave in DEFAULT_WAVES.split(range(3))] == [1, 1, 1]


@pytest.mark.parametrize("text", ["", "0", "1,0%", "x", "-1", "101%", "1,,2", "1.5", "١"])
def test_waves_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="--wave"):
        WavePlan.parse(text)


def test_percentages_of_failures_round_down() -> None:
    budget = Budget(Share(10, percent=True), 19)
    assert budget.failed("a") == ""
    assert "2 hosts failed" in budget.failed("b")


def test_max_fail_0_stops_at_the_first() -> None:
    assert Budget(Share(0), 100).failed("a")


def test_without_max_fail_unreachable_hosts_never_stop_the_run() -> None:
    budget = Budget(None, 5)
    budget.to_restart = 5
    assert [budget.failed(name) for name in "abcd"] == [""] * 4
    assert "canary" in budget.failed("e", restarting=True, canary=True)
