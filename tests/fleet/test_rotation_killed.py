"""A rotation whose certkit is killed with -9 in every step, and run again: no pull fails."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from certkit.home.home import Home
from tests.fleet.conftest import Fleet
from tests.fleet.operator import Operator, daemon_pid
from tests.fleet.rotating import (
    PAIR,
    REGISTRY,
    Pulls,
    known,
    leftovers,
    operating,
    rotate,
    served,
    stands,
    trusted,
)

Moment = Callable[[], bool]


pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def operator(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    return operating(fleet, tmp_path_factory.mktemp("killed"))


def killed(person: Operator, step: str, moment: Moment) -> None:
    """Type a step, and kill -9 certkit as soon as something is seen to have happened."""
    with subprocess.Popen(
        person.command("rotate", step, *known(person)),
        cwd=person.directory,
        env=person.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as certkit:
        deadline = time.monotonic() + 60
        while not moment():
            if certkit.poll() is not None or time.monotonic() > deadline:
                certkit.kill()
                said = certkit.communicate()[0]
                raise AssertionError(f"{step} was through before the moment to kill it:\n{said}")
            time.sleep(0.05)
        certkit.kill()
        certkit.communicate()
    assert certkit.returncode == -signal.SIGKILL


def after(seconds: float) -> Moment:
    """A moment so many seconds from when it is first asked for."""
    begun: list[float] = []

    def passed() -> bool:
        begun.append(time.monotonic())
        return begun[-1] - begun[0] >= seconds

    return passed


def test_killed_in_every_step_and_resumed(fleet: Fleet, operator: Operator) -> None:
    dice = random.Random(20)
    files = Home.open(operator.home).registry(REGISTRY)
    old = served(fleet.registry)
    canary = fleet.hosts[0]
    pid = daemon_pid(canary)

    def here(name: str, *, holds: str = "") -> Moment:
        path = files.directory / name
        return lambda: path.exists() and (not holds or holds in path.read_text())

    def restarted() -> bool:
        return daemon_pid(canary) != pid

    def placed(name: str) -> Moment:
        before = fleet.registry.read(f"{PAIR}/{name}")
        return lambda: fleet.registry.read(f"{PAIR}/{name}") != before

    def says(*either: tuple[str, str | None]) -> None:
        """Status tells where it stands, and the command that goes on from there."""
        report = rotate(operator, "status", expect=None).report
        assert (report["phase"], report["next"]) in either

    fresh = ("idle", None)
    begun = ("started", "certkit rotate start")
    ready = ("started", "certkit rotate switch")
    turned = ("switched", "certkit rotate finish")
    ended = ("finished", "certkit rotate finish")
    with Pulls(fleet.hosts, pause=0.7) as pulls:
        pulls.succeed(1)
        for moment in (
            after(dice.uniform(0.1, 0.3)),
            here("rollover.json"),
            lambda: trusted(canary) == 2,
            restarted,
        ):
            killed(operator, "start", moment)
            says(fresh, begun)
        rotate(operator, "start")
        says(ready)
        assert {trusted(one) for one in fleet.hosts} == {2}
        pulls.succeed(1)

        for moment in (
            after(dice.uniform(0.5, 1.0)),
            here("server-next.crt"),
            placed("server.key"),
            lambda: served(fleet.registry) not in ("", old),
        ):
            killed(operator, "switch", moment)
            says(ready, turned)
        rotate(operator, "switch")
        says(turned)
        new = served(fleet.registry)
        assert new != old
        pulls.succeed(1)

        pid = daemon_pid(canary)
        for moment in (
            after(dice.uniform(0.5, 1.0)),
            here("rollover.json", holds='"finished"'),
            restarted,
        ):
            killed(operator, "finish", moment)
            says(turned, ended)
        rotate(operator, "finish")
        stands(operator, "finished")
        pulls.succeed(1)
    assert pulls.for_trust() == []
    assert served(fleet.registry) == new
    assert {trusted(one) for one in fleet.hosts} == {1}
    assert leftovers(fleet) == {}
    home = Home.open(operator.home)
    with home.lock("test"):
        names = {path.name for path in operator.home.rglob("*")}
    assert not [name for name in names if "-next" in name or "-old" in name or "pending" in name]
    assert not [name for name in names if name.startswith(".certkit-new")]
    operator.fleet("verify")
