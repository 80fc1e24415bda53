"""The registry's side on real machines: started, served, renewed, and left whole when it fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.conftest import Fleet
from tests.fleet.lab import EXAMPLE_IMAGE, REGISTRY_IMAGE, Machine
from tests.fleet.operator import ATTENTION, FAILED, Operator, starts_registry
from tests.fleet.registering import (
    below_the_commands,
    home_pair,
    mismatched,
    only,
    served,
    types,
)
from tests.fleet.registering import inventory as write_inventory

REGISTRY = "registry.lab:5000"
IMAGE = f"{REGISTRY}/team/identidock:0.1"
FOLDER = "/etc/certkit/registry.lab_5000"
SHELF = f"/var/lib/certkit/registry{FOLDER}/server.crt"


@pytest.fixture(scope="module")
def operator(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """A team with a new home, hosts, and a machine for the registry that has nothing on it yet."""
    person = Operator(fleet.lab, tmp_path_factory.mktemp("operator"), REGISTRY)
    person.makes_certificate("--san", fleet.registry.address)
    inventory(person, fleet, {"run": "container", "image": REGISTRY_IMAGE})
    return person


def inventory(person: Operator, fleet: Fleet, run: dict[str, Any]) -> None:
    """Write the inventory: the hosts, and the registry's machine with a way to run."""
    write_inventory(person, fleet.registry, run, fleet.hosts)


def home_says(person: Operator) -> str:
    """The fingerprint of the home's current leaf."""
    return home_pair(person).sha256


def container_start(machine: Machine, name: str = "registry") -> str:
    """When a container was started: another text after a restart."""
    return machine.run(["docker", "inspect", "-f", "{{.State.StartedAt}}", name]).stdout.strip()


def test_nothing_is_served_yet(operator: Operator) -> None:
    status = json.loads(types(operator, "status", expect=ATTENTION).stdout)
    assert (status["says"], status["attention"], status["served"]) == ("nothing", True, None)


def test_a_check_tells_and_touches_nothing(fleet: Fleet, operator: Operator) -> None:
    host = only(types(operator, "deploy", "--check", expect=ATTENTION))
    assert host["outcome"] == "would_change"
    assert not fleet.registry.exists("/etc/certkit")
    assert not fleet.registry.exists("/var/lib/certkit")
    assert fleet.registry.run("docker ps -aq").stdout == ""


def test_a_registry_is_started_and_pulled_from_another_host(
    fleet: Fleet, operator: Operator
) -> None:
    first, other = fleet.bookworm[0], fleet.trixie[0]
    run = types(operator, "deploy", "--from", first.name)
    host = only(run)
    assert (host["outcome"], host["error"]) == ("changed", None)
    [runtime] = host["runtimes"]
    assert runtime["changed"] == [f"{FOLDER}/server.crt", f"{FOLDER}/server.key"]
    assert any("seen from" in note and first.name in note for note in runtime["notes"])
    assert served(fleet.registry) == home_says(operator)
    shown = fleet.registry.run(f"stat -c '%a %u:%g' {FOLDER}/server.key").stdout.strip()
    assert shown == "600 0:0"
    assert fleet.registry.run(f"ls {SHELF}").stdout.split() == ["record"]
    operator.fleet("distribute", "--limit", f"{first.name},{other.name}")
    first.run(["docker", "tag", EXAMPLE_IMAGE, IMAGE])
    first.run(["docker", "push", IMAGE])
    other.run(["docker", "pull", IMAGE])


def test_the_key_is_nowhere_but_in_its_file(fleet: Fleet, operator: Operator) -> None:
    lines = fleet.registry.read(f"{FOLDER}/server.key").decode().splitlines()
    found = fleet.registry.run(
        f"grep -rlF -- '{lines[2]}' /etc /var/lib/certkit /var/log /run /tmp /root /home",
        check=False,
    ).stdout.split()
    assert found == [f"{FOLDER}/server.key"]
    assert lines[2] not in operator.home.joinpath("journal.jsonl").read_text()


def test_a_second_run_changes_and_restarts_nothing(fleet: Fleet, operator: Operator) -> None:
    before = container_start(fleet.registry)
    assert only(types(operator, "deploy"))["outcome"] == "unchanged"
    assert container_start(fleet.registry) == before
    types(operator, "deploy", "--check")


def test_status_is_content(fleet: Fleet, operator: Operator) -> None:
    run = types(operator, "status", "--from", fleet.trixie[1].name)
    status = json.loads(run.stdout)
    assert (status["says"], status["agreed"], status["trusted"]) == ("current", True, True)
    assert {sight["sha256"] for sight in status["seen"]} == {home_says(operator)}
    assert len(status["seen"]) == 3


def test_a_pair_that_cannot_be_loaded_leaves_the_old_one_served(
    fleet: Fleet, operator: Operator, tmp_path: Path
) -> None:
    ours = home_pair(operator)
    done = below_the_commands(operator, mismatched(operator, tmp_path))
    assert (done.result.outcome.value, done.served) == ("rolled_back", False)
    assert done.result.error is not None
    assert "does not match" in done.result.error.message
    assert served(fleet.registry) == ours.sha256
    assert fleet.registry.read(f"{FOLDER}/server.crt") == ours.chain_pem
    assert fleet.registry.run(f"ls {SHELF}").stdout.split() == ["record"]
    assert only(types(operator, "deploy"))["outcome"] == "unchanged"


def test_another_image_or_port_is_a_new_container_or_none(fleet: Fleet, operator: Operator) -> None:
    way = {"run": "container", "image": REGISTRY_IMAGE}
    fleet.registry.run(["docker", "tag", REGISTRY_IMAGE, "registry:broken"])
    try:
        # 22 is taken by the machine's own sshd.
        inventory(operator, fleet, {**way, "port": 22, "connect": "127.0.0.1:5000"})
        host = only(types(operator, "deploy", expect=FAILED))
        assert host["outcome"] == "rolled_back"
        assert served(fleet.registry) == home_says(operator)
        inventory(operator, fleet, {**way, "image": "registry:broken"})
        assert only(types(operator, "deploy"))["outcome"] == "changed"
        names = fleet.registry.run("docker ps -a --format '{{.Names}} {{.Image}}'").stdout
        assert names.strip() == "registry registry:broken"
        fleet.bookworm[0].run(["docker", "pull", IMAGE])
    finally:
        inventory(operator, fleet, way)
        types(operator, "deploy")
        fleet.registry.run(["docker", "rmi", "registry:broken"])


def test_a_renewed_certificate_goes_into_service(fleet: Fleet, operator: Operator) -> None:
    old = home_says(operator)
    operator.types("renew", REGISTRY)
    assert only(types(operator, "deploy"))["outcome"] == "unchanged"
    assert only(types(operator, "deploy", "--next"))["outcome"] == "changed"
    assert home_says(operator) != old
    assert served(fleet.registry) == home_says(operator)
    json.loads(types(operator, "status").stdout)
    fleet.trixie[0].run(["docker", "pull", IMAGE])


def test_an_existing_container(fleet: Fleet, operator: Operator) -> None:
    machine = fleet.registry
    machine.run("docker rm --force registry")
    [directory] = (operator.home / "registries").iterdir()
    container = starts_registry(machine, REGISTRY_IMAGE, directory)
    machine.run(["docker", "rename", container, "theirs"])
    paths = {"certificate": "/srv/certs-5000/server.crt", "key": "/srv/certs-5000/server.key"}
    inventory(operator, fleet, {"run": "existing-container", "name": "theirs", **paths})
    try:
        assert only(types(operator, "deploy"))["outcome"] == "unchanged"
        before, old = container_start(machine, "theirs"), home_says(operator)
        known = str(operator.lab.known_hosts())
        options = ("--deploy", "--known-hosts", known)
        quiet = operator.types("renew", REGISTRY, "--if-due", "30d", *options)
        assert (quiet.stdout, quiet.stderr) == ("", "")
        run = operator.types("renew", REGISTRY, "--if-due", "900d", *options, "-o", "json")
        assert only(run)["outcome"] == "changed"
        assert home_says(operator) != old
        assert container_start(machine, "theirs") != before
        assert served(machine) == home_says(operator)
    finally:
        machine.run("docker rm --force --volumes theirs; rm -rf /srv/certs-5000")


def test_a_systemd_unit(fleet: Fleet, operator: Operator) -> None:
    machine = fleet.registry
    # Debian's program, out of the lab's image, as a service with a user of its own.
    program = "/usr/local/bin/registry"
    machine.run(
        f"set -e; id=$(docker create {REGISTRY_IMAGE}); docker cp $id:/bin/registry {program}; "
        "docker rm $id; useradd --system --home /var/lib/reg --create-home reg"
    )
    folder = "/etc/reg/tls"
    machine.write(
        "/etc/reg.yml",
        "version: 0.1\nstorage: {filesystem: {rootdirectory: /var/lib/reg}}\n"
        f"http: {{addr: ':5000', tls: {{certificate: {folder}/server.crt, "
        f"key: {folder}/server.key}}}}\n",
    )
    machine.write(
        "/etc/systemd/system/reg.service",
        f"[Service]\nUser=reg\nExecStart={program} serve /etc/reg.yml\n",
    )
    machine.run("systemctl daemon-reload")
    paths = {"certificate": "/etc/reg/tls/server.crt", "key": "/etc/reg/tls/server.key"}
    way = {"run": "systemd", "unit": "reg", **paths}
    try:
        # Without an owner, the service cannot read its key; nothing was there before, or is after.
        inventory(operator, fleet, way)
        host = only(types(operator, "deploy", expect=FAILED))
        assert host["outcome"] == "rolled_back"
        assert "permission denied" in host["error"]["message"]
        assert not machine.exists("/etc/reg/tls/server.key")
        inventory(operator, fleet, {**way, "key_owner": "reg"})
        assert only(types(operator, "deploy"))["outcome"] == "changed"
        assert served(machine) == home_says(operator)
        assert only(types(operator, "deploy"))["outcome"] == "unchanged"
    finally:
        machine.run(
            "systemctl stop reg; rm -rf /etc/reg /etc/reg.yml /etc/systemd/system/reg.service"
        )
        machine.run(f"systemctl daemon-reload; userdel --remove reg; rm -f {program}")


def test_the_journal_has_a_line_for_each(operator: Operator) -> None:
    lines = [
        json.loads(line) for line in (operator.home / "journal.jsonl").read_text().splitlines()
    ]
    ours = [line for line in lines if line["command"] == "registry deploy"]
    assert {line["served"] for line in ours} == {True, False}
