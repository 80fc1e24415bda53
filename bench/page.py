"""docs/speed.md, its plot, and the figures that both are made from.

The suite and the scale run each renew their part of speed.json; the page is made from the whole.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import paramiko

import certkit
from bench import bounds, plot
from bench.peers import ANSIBLE_FORKS, PACKAGES, PARALLEL, SAME_PROGRAM, YARDSTICK

Figures = dict[str, Any]

HEAD = """# How fast certkit is

Made by `make bench` and `make bench-scale`; anyone with root on a Linux machine can run them again.
Hosts are real sshd processes on the loopback device, each with its own files, so that clients and
hosts share the same cores: the ratios hold elsewhere, the seconds do not. Read the ratios.
"""

PEERS = """
## Beside others

The work: one directory and one CA file on every host, put there if it differs, nothing restarted.

- *First* finds new hosts, *again* finds nothing to do; wall, the least of {rounds} rounds. {slow}
- *CPU* is user and system time of the client's whole process tree in a run that finds nothing to
  do; *a host* is what {more} more hosts cost over one, so that starting up is not in it.
- *Memory* is the tree's peak in such a run, pages shared within it counted once.
- *Round trips* are those of one new host, TCP's own included, counted by a relay.
- *Far away* is a first run through a relay that makes every round trip {delay:.0f} ms longer.
- In brackets: times the yardstick, which is tuned paramiko with one exec that does nothing.
- *{same}* has every host do what certkit has it do. On loopback the
  hosts' own work takes the client's cores; what is left between the two is certkit's.

![Wall and CPU of each peer](speed.svg)

"""

SCALE = """
## A thousand hosts and more

`certkit distribute --parallel 64`, nothing to be done; memory is the process's own peak.{aliases}

"""

WAYS = """
## Ways that were measured, and taken or not

Ratios of a client's CPU for each host, median of six to nine interleaved runs over 100 hosts with
64 at a time, on two cores that others used as well; differences below 0.05 are noise.

Taken:

- An answer is read once it is whole: the thread of a host is woken twice for it where it was woken
  five times, for nearly each line that the host wrote.
- Threads that wait for Python's interpreter ask for it every 50 ms and not every 5 ms (0.85 to
  0.92). Longer still changes nothing.
- The program is stripped once a run. When 64 threads began at the same moment, 19 of them did.
- Of paramiko's private names, the least: no text for a log that nobody reads, no escaping of
  sshd's debug messages, curve25519 under its standard name. `docs/architecture.md` says why. No
  timer thread for each handshake is a matter of public names.

Not taken:

- Packets read, keys derived and padding made by code of our own in place of paramiko's (0.93).
  It would have to keep AES-GCM's counters and the rules of rekeying right, in private names, for
  less than a new release of paramiko may cost or save.
- The whole process on one core (0.93): the operator's kernel knows better what else runs there.
- Smaller stacks, a frozen garbage collector, not waiting for the end of paramiko's thread, quick
  acknowledgements only after something was sent: no difference.
- No thread of paramiko's at all, its protocol driven by the thread of the host, was not built: a
  connection that waits for its restart must still answer the server's keep-alive messages.
"""

OTHERS = """Others: {versions}. Ansible with {forks} forks, the rest {parallel} hosts at a time.
parallel-ssh checks no host key; clush starts an `ssh` for each host, with OpenSSH's algorithms.
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


class Page:
    """The figures, kept in `directory` between runs; with None they are only shown."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        kept = directory / "speed.json" if directory else None
        self._parts: dict[str, Figures] = (
            json.loads(kept.read_text()) if kept and kept.exists() else {}
        )

    def renew(self, part: str, figures: Figures) -> None:
        """Replace one part by what this run found, and write or show the whole."""
        arguments = " ".join(sys.argv[1:])
        self._parts[part] = {
            "machine": machine(),
            "date": time.strftime("%Y-%m-%d"),
            "command": f"python -m bench.{part} {arguments}".strip(),
            **figures,
        }
        text = self._text()
        if self._directory is None:
            print(text)
            return
        (self._directory / "speed.json").write_text(json.dumps(self._parts, indent=1) + "\n")
        (self._directory / "speed.md").write_text(text)
        if "suite" in self._parts:
            (self._directory / "speed.svg").write_text(plot.svg(self._parts["suite"]))
        print(text)

    def _text(self) -> str:
        text = HEAD
        if suite := self._parts.get("suite"):
            text += _suite(suite)
        if scale := self._parts.get("scale"):
            text += _scale(scale)
        return text + WAYS


def _origin(part: Figures) -> str:
    return (
        f"{part['date']}, `{part['command']}`, {part['seconds']:.0f} s in all. {part['machine']}.\n"
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _verdicts(found: list[bounds.Bound]) -> str:
    return "\nWhat was asked for, and what came out:\n\n" + _table(
        ["bound", "found", ""],
        [[one.text, one.found, "met" if one.met else "**not met**"] for one in found],
    )


def _suite(suite: Figures) -> str:
    hosts, peers = suite["hosts"], suite["peers"]
    yardstick = peers[YARDSTICK]

    def times(figures: Figures, key: str, digits: int) -> str:
        return f"{figures[key]:.{digits}f} ({figures[key] / yardstick[key]:.2f})"

    rows = []
    for name, figures in peers.items():
        cpu = bounds.cpu_for_each(figures, hosts) * 1000
        ratio = cpu / (bounds.cpu_for_each(yardstick, hosts) * 1000)
        rows.append(
            [
                f"**{name}**" if name == "certkit" else name,
                times(figures, "first_wall", 2),
                times(figures, "again_wall", 2),
                times(figures, "again_cpu", 2),
                f"{cpu:.1f} ({ratio:.2f})",
                f"{figures['memory']:.0f}",
                f"{figures['trips']}",
                times(figures, "delayed_wall", 2),
            ]
        )
    rounds = max(figures["rounds"] for figures in peers.values())
    slow = [name for name, figures in peers.items() if figures["rounds"] < rounds]
    head = [f"{hosts} hosts", "first s", "again s", "CPU s", "CPU ms a host"]
    head += ["memory MB", "round trips", "far away s"]
    versions = ", ".join(package.replace("==", " ") for one in PACKAGES.values() for package in one)
    return (
        PEERS.format(
            rounds=rounds,
            slow=f"One round only: {' and '.join(slow)}." if slow else "",
            more=hosts - 1,
            delay=suite["delay"] * 1000,
            same=SAME_PROGRAM,
        ).replace(" \n", "\n")
        + _table(head, rows)
        + _verdicts(bounds.of_suite(suite))
        + f"\n{_origin(suite)}\n"
        + OTHERS.format(versions=versions, forks=ANSIBLE_FORKS, parallel=PARALLEL)
    )


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
    largest, real = scale["fleet"][-1]["hosts"], scale["sshd"]
    aliases = (
        f" The last row goes to {largest:,} addresses of the {real:,} sshd."
        if largest > real
        else ""
    )
    head = ["hosts", "wall s", "ms a host", "CPU s", "ms a host", "memory MB"]
    size = f"{scale['inventory_hosts']:,}"
    return (
        SCALE.format(aliases=aliases)
        + _table(head, fleet)
        + f"\nAn inventory of {size} hosts, from reading it to every host settled:\n\n"
        + _table(
            ["format", "s"],
            [[name, f"{seconds:.2f}"] for name, seconds in scale["inventory"].items()],
        )
        + "\nknown_hosts with every line hashed:\n\n"
        + _table(
            ["lines", "read ms", "one host looked up ms"],
            [
                [f"{row['lines']:,}", f"{row['read'] * 1000:.1f}", f"{row['look'] * 1000:.2f}"]
                for row in scale["known_hosts"]
            ],
        )
        + f"\n`certkit --help` takes {scale['help'] * 1000:.0f} ms, "
        f'`python -c "import typer, rich"` {scale["imports"] * 1000:.0f} ms.\n'
        + _verdicts(bounds.of_scale(scale))
        + f"\n{_origin(scale)}"
    )
