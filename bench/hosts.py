"""Client CPU and wall time for each host, beside bare paramiko, pyinfra and Ansible, in one run.

    python bench/hosts.py [--hosts 20] [--rounds 3] [--peers bare,certkit,...]

Each peer does the job on one host and on many; the difference divided by the hosts in between is
what one host costs, and the rest is start-up. CPU is user + system of the whole process tree.
Rounds are interleaved and the least of each figure counts, because noise only ever adds.
Read the ratios, not the milliseconds.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import time
from dataclasses import dataclass

from loopback import LoopbackFleet, require_root
from peers import PEERS, Peer, environment_of


@dataclass
class Cost:
    """Seconds of the least costly run."""

    cpu: float = float("inf")
    wall: float = float("inf")

    def lower(self, cpu: float, wall: float) -> None:
        self.cpu, self.wall = min(self.cpu, cpu), min(self.wall, wall)


def run(peer: Peer, fleet: LoopbackFleet, addresses: list[str]) -> tuple[float, float]:
    """Run once; return CPU and wall seconds."""
    command = peer.command(fleet, addresses)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment_of(peer, fleet),
        timeout=600,
        check=False,
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{peer.name} failed:\n{done.stdout.decode()}\n{done.stderr.decode()}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default=",".join(PEERS))
    options = parser.parse_args()
    require_root()
    peers = [PEERS[name] for name in options.peers.split(",")]
    one: dict[str, Cost] = {peer.name: Cost() for peer in peers}
    many: dict[str, Cost] = {peer.name: Cost() for peer in peers}
    with LoopbackFleet(options.hosts) as fleet:
        for peer in peers:
            run(peer, fleet, fleet.addresses)  # the first run changes the hosts, and warms up
        for _ in range(options.rounds):
            for peer in peers:
                one[peer.name].lower(*run(peer, fleet, fleet.addresses[:1]))
                many[peer.name].lower(*run(peer, fleet, fleet.addresses))
    report(peers, one, many, options.hosts)


def report(peers: list[Peer], one: dict[str, Cost], many: dict[str, Cost], hosts: int) -> None:
    """Print what a host costs, as milliseconds and as ratios to the first peer."""
    steps = hosts - 1
    yardstick = peers[0].name
    cpu = {p.name: (many[p.name].cpu - one[p.name].cpu) / steps * 1000 for p in peers}
    wall = {p.name: (many[p.name].wall - one[p.name].wall) / steps * 1000 for p in peers}
    print(f"{hosts} hosts; per host without start-up; ratios to {yardstick}")
    print(f"{'':14}{'CPU ms':>9}{'ratio':>8}{'wall ms':>10}{'ratio':>8}{'whole run s':>13}")
    for peer in peers:
        name = peer.name
        print(
            f"{name:14}{cpu[name]:9.2f}{cpu[name] / cpu[yardstick]:8.2f}"
            f"{wall[name]:10.2f}{wall[name] / wall[yardstick]:8.2f}{many[name].wall:13.2f}"
        )


if __name__ == "__main__":
    main()
