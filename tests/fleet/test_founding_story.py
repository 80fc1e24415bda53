"""The founding story, in full, in the order in which a team lives through it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleet.conftest import Fleet
from tests.fleet.lab import EXAMPLE_IMAGE, REGISTRY_IMAGE
from tests.fleet.operator import ATTENTION, Operator, daemon_pid, starts_registry

REGISTRY = "registry.lab:5000"
IMAGE = f"{REGISTRY}/team/identidock:0.1"
TRUST = f"/etc/docker/certs.d/{REGISTRY}/ca.crt"


@pytest.fixture(scope="module")
def operator(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """A team with a registry that has certkit's certificate, and hosts that know nothing of it."""
    person = Operator(fleet.lab, tmp_path_factory.mktemp("operator"), REGISTRY)
    certificates = person.makes_certificate("--san", fleet.registry.address)
    starts_registry(fleet.registry, REGISTRY_IMAGE, certificates)
    person.write_inventory(fleet.hosts)
    return person


def test_a_push_is_refused_before_trust(fleet: Fleet, operator: Operator) -> None:
    for host in (fleet.bookworm[0], fleet.trixie[0]):
        host.run(["docker", "tag", EXAMPLE_IMAGE, IMAGE])
        refused = host.run(["docker", "push", IMAGE], check=False)
        assert "x509: certificate signed by unknown authority" in refused.stderr


def test_verify_names_the_missing_trust(fleet: Fleet, operator: Operator) -> None:
    run = operator.fleet("verify", expect=1)
    assert {host["error"]["kind"] for host in run.hosts.values()} == {"trust"}


def test_a_check_tells_and_touches_nothing(fleet: Fleet, operator: Operator) -> None:
    run = operator.fleet("distribute", "--check", "--diff", expect=ATTENTION)
    assert set(run.outcomes.values()) == {"would_change"}
    for host in fleet.hosts:
        assert not host.exists("/etc/docker/certs.d")
        assert not host.exists("/var/lib/certkit")


def test_distribute_places_trust_and_restarts(fleet: Fleet, operator: Operator) -> None:
    before = {host.name: daemon_pid(host) for host in fleet.hosts}
    run = operator.fleet("distribute")
    assert set(run.outcomes.values()) == {"changed"}
    [trust] = operator.home.glob("registries/*/trust.crt")
    for host in fleet.hosts:
        [runtime] = [one for one in run.hosts[host.name]["runtimes"] if one["name"] == "docker"]
        assert runtime["changed"] == [TRUST]
        assert runtime["restarted"] is True
        assert daemon_pid(host) not in ("0", before[host.name])
        assert host.read(TRUST) == trust.read_bytes()
        shown = host.run(f"stat -c '%a %u:%g' {TRUST} {Path(TRUST).parent}").stdout.split("\n")
        assert shown[:2] == ["644 0:0", "755 0:0"]


def test_every_machine_pushes_and_pulls(fleet: Fleet, operator: Operator) -> None:
    first = fleet.bookworm[0]
    first.run(["docker", "tag", EXAMPLE_IMAGE, IMAGE])
    pushed = first.run(["docker", "push", IMAGE]).stdout
    digest = next(word for word in pushed.split() if word.startswith("sha256:"))
    by_digest = f"{IMAGE.rpartition(':')[0]}@{digest}"
    for host in fleet.hosts:
        host.run(["docker", "rmi", "--force", IMAGE], check=False)
        host.run(["docker", "pull", IMAGE])
        host.run(["docker", "rmi", IMAGE])
        host.run(["docker", "pull", by_digest])
        host.run(["docker", "rmi", by_digest])


def test_a_second_run_changes_and_restarts_nothing(fleet: Fleet, operator: Operator) -> None:
    before = {host.name: daemon_pid(host) for host in fleet.hosts}
    run = operator.fleet("distribute")
    assert set(run.outcomes.values()) == {"unchanged"}
    assert {host.name: daemon_pid(host) for host in fleet.hosts} == before
    operator.fleet("distribute", "--check")


def test_every_daemon_gives_its_word(fleet: Fleet, operator: Operator) -> None:
    run = operator.fleet("verify")
    for host in run.hosts.values():
        assert host["outcome"] == "unchanged"
        [proof] = [proof for runtime in host["runtimes"] for proof in runtime["proofs"]]
        assert (proof["handshake"], proof["daemon"], proof["proven"]) == ("ok", "ok", True)


def test_every_host_reports_one_digest(fleet: Fleet, operator: Operator) -> None:
    run = operator.fleet("verify", "--image", "team/identidock:0.1")
    digests = {
        proof["digest"]
        for host in run.hosts.values()
        for runtime in host["runtimes"]
        for proof in runtime["proofs"]
    }
    assert len(digests) == 1
    [digest] = digests
    assert digest.startswith("sha256:")
    operator.fleet("verify", "--image", f"team/identidock@{digest}")
    for host in fleet.hosts:
        assert host.run(["docker", "image", "inspect", IMAGE], check=False).returncode != 0


def test_what_is_served_is_what_the_home_says(fleet: Fleet, operator: Operator) -> None:
    run = operator.types("inspect", f"{fleet.registry.address}:5000", "--live", "-o", "json")
    [leaf] = operator.home.glob("registries/*/server.crt")
    said = operator.types("inspect", str(leaf), "-o", "json")
    assert "registry.lab" in run.stdout
    assert "registry.lab" in said.stdout
