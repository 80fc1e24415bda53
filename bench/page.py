"""docs/speed.md and its plot, made from the figures in speed.json and from nothing else.

    python -m bench.page [DIR]

The suite and the scale run each renew their part of speed.json and make the page anew from the
whole. Called by itself, this makes the page from the figures that are there; DIR is docs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import paramiko

import certkit
from bench import bounds, plot
from bench.peers import (
    ANSIBLE,
    CLUSH,
    PARALLEL_SSH,
    PIPELINED,
    SAME_PROGRAM,
    WITH_WORK,
    YARDSTICK,
)

Figures = dict[str, Any]

HEAD = """# How fast certkit is

Made by `python -m bench.suite` and `python -m bench.scale`; each part begins with the very command
that found its figures. `make bench` and `make bench-scale` make them anew on any Linux machine that
has root and sshd. Hosts are real sshd processes on the loopback device, each with its own files,
so that clients and hosts share the same cores: read the ratios, not the seconds. What was tried
for more speed, and taken or not, stands in [architecture.md](architecture.md#ways-to-more-speed).
"""

SUITE = """
## Beside others

{origin}
The work: one directory and one CA file on every host, put there if it differs, nothing restarted.

- *First* finds new hosts, *again* finds nothing to do. Wall and CPU are the least of {rounds}.
{slow}- *CPU* is user and system time of the client's whole process tree; *a host* is what {more}
  more hosts cost over one, so that starting up is not in it.
- *Memory* is the tree's peak in one such run, pages shared within it counted once.
- *Round trips* are those of one new host, TCP's own included, counted by a relay.
- *Far away* is one first run through a relay that makes every round trip {delay:.0f} ms longer.
- *Hosts' CPU* is that of all processes of all sessions, sshd's own included.
- In brackets: times the yardstick, which is {yardstick} with one exec that does nothing: its two
  runs are the same work, and how far they differ is noise.
- *{work}* is bare paramiko at the work of the peers, in one exec. *{same}* has every host do what
  certkit has it do: lock, remember what stood there, write all of it to disk. On loopback the
  hosts' work takes the client's cores; what is left between the two is the client's.

![Wall and CPU of each peer](speed.svg)

"""

SCALE = """
## A thousand hosts and more

{origin}
`certkit distribute --parallel {parallel}`, nothing to be done, one run of each size; memory is the
process's own peak.{aliases}

"""

VERDICTS = """
What was asked for, and what came out: *met* or *not met* by the figures as they stand.
"""

NOISE = f"""Of growth, which compares runs that noise makes differ, *{bounds.WITHIN_NOISE}*
says that it is above proportion, but by no more than that: not met by the figures, and not
disproved by them.
"""


def machine() -> str:
    """What kind of machine this is, and what ran on it, in one sentence."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = "?"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    ssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False).stderr
    return (
        f"{len(os.sched_getaffinity(0))} cores ({model}), {memory:.0f} GB, {platform.system()} "
        f"{platform.release().partition('-')[0]} {platform.machine()}, "
        f"Python {platform.python_version()}, {ssh.partition(',')[0].strip()}, "
        f"paramiko {paramiko.__version__}, certkit {certkit.__version__}"
    )


def renew(directory: Path | None, part: str, figures: Figures) -> None:
    """Replace one part of the figures by what this run found, and make the page anew.

    Args:
        directory: Where figures, page and plot are kept; with None the part is only shown.
        part: Name of the module that found the figures.
        figures: As the page's functions for that part read them.
    """
    found = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "command": shlex.join(["python", "-m", f"bench.{part}", *sys.argv[1:]]),
        **figures,
    }
    if directory is None:
        print(text_of({part: found}))
        return
    kept = directory / "speed.json"
    parts = json.loads(kept.read_text()) if kept.exists() else {}
    parts[part] = found
    kept.write_text(json.dumps(parts, indent=1) + "\n")
    make(directory)
    print(f"Written: {directory}/speed.md")


def make(directory: Path) -> None:
    """Write page and plot from the figures in the directory."""
    parts = json.loads((directory / "speed.json").read_text())
    (directory / "speed.md").write_text(text_of(parts))
    if suite := parts.get("suite"):
        (directory / "speed.svg").write_text(plot.svg(suite))


def text_of(parts: dict[str, Figures]) -> str:
    """The page about these parts."""
    text = HEAD
    if suite := parts.get("suite"):
        text += _suite(suite)
    if scale := parts.get("scale"):
        text += _scale(scale)
    return text


def _origin(part: Figures) -> str:
    return (
        f"Found on {part['date']} by `{part['command']}` in {part['seconds']:.0f} s, on "
        f"{part['machine']}.\n"
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _verdicts(found: list[bounds.Bound], words: str) -> str:
    rows = [[one.text, one.found, one.state] for one in found]
    return f"{words}\n{_table(['bound', 'found', ''], rows)}" if rows else ""


def _suite(suite: Figures) -> str:
    hosts, peers = suite["hosts"], suite["peers"]
    yardstick = peers[YARDSTICK]

    def times(figures: Figures, key: str, digits: int) -> str:
        return f"{figures[key]:.{digits}f} ({figures[key] / yardstick[key]:.2f})"

    def each(figures: Figures, run: str) -> str:
        cpu = bounds.cpu_for_each(figures, hosts, run)
        return f"{cpu * 1000:.1f} ({cpu / bounds.cpu_for_each(yardstick, hosts, run):.2f})"

    rows = []
    for name, figures in peers.items():
        rows.append(
            [
                f"**{name}**" if name == "certkit" else name,
                times(figures, "first_wall", 2),
                times(figures, "again_wall", 2),
                times(figures, "first_cpu", 2),
                times(figures, "again_cpu", 2),
                times(figures, "first_hosts_cpu", 2),
                times(figures, "again_hosts_cpu", 2),
                each(figures, "first"),
                each(figures, "again"),
                f"{figures['memory']:.0f}",
                f"{figures['trips']}",
                times(figures, "delayed_wall", 2),
            ]
        )
    fewer = {name: row["rounds"] for name, row in peers.items() if row["rounds"] < suite["rounds"]}
    slow = "".join(f"- {name}: {_counted(count, 'round')} only.\n" for name, count in fewer.items())
    head = [f"{hosts} hosts", "first s", "again s", "CPU first s", "CPU again s"]
    head += ["hosts' CPU first s", "hosts' CPU again s"]
    head += ["ms a host first", "ms a host again", "memory MB", "round trips", "far away s"]
    return (
        SUITE.format(
            origin=_origin(suite),
            rounds=_counted(suite["rounds"], "round"),
            slow=slow,
            more=hosts - 1,
            delay=suite["delay"] * 1000,
            yardstick=YARDSTICK,
            work=WITH_WORK,
            same=SAME_PROGRAM,
        )
        + _table(head, rows)
        + _verdicts(bounds.of_suite(suite), VERDICTS)
        + _others(suite)
    )


def _others(suite: Figures) -> str:
    """How the others were run; nothing about those that were not."""
    lines = [f"All with {suite['parallel']} hosts at a time"]
    if ANSIBLE in suite["peers"]:
        lines[0] += f", but Ansible with {suite['ansible_forks']} forks"
    if PIPELINED in suite["peers"]:
        lines.append(
            f"{PIPELINED}: login and channel in one breath, by private names of paramiko's"
        )
    if PARALLEL_SSH in suite["peers"]:
        lines.append(f"{PARALLEL_SSH} checks no host key")
    if CLUSH in suite["peers"]:
        lines.append(f"{CLUSH} starts an `ssh` for each host, with OpenSSH's algorithms")
    if suite["packages"]:
        lines.append(", ".join(package.replace("==", " ") for package in suite["packages"]))
    return "\n" + "".join(f"- {line}.\n" for line in lines)


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _scale(scale: Figures) -> str:
    fleet = [
        [
            f"{row['hosts']:,}",
            f"{row['wall']:.1f}",
            f"{row['wall'] / row['hosts'] * 1000:.1f}",
            f"{row['cpu']:.1f}",
            f"{row['cpu'] / row['hosts'] * 1000:.2f}",
            f"{row['memory']:.0f}",
        ]
        for row in scale["fleet"]
    ]
    many = scale["known_hosts"][-1]
    largest, real = scale["fleet"][-1]["hosts"], scale["sshd"]
    aliases = (
        f" The last row goes to {largest:,} addresses of the {real:,} sshd."
        if largest > real
        else ""
    )
    head = ["hosts", "wall s", "ms a host", "CPU s", "ms a host", "memory MB"]
    size = f"{scale['inventory_hosts']:,}"
    return (
        SCALE.format(origin=_origin(scale), parallel=scale["parallel"], aliases=aliases)
        + _table(head, fleet)
        + f"\nAn inventory of {size} hosts, from reading it to every host settled, "
        f"the least of {scale['tries']} tries:\n\n"
        + _table(
            ["format", "s"],
            [[name, f"{seconds:.2f}"] for name, seconds in scale["inventory"].items()],
        )
        + f"\nknown_hosts with every line hashed, CPU, the least of {scale['tries']} tries:\n\n"
        + _table(
            ["lines", "read ms", "one host looked up ms"],
            [
                [f"{row['lines']:,}", f"{row['read'] * 1000:.1f}", f"{row['look'] * 1000:.2f}"]
                for row in scale["known_hosts"]
            ],
        )
        + "\nEach salt is another, so no index helps, but a line whose name was found is tried no "
        f"more: {many['lines']:,} hosts by as many hashed lines are half as many such looks, "
        f"{many['look'] * many['lines'] / 2:.0f} s of CPU over all cores of a run.\n"
        f"\n`certkit --help` takes {scale['help'] * 1000:.0f} ms, "
        f'`python -c "import typer, rich"` {scale["imports"] * 1000:.0f} ms, '
        f"the least of {scale['starts']} starts.\n"
        + _verdicts(bounds.of_scale(scale), VERDICTS + NOISE)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, nargs="?", default=Path("docs"), metavar="DIR")
    make(parser.parse_args().directory)


if __name__ == "__main__":
    main()
