"""What the tests of the registry's side share: the inventory, the commands, what is served."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from certkit.home.home import Home
from certkit.inventory import load
from certkit.inventory.model import Overrides
from certkit.names import RegistryReference
from certkit.registry.deploy import Deployed
from certkit.registry.deploy import deploy as put_into_service
from certkit.registry.pair import Pair
from certkit.transport.connector import open_connector
from certkit.transport.options import ConnectorOptions
from tests.fleet.lab import Machine
from tests.fleet.operator import DONE, Operator, Run


def inventory(
    person: Operator, machine: Machine, run: dict[str, Any], hosts: tuple[Machine, ...] = ()
) -> None:
    """Write the inventory: the hosts, and the registry's machine with a way to run."""
    person.write_inventory(hosts or (machine,))
    document = json.loads(person.inventory.read_text())
    reached = {"address": machine.address, "user": person.user}
    document["registry_host"] = {"host": reached, "timeout": 30, **run}
    person.inventory.write_text(json.dumps(document, indent=1))


def types(person: Operator, *words: str, expect: int = DONE) -> Run:
    """Type a command of ``certkit registry`` and take its JSON."""
    known = str(person.lab.known_hosts())
    return person.types(
        "registry", *words, "--known-hosts", known, "-o", "json", expect=expect, timeout=200
    )


def only(run: Run) -> dict[str, Any]:
    """The one host of a report."""
    [host] = run.report["hosts"]
    return dict(host)


def served(machine: Machine) -> str:
    """The leaf's fingerprint, as the machine itself sees it; empty where nothing answers."""
    text = machine.run(
        "openssl s_client -connect 127.0.0.1:5000 </dev/null 2>/dev/null "
        "| openssl x509 -noout -fingerprint -sha256 2>/dev/null",
        check=False,
    ).stdout
    return text.strip().rpartition("=")[2].replace(":", "").lower()


def serves(machine: Machine, sha256: str, timeout: float = 20) -> bool:
    """Whether it serves a leaf; a proxy's old workers may go on for a moment with what they had."""
    deadline = time.monotonic() + timeout
    while served(machine) != sha256:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def home_pair(person: Operator) -> Pair:
    """The home's current pair."""
    return Pair.current(Home.open(person.home).registry(person.registry))


def mismatched(person: Operator, directory: Path) -> Pair:
    """A certificate with another one's key: no registry can load it."""
    other = Operator(person.lab, directory, person.registry)
    other.makes_certificate()
    return Pair(home_pair(other).chain_pem, home_pair(person).key_pem)


def below_the_commands(person: Operator, pair: Pair) -> Deployed:
    """Deploy a pair that no command would let pass."""
    found = load(person.inventory, overrides=Overrides(None, None, None), ssh_config=Path("none"))
    assert found.registry_host is not None
    connector = open_connector(ConnectorOptions(known_hosts=person.lab.known_hosts()))
    try:
        return put_into_service(
            found.registry_host, RegistryReference.parse(person.registry), pair, connector
        )
    finally:
        connector.close()
