"""How certkit grows: hosts by the thousand, long inventories, long known_hosts, and its start.

    python -m bench.scale [--sshd 1000] [--names 10] [--write docs]

Every one of the sshd is a real host with files of its own. With `--names 10` each listens on ten
addresses, so that ten times as many hosts are worked on than there are processes; no two addresses
of one sshd are in work at the same time. Takes about 5 GB for 1,000 sshd.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bench.loopback import PORT, LoopbackFleet, require_means
from bench.meter import keep_bytecode, measure
from bench.page import renew
from bench.peers import CERTKIT, CERTKIT_TOOL, PARALLEL, Peer, Task, certkit, environment_of

SIZES = (100, 300, 1000)
LINES = (1_250, 2_500, 5_000, 10_000)
TRIES = 9
STARTS = 20
HERE = Path(__file__).parent


def in_turns(
    measures: Mapping[str, Callable[[], list[float]]], tries: int
) -> dict[str, list[float]]:
    """The least of some tries, of each number that is measured.

    They take turns, because a machine has slow minutes: one of those then befalls them all.
    """
    found: dict[str, list[list[float]]] = {name: [] for name in measures}
    for _ in range(tries):
        for name, measure_once in measures.items():
            found[name].append(measure_once())
    return {
        name: [min(numbers) for numbers in zip(*tried, strict=True)]
        for name, tried in found.items()
    }


def printed(script: str, *arguments: str | Path) -> list[float]:
    """The numbers that a script beside this one prints."""
    command = [sys.executable, HERE / script, *arguments]
    return [float(number) for number in subprocess.check_output(command, text=True).split()]


def wall(*command: str) -> list[float]:
    """The seconds that a command takes."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return [time.perf_counter() - start]


def grown_fleet(sshd: int, names: int) -> list[dict[str, float]]:
    """What a run that finds nothing to do costs, for more and more hosts."""
    peer = Peer(CERTKIT, certkit)
    rows = []
    with LoopbackFleet(sshd, names) as fleet:
        environment, log = environment_of(peer, fleet), fleet.directory / "words"
        everybody = Task(fleet, fleet.addresses[:sshd], PORT)
        measure(certkit(everybody), environment, log, memory=False)
        sizes = [size for size in SIZES if size < sshd] + [sshd]
        for size in dict.fromkeys((*sizes, sshd * names)):
            task = Task(fleet, fleet.addresses[:size], PORT)
            cost = measure(certkit(task), environment, log, memory=False)
            unchanged = json.loads(log.read_text())["summary"]["unchanged"]
            if unchanged != size:
                raise SystemExit(f"{unchanged} of {size} hosts were unchanged")
            rows.append({"hosts": size, "wall": cost.wall, "cpu": cost.cpu, "memory": cost.memory})
            print(f"{size:6} hosts: {cost.wall:.1f} s", flush=True)
    return rows


def inventories(directory: Path, count: int) -> dict[str, float]:
    """Seconds to understand the same hosts, written in each format."""
    names = [f"web{number:05}.bench" for number in range(count)]
    addresses = [f"10.1.{number // 250}.{number % 250 + 1}" for number in range(count)]
    each = list(zip(names, addresses, strict=True))
    variables = {name: {"ansible_host": address} for name, address in each}
    listing = json.dumps({"_meta": {"hostvars": variables}, "web": {"hosts": names}})
    native = "registry: registry.bench:5000\nhosts:\n"
    plain = native + "".join(f"  - {name}\n" for name in names)
    groups = "registry: registry.bench:5000\ngroups:\n" + "".join(
        f"  rack{number}: {{port: 22{number:02}}}\n" for number in range(20)
    )
    files = {
        "native YAML, names": plain,
        "native YAML, names and addresses": native
        + "".join(f"  {name}: {{address: {address}}}\n" for name, address in each),
        "native YAML, addresses": native + "".join(f"  - {address}\n" for address in addresses),
        "native YAML, a range": native + f"  - web[00000:{count - 1:05}].bench\n",
        "native YAML, names, addresses, groups and a variable": groups
        + "hosts:\n"
        + "".join(
            f"  {name}: {{address: {address}, groups: [rack{number % 20}], "
            f"vars: {{n: {number}}}}}\n"
            for number, (name, address) in enumerate(each)
        ),
        "Ansible YAML": "web:\n  hosts:\n"
        + "".join(f"    {name}: {{ansible_host: {address}}}\n" for name, address in each),
        "Ansible INI": "[web]\n"
        + "".join(f"{name} ansible_host={address}\n" for name, address in each),
        "Ansible JSON, as of ansible-inventory --list": listing,
    }
    configs = {
        "100 patterns": "".join(f"Host web{n:03}*\n  User deploy{n}\n" for n in range(100)),
        "300 times Host *": "".join(f"Host *\n  User deploy{n}\n" for n in range(300)),
        "a stanza for each host": "".join(
            f"Host {name}\n  HostName {address}\n  User deploy\n" for name, address in each
        ),
    }
    runs = [(name, text, "") for name, text in files.items()]
    runs += [(f"native YAML, names, ssh_config: {n}", plain, text) for n, text in configs.items()]
    measures = {}
    for number, (name, text, said) in enumerate(runs):
        file, config = directory / f"inventory-{number}", directory / f"ssh_config-{number}"
        file.write_text(text)
        config.write_text(said)
        measures[name] = partial(printed, "time_inventory.py", file, config, str(count))
    seconds = {}
    for name, (took, megabytes) in in_turns(measures, TRIES).items():
        seconds[name] = took
        print(f"{name}: {took:.2f} s, {megabytes:.0f} MB", flush=True)
    return seconds


def hashed_known_hosts(directory: Path) -> list[dict[str, float]]:
    """CPU seconds to read files with hashed names, and to look a host up there."""
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20"
    lines = []
    for number in range(max(LINES)):
        salt, name = os.urandom(20), f"web{number:05}.bench".encode()
        hashed = base64.b64encode(hmac.digest(salt, name, "sha1")).decode()
        key = base64.b64encode(blob + os.urandom(32)).decode()
        lines.append(f"|1|{base64.b64encode(salt).decode()}|{hashed} ssh-ed25519 {key}\n")
    measures = {}
    for count in LINES:
        file = directory / f"known_hosts-{count}"
        file.write_text("".join(lines[:count]))
        asked = [f"web{number:05}.bench" for number in range(0, count, count // 20)]
        times = str(max(LINES) // count)
        measures[str(count)] = partial(printed, "time_known_hosts.py", file, times, *asked)
    rows = []
    for said, (read, look) in in_turns(measures, TRIES).items():
        count = int(said)
        rows.append({"lines": count, "read": read, "look": look})
        print(
            f"known_hosts of {count:,} lines: {read / count * 1e6:.1f} us a line to read, "
            f"{look / count * 1e6:.2f} us a line and host"
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sshd", type=int, default=1000)
    parser.add_argument("--names", type=int, default=10, help="addresses of each sshd")
    parser.add_argument("--inventory-hosts", type=int, default=10_000)
    parser.add_argument("--write", type=Path, metavar="DIR", help="put the figures here")
    options = parser.parse_args()
    require_means()
    keep_bytecode()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as made:
        inventory = inventories(Path(made), options.inventory_hosts)
        known_hosts = hashed_known_hosts(Path(made))
    starts = in_turns(
        {
            "help": partial(wall, CERTKIT_TOOL, "--help"),
            "imports": partial(wall, sys.executable, "-c", "import typer, rich"),
        },
        STARTS,
    )
    figures: dict[str, Any] = {
        "sshd": options.sshd,
        "parallel": PARALLEL,
        "tries": TRIES,
        "starts": STARTS,
        "inventory_hosts": options.inventory_hosts,
        "inventory": inventory,
        "known_hosts": known_hosts,
        "help": starts["help"][0],
        "imports": starts["imports"][0],
        "fleet": grown_fleet(options.sshd, options.names),
        "seconds": time.monotonic() - started,
    }
    renew(options.write, "scale", figures)


if __name__ == "__main__":
    main()
