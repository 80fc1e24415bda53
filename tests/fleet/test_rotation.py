"""An authority replaced on real machines while every host pulls: no pull fails for trust."""

from __future__ import annotations

import pytest

from tests.fleet.conftest import Fleet
from tests.fleet.operator import FAILED, Operator, daemon_pid
from tests.fleet.rotating import (
    TRUST,
    Pulls,
    clock,
    leftovers,
    operating,
    registry_starts,
    rotate,
    served,
    stands,
    trusted,
)

# Two cores for five machines that pull all the while, and perhaps for other work as well.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def operator(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    return operating(fleet, tmp_path_factory.mktemp("rotation"))


def test_no_pull_fails_for_trust_through_a_whole_rotation(fleet: Fleet, operator: Operator) -> None:
    old, leaf, since = fleet.hosts[0].read(TRUST), served(fleet.registry), clock(fleet.registry)
    daemons = {one.name: daemon_pid(one) for one in fleet.hosts}
    with Pulls(fleet.hosts) as pulls:
        pulls.succeed()
        told = rotate(operator, "start")
        assert "wait that long before you switch" in told.stderr
        stands(operator, "started")
        assert {trusted(one) for one in fleet.hosts} == {2}
        assert served(fleet.registry) == leaf
        pulls.succeed()
        rotate(operator, "switch")
        stands(operator, "switched")
        new_leaf = served(fleet.registry)
        pulls.succeed()
        rotate(operator, "finish")
        stands(operator, "finished")
        pulls.succeed()
    assert pulls.for_trust() == []
    assert new_leaf != leaf and served(fleet.registry) == new_leaf
    assert registry_starts(fleet.registry, since) == 1
    for one in fleet.hosts:
        assert daemon_pid(one) != daemons[one.name], "nothing was shown about restarts"
        assert one.read(TRUST) != old and trusted(one) == 1
    assert leftovers(fleet) == {}
    operator.fleet("verify")


def test_back_from_every_point_no_pull_fails(fleet: Fleet, operator: Operator) -> None:
    """A gate that a host keeps closed on the way, and two ways back."""
    old, leaf, host = fleet.hosts[0].read(TRUST), served(fleet.registry), fleet.hosts[1]
    with Pulls(fleet.hosts) as pulls:
        rotate(operator, "start", "--restart", "never")
        rotate(operator, "abort", "--restart", "never")
        stands(operator, "aborted")
        assert {one.read(TRUST) for one in fleet.hosts} == {old}

        rotate(operator, "start", "--restart", "never")
        host.write(TRUST, old)
        refused = rotate(operator, "switch", expect=FAILED)
        assert host.name in refused.stderr
        assert "does not trust the new authority" in refused.stderr
        report = stands(operator, "started")
        assert [one["name"] for one in report["hosts"] if one["lacks"]] == [host.name]
        assert report["next"] == "certkit rotate start"
        assert served(fleet.registry) == leaf
        rotate(operator, "start", "--restart", "never", "--force")
        rotate(operator, "switch")
        pulls.succeed(2)
        assert served(fleet.registry) != leaf
        rotate(operator, "abort", "--restart", "never")
        stands(operator, "aborted")
        pulls.succeed(2)
    assert pulls.for_trust() == []
    assert served(fleet.registry) == leaf
    assert {one.read(TRUST) for one in fleet.hosts} == {old}
    assert leftovers(fleet) == {}
    operator.fleet("verify")
