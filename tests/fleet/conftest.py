"""The fleet: booted once a session, shared by its tests, gone at the end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

import pytest

from tests.fleet.faulty import Ground, prepare
from tests.fleet.lab import Lab, Machine, Spec, why_not
from tests.tiers import need


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
def fleet(lab: Lab) -> Fleet:
    """The standard fleet: `registry:2` is loaded on the registry, `identidock:0.1` on the hosts.

    Tests share it: leave a machine as it was found.
    """
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
    for host in hosts:
        host.load_image(lab.example_image)
    return Fleet(lab, registry, (hosts[0], hosts[1]), (hosts[2], hosts[3]))


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
    for machine in fleet.machines:
        if machine.is_on:
            machine.forgive_restarts()
