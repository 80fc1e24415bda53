"""Many distributes in one process over a fleet that changes: memory, threads, descriptors flat."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

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
from tests.ssh.sshd import free_port

pytestmark = pytest.mark.timeout(patience(240))

_PAGE = 4096
# Caches fill up in the first rounds.
_WARM = 4


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_running(tmp_path_factory.mktemp("soak"), ["web-01", "web-02", "web-03"]) as running:
        yield running


def standing() -> tuple[float, int, int]:
    """Resident memory in MB, threads, open files."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return (
        pages * _PAGE / 1e6,
        threading.active_count(),
        len(list(Path("/proc/self/fd").iterdir())),
    )


def test_many_distributes_in_one_process(lab: Lab) -> None:
    dice = chance("soak")
    references = (RegistryReference.parse(lab.registry),)
    closed = free_port()
    seen = []
    for number in range(_WARM + rounds(10)):
        hosts: list[Host] = list(load(lab.directory / "hosts.yaml").hosts)
        dice.shuffle(hosts)
        # Some machines are new, one is away, and now and then the trust goes again.
        for name in dice.sample(sorted(lab.machines), 1):
            lab.forget(name)
        away = replace(hosts[0], name="away", port=closed)
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
        seen.append(standing())
    memory, threads, files = zip(*seen[_WARM:], strict=True)
    half = len(memory) // 2
    growth = max(memory[half:]) - max(memory[:half])
    assert growth < 8, memory
    assert max(threads) == min(threads), threads
    assert max(files) == min(files), files
