"""`certkit registry deploy` killed at one moment after the other, then run again.

The machine's own tools are held at the moment, certkit is killed with SIGKILL, and what it had
begun there goes on or not as it would. All the while nobody but its owner may read a key.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.fleet.conftest import Fleet
from tests.fleet.holding import (
    hold,
    let_go,
    tools_that_can_be_held,
    wait_until_ended,
    wait_until_held,
)
from tests.fleet.lab import REGISTRY_IMAGE, Machine
from tests.fleet.operator import ATTENTION, Operator
from tests.fleet.registering import home_pair, inventory, only, served, serves, types

REGISTRY = "registry.lab:5000"
FOLDER = "/etc/certkit/registry.lab_5000"
SHELF = f"/var/lib/certkit/registry{FOLDER}/server.crt"

KEY_STAGED = rf"^sync {FOLDER}/\.certkit-[^/]*-2$"
KEY_ALONE_REPLACED = rf"^mv -f {FOLDER}/\.certkit-[^/]*-1 {FOLDER}/server.crt$"
MOMENTS = {
    "nothing-written": "^docker ps ",
    "certificate-staged": rf"^sync {FOLDER}/\.certkit-[^/]*-1$",
    "key-staged": KEY_STAGED,
    "way-back-kept": rf"^sync {SHELF}/due$",
    "key-alone-replaced": KEY_ALONE_REPLACED,
    "told-to-restart": "^docker restart registry$",
    "served-not-settled": rf"^sync {SHELF}/record$",
}

# Looks at every file of two directories again and again, quicker than any program could hide one.
_WATCH = r"""
import os, sys, time
root, folders, said = sys.argv[1], sys.argv[2].split(), set()
print("on", flush=True)
while True:
    time.sleep(0.0005)
    for folder in folders:
        try:
            entries = list(os.scandir(root + folder))
        except OSError:
            continue
        for entry in entries:
            try:
                with open(entry.path, "rb") as file:
                    status = os.fstat(file.fileno())
                    lax = status.st_mode & 0o077 or status.st_uid
                    if lax and b"PRIVATE KEY" in file.read() and entry.name not in said:
                        said.add(entry.name)
                        print(entry.name, oct(status.st_mode), flush=True)
            except OSError:
                continue
"""


@pytest.fixture(scope="module")
def operator(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """Somebody whose registry runs, and whose tools there can be held."""
    person, machine = (
        Operator(fleet.lab, tmp_path_factory.mktemp("killed"), REGISTRY),
        fleet.registry,
    )
    person.makes_certificate("--san", machine.address)
    inventory(person, machine, {"run": "container", "image": REGISTRY_IMAGE})
    assert only(types(person, "deploy"))["outcome"] == "changed"
    tools_that_can_be_held(machine, "docker", "mv", "sync")
    return person


@pytest.fixture(scope="module")
def watch(fleet: Fleet, operator: Operator) -> Iterator[Watch]:
    one = Watch(fleet.registry)
    with one.process:
        yield one
        one.stop()


class Watch:
    """Keeps an eye on the keys of a machine that is on."""

    def __init__(self, machine: Machine) -> None:
        folders = f"{FOLDER} {SHELF} /tmp /run"
        self.process = subprocess.Popen(
            [sys.executable, "-c", _WATCH, str(machine.root), folders],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.sees() == "on"

    def sees(self) -> str:
        """Wait until it sees a key that others may read, and tell the file's name."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().partition(" ")[0].strip()

    def stop(self) -> str:
        """End it, and tell what else it saw."""
        assert self.process.stdout is not None
        self.process.kill()
        return self.process.stdout.read()


def begin_and_kill(person: Operator, machine: Machine, moment: str) -> None:
    """Deploy the certificate that waits, and kill certkit when the machine is at a moment."""
    hold(machine, moment)
    known = str(person.lab.known_hosts())
    process = subprocess.Popen(
        person.command("registry", "deploy", "--next", "--known-hosts", known),
        cwd=person.directory,
        env=person.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        wait_until_held(machine, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(20)


def waiting(person: Operator) -> str:
    """Renew, and tell the new leaf's fingerprint."""
    made = person.types("renew", REGISTRY, "-o", "json").stdout
    return str(json.loads(made)["server"]["sha256"])


def settled(person: Operator, machine: Machine) -> None:
    """The home's pair is served, its two files are whole, and nothing else is there."""
    ours = home_pair(person)
    assert serves(machine, ours.sha256)
    assert machine.run(["ls", "-A", FOLDER]).stdout.split() == ["server.crt", "server.key"]
    assert machine.read(f"{FOLDER}/server.crt") == ours.chain_pem
    assert machine.read(f"{FOLDER}/server.key") == ours.key_pem
    assert machine.run(["ls", "-A", SHELF]).stdout.split() == ["record"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_and_run_again(fleet: Fleet, operator: Operator, watch: Watch, moment: str) -> None:
    machine = fleet.registry
    old, new = home_pair(operator), waiting(operator)
    begin_and_kill(operator, machine, MOMENTS[moment])
    # What was served goes on to be, while the new one is put beside it.
    assert served(machine) == (new if moment == "served-not-settled" else old.sha256)
    let_go(machine)
    wait_until_ended(machine)
    run = only(types(operator, "deploy", "--next"))
    assert (run["outcome"] in ("changed", "unchanged"), run["error"]) == (True, None)
    assert home_pair(operator).sha256 == new
    settled(operator, machine)
    left = machine.run("docker ps --all --format '{{.Names}}'").stdout.split()
    assert left == ["registry"]


def test_nobody_could_read_a_key_meanwhile(fleet: Fleet, watch: Watch) -> None:
    machine = fleet.registry
    # A key that others may read for a moment, as a proof that the watch would have seen it.
    machine.run(f"echo 'PRIVATE KEY' >{FOLDER}/lax")
    seen = watch.sees()
    machine.run(["rm", f"{FOLDER}/lax"])
    assert (seen, watch.stop()) == ("lax", "")


def test_the_power_is_cut_between_the_key_and_the_certificate(
    fleet: Fleet, operator: Operator
) -> None:
    machine = fleet.registry
    new = waiting(operator)
    begin_and_kill(operator, machine, KEY_ALONE_REPLACED)
    machine.poweroff()
    machine.poweron()
    # Half of each: nothing that starts now can serve it, and the next run puts it right.
    types(operator, "status", expect=ATTENTION)
    assert only(types(operator, "deploy", "--next"))["outcome"] == "changed"
    assert home_pair(operator).sha256 == new
    settled(operator, machine)
