"""What was asked of certkit's speed, judged by the figures of one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.peers import ANSIBLE, ASYNCSSH, CERTKIT, PYINFRA, SAME_PROGRAM, YARDSTICK

# How much above proportion still counts as in proportion.
_NOISE = 1.1


@dataclass(frozen=True)
class Bound:
    """One demand, what was found, and whether that meets it."""

    text: str
    found: str
    met: bool


def cpu_for_each(figures: dict[str, Any], hosts: int, run: str = "again") -> float:
    """CPU seconds that one more host costs, in a `first` run or `again`."""
    return float(figures[f"{run}_cpu"] - figures["single_cpu"]) / (hosts - 1)


def of_suite(suite: dict[str, Any]) -> list[Bound]:
    """The bounds beside others; those about a peer that did not run are left out."""
    peers, hosts = suite["peers"], suite["hosts"]
    if CERTKIT not in peers:
        return []
    ours, bare = peers[CERTKIT], peers[YARDSTICK]
    cpu = {name: cpu_for_each(figures, hosts) for name, figures in peers.items()}
    ratio = cpu[CERTKIT] / cpu[YARDSTICK]
    at_first = cpu_for_each(ours, hosts, "first") / cpu_for_each(bare, hosts, "first")
    whole = ours["again_cpu"] / bare["again_cpu"]
    cheaper = [
        name
        for name in peers
        if name not in (ASYNCSSH, CERTKIT)
        and not name.startswith(YARDSTICK)
        and cpu[name] < cpu[CERTKIT]
    ]
    found = [
        Bound(
            "CPU of one more host at most 1.1 times tuned paramiko's", f"{ratio:.2f}", ratio <= 1.1
        ),
        Bound("the same in a first run", f"{at_first:.2f}", at_first <= 1.1),
        Bound("CPU of the whole run at most 1.1 times", f"{whole:.2f}", whole <= 1.1),
        Bound(
            "CPU of one more host below every peer's but asyncssh's",
            f"cheaper: {', '.join(cheaper) or 'none'}",
            not cheaper,
        ),
    ]
    for run in "first", "again":
        for name, words in (YARDSTICK, ""), (SAME_PROGRAM, " the same program by tuned paramiko"):
            if name in peers:
                times = ours[f"{run}_wall"] / peers[name][f"{run}_wall"]
                text = f"wall ({run}) at most 1.2 times{words}"
                found.append(Bound(text, f"{times:.2f}", times <= 1.2))
        for name, least in (PYINFRA, 3), (ANSIBLE, 25):
            if name in peers:
                theirs = peers[name][f"{run}_wall"]
                faster, most = theirs / ours[f"{run}_wall"], theirs / bare[f"{run}_wall"]
                text = f"at least {least} times faster than {name} ({run})"
                told = f"{faster:.1f} ({YARDSTICK}: {most:.1f})"
                found.append(Bound(text, told, faster >= least))
    found.append(Bound("at most 8 round trips", str(ours["trips"]), ours["trips"] <= 8))
    return found


def _slope(fleet: list[dict[str, float]], figure: str, first: int) -> float:
    """What one more host costs between two neighbouring sizes."""
    small, large = fleet[first], fleet[first + 1]
    return (large[figure] - small[figure]) / (large["hosts"] - small["hosts"])


def of_scale(scale: dict[str, Any]) -> list[Bound]:
    """The bounds on what grows with the number of hosts."""
    fleet, found = scale["fleet"], []
    if len(fleet) > 2:
        for figure, word in ("wall", "wall"), ("cpu", "CPU"):
            early, late = (_slope(fleet, figure, first) for first in (0, len(fleet) - 2))
            sizes = f"{fleet[-2]['hosts']:,} to {fleet[-1]['hosts']:,}"
            text = f"{word} of one more host, from {sizes}, no more than to {fleet[1]['hosts']:,}"
            found.append(Bound(text, f"{late / early:.2f} times", late <= early * _NOISE))
    thousand = next((row for row in scale["fleet"] if row["hosts"] == 1000), None)
    if thousand:
        memory = thousand["memory"]
        found.append(Bound("at most 120 MB at 1,000 hosts", f"{memory:.0f} MB", memory <= 120))
    formats = {name: took for name, took in scale["inventory"].items() if "ssh_config" not in name}
    slowest = max(formats, key=formats.__getitem__)
    for name in dict.fromkeys((slowest, *scale["inventory"].keys() - formats.keys())):
        seconds = scale["inventory"][name]
        text = f"inventory of {scale['inventory_hosts']:,} hosts in under 1 s"
        found.append(Bound(text, f"{seconds:.2f} s ({name})", seconds < 1))
    few, many = scale["known_hosts"][0], scale["known_hosts"][-1]
    lines = many["lines"] / few["lines"]
    for figure, word in ("read", "reading"), ("look", "looking up"):
        grown = many[figure] / few[figure]
        text = f"known_hosts: {word} no worse than linear up to {many['lines']:,} hashed lines"
        found.append(
            Bound(text, f"{grown:.1f} times for {lines:.0f} times", grown <= lines * _NOISE)
        )
    times = scale["help"] / scale["imports"]
    found.append(
        Bound("`certkit --help` at most 1.5 times the imports", f"{times:.2f}", times <= 1.5)
    )
    return found
