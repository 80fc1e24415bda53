"""What was asked of certkit's speed, judged by the figures of one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.peers import (
    ANSIBLE,
    ASYNCSSH,
    CERTKIT,
    PYINFRA,
    SAME_PROGRAM,
    TUNED,
    WITH_WORK,
    YARDSTICK,
)

# Where growth is compared, two sizes run one after the other: so much above proportion may be
# noise. It is never called met.
_NOISE = 0.1

MET = "met"
WITHIN_NOISE = f"exceeded, within {_NOISE * 100:.0f} %"
NOT_MET = "**not met**"


@dataclass(frozen=True)
class Bound:
    """One demand, what was found, and which of the three states above that is."""

    text: str
    found: str
    state: str


def cpu_for_each(figures: dict[str, Any], hosts: int, run: str = "again") -> float:
    """CPU seconds that one more host costs, in a `first` run or `again`."""
    return float(figures[f"{run}_cpu"] - figures["single_cpu"]) / (hosts - 1)


def of_suite(suite: dict[str, Any]) -> list[Bound]:
    """The bounds beside others; those about a peer that did not run are left out."""
    peers, hosts = suite["peers"], suite["hosts"]
    if CERTKIT not in peers:
        return []
    found = [bound for run in ("first", "again") for bound in _of_run(run, peers, hosts)]
    cpu = {name: cpu_for_each(figures, hosts) for name, figures in peers.items()}
    rivals = cpu.keys() - {ASYNCSSH, CERTKIT, *TUNED}
    cheaper = [name for name in peers if name in rivals and cpu[name] < cpu[CERTKIT]]
    if rivals:
        text = "CPU of one more host below every peer's but asyncssh's"
        found.append(_strict(text, f"cheaper: {', '.join(cheaper) or 'none'}", not cheaper))
    trips = peers[CERTKIT]["trips"]
    return [*found, _strict("at most 8 round trips", str(trips), trips <= 8)]


def _of_run(run: str, peers: dict[str, Any], hosts: int) -> list[Bound]:
    """The bounds on a `first` run or `again`, where the yardstick stands beside."""
    ours, bare = peers[CERTKIT], peers[YARDSTICK]
    whole = ours[f"{run}_cpu"] / bare[f"{run}_cpu"]
    each = cpu_for_each(ours, hosts, run) / cpu_for_each(bare, hosts, run)
    wall = ours[f"{run}_wall"] / bare[f"{run}_wall"]
    found = [
        _strict(f"{run}: CPU at most 1.1 times {YARDSTICK}'s", f"{whole:.2f}", whole <= 1.1),
        _strict(f"{run}: CPU of one more host at most 1.1 times", f"{each:.2f}", each <= 1.1),
        _strict(f"{run}: wall at most 1.2 times {YARDSTICK}'s", f"{wall:.2f}", wall <= 1.2),
    ]
    for same in (one for one in (WITH_WORK, SAME_PROGRAM) if one in peers):
        wall = ours[f"{run}_wall"] / peers[same][f"{run}_wall"]
        text = f"{run}: wall at most 1.2 times that of {same}"
        found.append(_strict(text, f"{wall:.2f}", wall <= 1.2))
    for name, least in (PYINFRA, 3), (ANSIBLE, 25):
        if name in peers:
            theirs = peers[name][f"{run}_wall"]
            faster, most = theirs / ours[f"{run}_wall"], theirs / bare[f"{run}_wall"]
            text = f"{run}: at least {least} times faster than {name}"
            told = f"{faster:.1f} ({YARDSTICK}: {most:.1f})"
            found.append(_strict(text, told, faster >= least))
    return found


def of_scale(scale: dict[str, Any]) -> list[Bound]:
    """The bounds on what grows with the number of hosts."""
    fleet, found = scale["fleet"], []
    if len(fleet) > 2:
        for figure, word in ("wall", "wall"), ("cpu", "CPU"):
            grown = _slope(fleet[-2:], figure) / _slope(fleet[:2], figure)
            sizes = f"{fleet[-2]['hosts']:,} to {fleet[-1]['hosts']:,}"
            text = f"{word} of one more host, from {sizes}, no more than to {fleet[1]['hosts']:,}"
            found.append(_growth(text, f"{grown:.2f} times", grown))
    thousand = next((row for row in fleet if row["hosts"] == 1000), None)
    if thousand:
        memory = thousand["memory"]
        found.append(_strict("at most 120 MB at 1,000 hosts", f"{memory:.0f} MB", memory <= 120))
    formats = {name: took for name, took in scale["inventory"].items() if "ssh_config" not in name}
    slowest = max(formats, key=formats.__getitem__)
    text = f"inventory of {scale['inventory_hosts']:,} hosts in under 1 s"
    for name, seconds in scale["inventory"].items():
        if name == slowest or name not in formats:
            found.append(_strict(text, f"{seconds:.2f} s ({name})", seconds < 1))
    few, many = scale["known_hosts"][0], scale["known_hosts"][-1]
    lines = many["lines"] / few["lines"]
    for figure, word in ("read", "reading"), ("look", "looking up"):
        grown = many[figure] / few[figure]
        text = f"known_hosts: {word} no worse than linear up to {many['lines']:,} hashed lines"
        found.append(_growth(text, f"{grown:.1f} times for {lines:.0f} times", grown / lines))
    times = scale["help"] / scale["imports"]
    found.append(
        _strict("`certkit --help` at most 1.5 times the imports", f"{times:.2f}", times <= 1.5)
    )
    return found


def _strict(text: str, found: str, met: bool) -> Bound:
    return Bound(text, found, MET if met else NOT_MET)


def _growth(text: str, found: str, times: float) -> Bound:
    """Growth over proportion: 1 is in proportion, more is worse than that."""
    state = MET if times <= 1 else WITHIN_NOISE if times <= 1 + _NOISE else NOT_MET
    return Bound(text, found, state)


def _slope(pair: list[dict[str, float]], figure: str) -> float:
    """What one more host costs between two sizes."""
    small, large = pair
    return (large[figure] - small[figure]) / (large["hosts"] - small["hosts"])
