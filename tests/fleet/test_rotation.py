"""An authority replaced on real machines while every host pulls: no pull fails for trust."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.fleet.conftest import Fleet
from tests.fleet.lab import EXAMPLE_IMAGE, REGISTRY_IMAGE, Machine
from tests.fleet.operator import ATTENTION, DONE, FAILED, Operator, Run

REGISTRY = "registry.lab:5000"
IMAGE = f"{REGISTRY}/team/identidock:0.1"
LOG = "/root/pulls"
TRUST = f"/etc/docker/certs.d/{REGISTRY}/ca.crt"
# By tag and by digest in turn, with nothing kept between; until the file goes.
LOOP = f"""#!/bin/sh
digest=$(docker image inspect -f '{{{{index .RepoDigests 0}}}}' {IMAGE})
while [ -e {LOG}.on ]; do
  for image in {IMAGE} "$digest"; do
    docker rmi --force {IMAGE} "$digest" >/dev/null 2>&1
    if said=$(docker pull "$image" 2>&1); then echo "ok $image"; else echo "bad $said"; fi
  done >>{LOG}
done
"""


@pytest.fixture
def operator(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Somebody whose hosts pull an image from a registry that certkit runs."""
    address = fleet.registry.address
    person = Operator(fleet.lab, tmp_path_factory.mktemp("rotation"), REGISTRY)
    person.makes_certificate("--san", address)
    person.write_inventory(fleet.hosts)
    document = json.loads(person.inventory.read_text())
    machine = {"address": address, "user": person.user}
    way = {"run": "container", "image": REGISTRY_IMAGE, "timeout": 30}
    document["registry_host"] = {"host": machine, **way}
    person.inventory.write_text(json.dumps(document, indent=1))
    try:
        known = str(person.lab.known_hosts())
        person.types("registry", "deploy", "--known-hosts", known, "-o", "json")
        person.fleet("distribute")
        first = fleet.hosts[0]
        first.run(["docker", "tag", EXAMPLE_IMAGE, IMAGE])
        first.run(["docker", "push", IMAGE])
        for one in fleet.hosts:
            one.run(["docker", "pull", IMAGE])
        yield person
    finally:
        fleet.registry.run(
            "docker rm --force --volumes registry; docker volume rm registry-data", check=False
        )
        fleet.registry.run("rm -rf /etc/certkit /var/lib/certkit")
        for one in fleet.hosts:
            one.run(f"rm -rf {LOG}.on /etc/docker/certs.d /var/lib/certkit")
            one.run(f"docker rmi --force {IMAGE}", check=False)


def rotate(person: Operator, *words: str, expect: int = DONE) -> Run:
    """Type a step of ``certkit rotate``."""
    options = () if words[0] == "status" else ("--known-hosts", str(person.lab.known_hosts()))
    return person.types("rotate", *words, *options, "-o", "json", expect=expect, timeout=250)


def phase(person: Operator, expect: int = ATTENTION) -> str:
    """Where the rotation stands, as told."""
    return str(rotate(person, "status", expect=expect).report["phase"])


def begin_pulling(hosts: tuple[Machine, ...]) -> None:
    """Let every host pull in the background."""
    for one in hosts:
        one.write(f"{LOG}.sh", LOOP.encode(), 0o755)
        one.run(f"rm -f {LOG}; touch {LOG}.on; systemd-run --unit pulls --collect {LOG}.sh")


def pulls(hosts: tuple[Machine, ...]) -> dict[str, list[str]]:
    """What the pulls of each host said so far."""
    return {one.name: one.read(LOG).decode().splitlines() for one in hosts}


def end_pulling(hosts: tuple[Machine, ...]) -> None:
    """Stop after the pull that goes on."""
    for one in hosts:
        one.run(f"rm -f {LOG}.on; while systemctl is-active -q pulls; do sleep 0.2; done")


def test_no_pull_fails_for_trust_through_a_whole_rotation(fleet: Fleet, operator: Operator) -> None:
    old = fleet.hosts[0].read(TRUST)
    begin_pulling(fleet.hosts)
    try:
        # The daemons stay up: what is shown is that trust never fails, not that restarts hurt.
        rotate(operator, "start", "--restart", "never")
        assert phase(operator) == "started"
        for one in fleet.hosts:
            assert one.read(TRUST).count(b"BEGIN CERTIFICATE") == 2
        rotate(operator, "switch")
        assert phase(operator) == "switched"
        rotate(operator, "finish", "--restart", "never")
        assert phase(operator, expect=DONE) == "finished"
        done = {name: len(said) for name, said in pulls(fleet.hosts).items()}
        for one in fleet.hosts:
            one.run(f"until [ $(wc -l <{LOG}) -gt {done[one.name] + 4} ]; do sleep 0.2; done")
    finally:
        end_pulling(fleet.hosts)
    for name, said in pulls(fleet.hosts).items():
        bad = [line for line in said if not line.startswith("ok ")]
        assert not any("x509" in line or "certificate" in line for line in bad), (name, bad)
        assert not any("x509" in line for line in said), name
        assert sum(line.startswith("ok ") for line in said) > 10, (name, said)
        assert {"@" in line for line in said if line.startswith("ok ")} == {True, False}
        assert said[-1].startswith("ok "), name
    for one in fleet.hosts:
        assert one.read(TRUST) != old and one.read(TRUST).count(b"BEGIN CERTIFICATE") == 1
    operator.fleet("verify")


def test_a_host_that_lacks_the_trust_keeps_the_gate_closed(
    fleet: Fleet, operator: Operator
) -> None:
    host = fleet.hosts[1]
    old = host.read(TRUST)
    rotate(operator, "start", "--restart", "never")
    host.write(TRUST, old)
    refused = rotate(operator, "switch", expect=FAILED)
    assert host.name in refused.stderr and "does not trust the new authority" in refused.stderr
    report = rotate(operator, "status", expect=ATTENTION).report
    assert [one["name"] for one in report["hosts"] if one["lacks"]] == [host.name]
    assert (report["phase"], report["next"]) == ("started", "certkit rotate start")
    rotate(operator, "start", "--restart", "never", "--force")
    rotate(operator, "switch")
    rotate(operator, "abort", "--restart", "never")
    assert phase(operator, expect=DONE) == "aborted"
    for one in fleet.hosts:
        assert one.read(TRUST) == old
    operator.fleet("verify")
