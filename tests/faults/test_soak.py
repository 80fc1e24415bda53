"""Many distributes in one process over a fleet that changes: memory, threads, descriptors flat."""

from __future__ import annotations

import gc
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from certkit.fleet import distribute as engine
from certkit.fleet.plan import DistributeOptions
from certkit.fleet.report import Outcome
from certkit.fleet.targets import targets_for
from certkit.inventory.loading import load
from certkit.inventory.model import Host, Settings
from certkit.names import RegistryReference
from certkit.transport.connector import open_connector
from certkit.transport.options import ConnectorOptions
from tests.faults.rounds import chance, patience, rounds
from tests.ssh.lab import Lab, lab_running
from tests.ssh.sshd import held_port

pytestmark = pytest.mark.timeout(patience(240))

_PAGE = 4096
# Caches fill up in the first rounds.
_WARM = 4
# What a round may add for good, in bytes and in objects: a leak of 20 kB is either.
_BYTES, _OBJECTS = 5_000, 100
# Pages come and go in clusters, which weighs on few rounds.
_SWING = 2_000_000


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_running(tmp_path_factory.mktemp("soak"), ["web-01", "web-02", "web-03"]) as running:
        yield running


def standing() -> tuple[int, int, int, int]:
    """Resident memory in bytes, Python's blocks of memory, threads, open files."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return (
        pages * _PAGE,
        sys.getallocatedblocks(),
        threading.active_count(),
        len(list(Path("/proc/self/fd").iterdir())),
    )


def slope(values: Sequence[int]) -> float:
    """What a round adds, as any half of the rounds in a row has it: the middle one of these.

    A peak does not count, and a single step, of a table that grows for instance, for little.
    """
    half = len(values) // 2
    pairs = zip(values, values[half:], strict=False)
    return median((later - sooner) / half for sooner, later in pairs)


@pytest.fixture
def closed_port() -> Iterator[int]:
    with held_port() as port:
        yield port


def test_many_distributes_in_one_process(lab: Lab, closed_port: int, tried: Counter[str]) -> None:
    dice = chance("soak")
    references = (RegistryReference.parse(lab.registry),)
    before = set(threading.enumerate())
    seen = []
    for number in range(_WARM + rounds(10)):
        hosts: list[Host] = list(load(lab.directory / "hosts.yaml").hosts)
        dice.shuffle(hosts)
        # Some machines are new, one is away, and now and then the trust goes again.
        for name in dice.sample(sorted(lab.machines), 1):
            lab.forget(name)
        away = replace(hosts[0], name="away", port=closed_port)
        fleet = [*hosts[: dice.randrange(1, 4)], away]
        targets = targets_for(fleet, references, lab.trust, Settings(), remove=number % 5 == 4)
        options = ConnectorOptions(known_hosts=lab.directory / "known_hosts", start_spread=0)
        connector = open_connector(options)
        try:
            results = engine.distribute(targets, connector, DistributeOptions(retries=0))
        finally:
            connector.close()
        ends = {result.name: result.outcome for result in results}
        assert ends.pop("away") is Outcome.UNREACHABLE
        assert set(ends.values()) <= {Outcome.CHANGED, Outcome.UNCHANGED}, results
        # The thread of a connection may outlive its closing by a moment, and holds on to much.
        for thread in set(threading.enumerate()) - before:
            thread.join(30)
        seen.append(standing())
    memory, blocks, threads, files = zip(*seen[_WARM:], strict=True)
    late = -(len(seen) // 4)
    tried["rounds"] = len(memory)
    tried["bytes a round"] = round(slope(memory))
    tried["objects a round"] = round(slope(blocks))
    assert slope(memory) < _BYTES + _SWING / len(memory), memory
    assert slope(blocks) < _OBJECTS, blocks
    assert min(threads[late:]) == min(threads), threads
    assert min(files[late:]) == min(files), files
