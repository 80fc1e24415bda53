"""Certkit beside others at the same work on real sshd, in one run.

    python -m bench.suite [--hosts 100] [--rounds 5] [--only NAME,...] [--write docs]

For each peer and round: a first run on hosts that nobody has worked on, a second that finds nothing
to do, and some on a single host (what starting costs). Rounds are interleaved and the least of each
figure counts, because noise only ever adds. Once for each peer: a run under a memory meter, and a
first run behind a wire with 50 ms more for a round trip, where a single host's round trips are
counted as well. `--only` takes the beginnings of names; the yardstick runs in any case.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.loopback import PORT, RELAY_PORT, LoopbackFleet, require_means
from bench.meter import Cost, keep_bytecode, measure
from bench.page import renew
from bench.peers import (
    ANSIBLE_FORKS,
    PACKAGES,
    PARALLEL,
    PEERS,
    YARDSTICK,
    Peer,
    Task,
    authority_of,
    environment_of,
    install,
)
from bench.wire import long_wire
from bench.work import TARGET

DELAY = 0.05
# What one more host costs is a difference, and its smaller part soon measured often.
SINGLES = 3


@dataclass
class Figures:
    """What one peer took: seconds, its own and its hosts', MB, and round trips for a host."""

    first_wall: float = float("inf")
    first_cpu: float = float("inf")
    again_wall: float = float("inf")
    again_cpu: float = float("inf")
    first_hosts_cpu: float = float("inf")
    again_hosts_cpu: float = float("inf")
    single_wall: float = float("inf")
    single_cpu: float = float("inf")
    memory: float = 0.0
    trips: int = 0
    delayed_wall: float = 0.0
    rounds: int = 0


class Bench:
    """Runs peers on a fleet and keeps the least of their figures."""

    def __init__(self, fleet: LoopbackFleet, peers: list[Peer]) -> None:
        self._fleet = fleet
        self._content = authority_of(fleet).read_bytes()
        self.peers = peers
        self.figures = {peer.name: Figures() for peer in peers}

    def warm_up(self, peer: Peer) -> None:
        """Have Python's caches written and the disk read."""
        self._run(peer, self._fleet.addresses[:1], PORT)

    def round(self, peer: Peer) -> None:
        """First run, second run, and one host, that one several times unless the peer is slow."""
        fleet, figures = self._fleet, self.figures[peer.name]
        found = []
        for name, run in ("first", self._first), ("again", self._run):
            before = fleet.cpu()
            cost = run(peer, fleet.addresses, PORT)
            found.append((f"{name}_hosts_cpu", fleet.cpu() - before))
            found += [(f"{name}_wall", cost.wall), (f"{name}_cpu", cost.cpu)]
        for _ in range(1 if peer.slow else SINGLES):
            cost = self._run(peer, fleet.addresses[:1], PORT)
            found += [("single_wall", cost.wall), ("single_cpu", cost.cpu)]
        for name, seconds in found:
            setattr(figures, name, min(getattr(figures, name), seconds))
        figures.rounds += 1

    def memory(self, peer: Peer) -> None:
        """The peak, from a run of its own, because sampling costs CPU."""
        cost = self._run(peer, self._fleet.addresses, PORT, memory=True)
        self.figures[peer.name].memory = cost.memory

    def wire(self, peer: Peer) -> None:
        """Round trips on one host, then all hosts, both far away and new."""
        address = self._fleet.addresses[0]
        with long_wire(DELAY, RELAY_PORT, PORT, [address]) as trips:
            self._fleet.wipe()
            self._run(peer, [address], RELAY_PORT)
        self.figures[peer.name].trips = trips[address]
        with long_wire(DELAY, RELAY_PORT, PORT, self._fleet.addresses):
            self.figures[peer.name].delayed_wall = self._first(
                peer, self._fleet.addresses, RELAY_PORT
            ).wall

    def _first(self, peer: Peer, addresses: list[str], port: int) -> Cost:
        self._fleet.wipe()
        cost = self._run(peer, addresses, port)
        if not peer.idle and self._fleet.contents(TARGET) != {self._content}:
            raise SystemExit(f"{peer.name} did not put the file on every host.")
        return cost

    def _run(self, peer: Peer, addresses: list[str], port: int, *, memory: bool = False) -> Cost:
        command = peer.command(Task(self._fleet, addresses, port))
        log = self._fleet.directory / "words"
        return measure(command, environment_of(peer, self._fleet), log, memory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=100, help="at least 2; few are noisy")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--only", type=lambda text: tuple(text.split(",")), default=("",), metavar="NAME,..."
    )
    parser.add_argument("--write", type=Path, metavar="DIR", help="put table and plot here")
    options = parser.parse_args()
    if options.hosts < 2 or options.rounds < 1:
        parser.error("It takes two hosts and a round.")
    require_means()
    keep_bytecode()
    peers = [peer for peer in PEERS if peer.name == YARDSTICK or peer.name.startswith(options.only)]
    environments = list(dict.fromkeys(peer.needs for peer in peers if peer.needs))
    for name in environments:
        install(name)
    started = time.monotonic()
    with LoopbackFleet(options.hosts) as fleet:
        bench = Bench(fleet, peers)
        for peer in peers:
            bench.warm_up(peer)
        for number in range(options.rounds):
            for peer in peers:
                if number == 0 or not peer.slow:
                    bench.round(peer)
                    print(f"{time.monotonic() - started:5.0f} s  {peer.name}", flush=True)
        for peer in peers:
            bench.memory(peer)
            bench.wire(peer)
            print(f"{time.monotonic() - started:5.0f} s  {peer.name}, far away", flush=True)
    figures = {
        "hosts": options.hosts,
        "rounds": options.rounds,
        "parallel": PARALLEL,
        "ansible_forks": ANSIBLE_FORKS,
        "packages": [package for name in environments for package in PACKAGES[name]],
        "delay": DELAY,
        "seconds": time.monotonic() - started,
        "peers": {name: asdict(found) for name, found in bench.figures.items()},
    }
    renew(options.write, "suite", figures)


if __name__ == "__main__":
    main()
