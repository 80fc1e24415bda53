"""The fleet: booted once a session, found as new by every module, gone at the end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

import pytest

from tests.fleet.faulty import Ground, prepare
from tests.fleet.lab import EXAMPLE_IMAGE, REGISTRY_IMAGE, Lab, Machine, Spec, at_once, why_not
from tests.tiers import need

# Whatever a module may have left: one that failed cleans up less than it meant to.
_AS_BOOTED = f"""
set -e
rm -rf /etc/certkit /etc/docker/certs.d /var/lib/certkit /usr/local/sbin/* /run/hold
settings=$(ls -d /etc/docker/daemon.json /etc/systemd/system/docker.service.d 2>/dev/null || :)
if [ -n "$settings" ]; then
  rm -r $settings
  systemctl daemon-reload
  systemctl stop docker
fi
systemctl is-active --quiet docker || systemctl start docker
docker ps --all --quiet | xargs -r docker rm --force --volumes
docker volume ls --quiet | xargs -r docker volume rm
docker images --format '{{{{.Repository}}}}:{{{{.Tag}}}}' |
  grep -v -x -e {EXAMPLE_IMAGE} -e {REGISTRY_IMAGE} -e '.*:<none>' | xargs -r docker rmi --force
"""


@dataclass(frozen=True)
class Fleet:
    """The standard fleet: a registry's machine, and hosts of two Docker generations."""

    lab: Lab
    registry: Machine
    bookworm: tuple[Machine, Machine]
    trixie: tuple[Machine, Machine]

    @property
    def hosts(self) -> tuple[Machine, ...]:
        """The container hosts, without the registry's machine."""
        return (*self.bookworm, *self.trixie)

    @property
    def machines(self) -> tuple[Machine, ...]:
        """All of them."""
        return (self.registry, *self.hosts)

    def reset(self) -> None:
        """Bring all of them back to how they were booted: on, with their images and no more."""
        for machine in self.machines:
            if not machine.is_on:
                machine.poweron()
        at_once(Machine.forgive_restarts, self.machines)
        at_once(lambda machine: machine.run(_AS_BOOTED), self.machines)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """An empty lab: boot in it what the standard fleet does not have."""
    need("fleet", why_not())

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        # Python's default for SIGTERM is to die at once, and the machines with it, untidily.
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        with Lab() as empty_lab:
            yield empty_lab
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def booted_fleet(lab: Lab) -> Fleet:
    """The standard fleet, booted; for `fleet` only."""
    registry, *hosts = lab.boot(
        [
            Spec("registry", "bookworm"),
            Spec("bookworm-1", "bookworm"),
            Spec("bookworm-2", "bookworm"),
            Spec("trixie-1", "trixie"),
            Spec("trixie-2", "trixie"),
        ]
    )
    registry.load_image(lab.registry_image)
    at_once(lambda host: host.load_image(lab.example_image), hosts)
    return Fleet(lab, registry, (hosts[0], hosts[1]), (hosts[2], hosts[3]))


@pytest.fixture(scope="module")
def fleet(booted_fleet: Fleet) -> Fleet:
    """The standard fleet: `registry:2` is loaded on the registry, `identidock:0.1` on the hosts.

    Tests of a module share it: leave a machine as it was found. The next module finds it as new.
    """
    booted_fleet.reset()
    return booted_fleet


@pytest.fixture(scope="session")
def prepared_ground(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """A host to break, and a registry to pull from."""
    return prepare(lab, tmp_path_factory.mktemp("faults"))


@pytest.fixture
def ground(prepared_ground: Ground) -> Ground:
    """The same, with an earlier trust in place and the daemon running."""
    prepared_ground.begin()
    return prepared_ground


@pytest.fixture(autouse=True)
def _restarts_are_counted_per_test(request: pytest.FixtureRequest) -> None:
    """Keep one test's restarts of Docker from using up the next one's."""
    if "fleet" not in request.fixturenames:
        return
    fleet: Fleet = request.getfixturevalue("fleet")
    at_once(Machine.forgive_restarts, [machine for machine in fleet.machines if machine.is_on])
