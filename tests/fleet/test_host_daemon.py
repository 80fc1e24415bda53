"""A daemon that hangs, dies or is late, and a host that goes down: whole afterwards, and told of.

Each fault meets a host that has the trust of an earlier authority, while the new one is placed.
"""

from __future__ import annotations

import pytest

from tests.fleet.faulty import FOLDER, ON_NEW, STATE, TRUST, Ground
from tests.fleet.holding import HELD, HOLD, hold


def on_new(then: str, otherwise: str = ":") -> str:
    """A line for a unit: what is done where the daemon would start on the new trust."""
    return f"/bin/sh -c 'if {ON_NEW}; then {then}; else {otherwise}; fi'"


DYING = {
    "hangs": (["ExecStartPre=" + on_new("exec sleep 600")], "in time"),
    "dies": (["ExecStartPost=" + on_new("kill -9 $MAINPID; sleep 1")], "did not come back"),
    "start-limit": (
        ["ExecStartPre=" + on_new("exit 1"), "[Unit]", "StartLimitBurst=1"],
        "did not come back",
    ),
}


@pytest.mark.parametrize("name", DYING)
def test_a_daemon_that_does_not_come_back(ground: Ground, name: str) -> None:
    lines, text = DYING[name]
    if name == "hangs":
        # All of it is waited through; the daemon has to be back on its old trust in as much.
        ground.waits(12)
    with ground.unit(*lines):
        told = ground.distributes()
        assert (told["outcome"], told["error"]["kind"]) == ("rolled_back", "daemon"), told
        assert text in told["error"]["message"]
        assert ground.runs
        assert ground.stands == "old"
    ground.heals()


def test_a_daemon_that_starts_no_more_is_started_by_the_next_run(ground: Ground) -> None:
    """Certkit has left it down, on its old files: not somebody who wants it to stay so."""
    with ground.unit("ExecStartPre=/bin/false"):
        told = ground.distributes()
        assert (told["outcome"], told["error"]["kind"]) == ("failed", "daemon"), told
        assert ground.stands == "old"
        assert not ground.runs
    ground.heals("--restart", "safe")
    assert ground.runs


LATE = {
    "with-its-unit": ["ExecStartPre=/bin/sleep 3"],
    "after-its-unit": [
        "Type=simple",
        "ExecStart=",
        "ExecStart=/bin/sh -c 'sleep 3; exec /usr/sbin/dockerd -H fd://'",
    ],
}


@pytest.mark.parametrize("name", LATE)
def test_a_daemon_that_answers_late(ground: Ground, name: str) -> None:
    with ground.unit(*LATE[name]):
        told = ground.distributes(expect=0)
        assert (told["outcome"], told["runtimes"][0]["restarted"]) == ("changed", True)
        assert told["seconds"] >= 3
        assert ground.runs
    assert ground.stands == "new"
    ground.pulls()


def test_a_daemon_that_its_manager_refuses_to_start(ground: Ground) -> None:
    """It is down, and no restart is due: it reads the trust once somebody starts it."""
    with ground.unit("[Unit]", "StartLimitBurst=1", "StartLimitIntervalSec=1h"):
        ground.host.run("systemctl restart docker; systemctl restart docker", check=False)
        told = ground.distributes(expect=0)
        assert (told["outcome"], told["runtimes"][0]["restarted"]) == ("changed", False), told
        assert ground.stands == "new"
        assert not ground.runs
    ground.host.forgive_restarts()
    ground.host.run("systemctl start docker")
    ground.pulls()
    assert ground.distributes(expect=0)["outcome"] == "unchanged"


MOMENTS = {"nothing-renamed": r"^sync .*/\.certkit-", "renamed": rf"^sync {FOLDER}( |$)"}


@pytest.mark.parametrize("moment", MOMENTS)
def test_its_power_is_cut_while_files_are_placed(ground: Ground, moment: str) -> None:
    hold(ground.host, MOMENTS[moment])
    with ground.begun("--retries", "0") as process:
        ground.host.poweroff()
        told = ground.ended(process)
    assert (told["outcome"], told["error"]["kind"]) == ("failed", "network"), told
    ground.host.poweron()
    assert ground.host.read(TRUST) == {"renamed": ground.new}.get(moment, ground.old)
    ground.heals()


def test_its_power_is_cut_while_its_daemon_restarts(ground: Ground) -> None:
    stuck = f"if [ -e {HOLD} ]; then : >{HELD}; exec sleep 600; fi"
    hold(ground.host, "")
    with ground.unit(f"ExecStartPre=/bin/sh -c '{stuck}'"):
        with ground.begun("--retries", "8") as process:
            ground.host.poweroff()
            ground.host.poweron()
            told = ground.ended(process)
        # The same run finds it again. A rollback that began as the power went is one too.
        assert (told["outcome"], ground.stands) in (("changed", "new"), ("rolled_back", "old"))
        assert ground.runs
    ground.distributes(expect=0)
    assert ground.stands == "new"
    assert not ground.host.run(f"find {STATE} -name 'begun.*'").stdout
    ground.pulls()


def test_a_daemon_that_has_stopped_answering(ground: Ground) -> None:
    """It is not restarted: what it still does for its containers is worth more than new trust."""
    with ground.fault("pkill -STOP dockerd", "pkill -CONT dockerd"):
        told = ground.distributes(expect=0)
        [runtime] = told["runtimes"]
        assert (told["outcome"], runtime["restarted"]) == ("changed", False)
        assert "did not answer" in str(runtime["notes"])
    assert ground.stands == "new"
    ground.pulls()
