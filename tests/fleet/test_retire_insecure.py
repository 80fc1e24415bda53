"""From insecure-registries to trust on real machines: nothing restarts, nothing else changes."""

from __future__ import annotations

import time

import pytest

from tests.fleet.conftest import Fleet
from tests.fleet.lab import EXAMPLE_IMAGE, REGISTRY_IMAGE, Machine, at_once
from tests.fleet.operator import (
    ATTENTION,
    FAILED,
    Operator,
    daemon_pid,
    listed_insecure,
    reload_docker,
    starts_registry,
)

REGISTRY = "retire.lab:5010"
OTHER = "other.lab:5000"
IMAGE = f"{REGISTRY}/team/identidock:0.1"
DAEMON = "/etc/docker/daemon.json"
BEFORE = f"""{{
    "labels": ["site=lab $(touch /etc/pwned)"],
  "insecure-registries" : [
    "http://{REGISTRY}",
    "{OTHER}"
  ],
\t"max-concurrent-downloads":2}}
"""
AFTER = BEFORE.replace(f'"http://{REGISTRY}",\n    ', "")
EVERYTHING = "find /etc/docker /var/lib/certkit -printf '%p %i %m %U %s\n' | sort"


@pytest.fixture(scope="module")
def operator(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """A team whose hosts have pulled unverified so far."""
    person = Operator(fleet.lab, tmp_path_factory.mktemp("retire"), REGISTRY)
    fleet.lab.hosts_entry(REGISTRY.partition(":")[0], fleet.registry.address)
    # A daemon that looked up another name just now reads /etc/hosts again after five seconds.
    named = time.monotonic() + 5.2
    certificates = person.makes_certificate()
    person.write_inventory(fleet.hosts)
    starts_registry(fleet.registry, REGISTRY_IMAGE, certificates, 5010)
    at_once(insecure, fleet.hosts)
    time.sleep(max(0.0, named - time.monotonic()))
    pusher = fleet.hosts[0]
    pusher.run(f"docker tag {EXAMPLE_IMAGE} {IMAGE} && docker push {IMAGE}")
    return person


def insecure(host: Machine) -> None:
    """Give it the setting that people have, taken up by a reload."""
    host.write(DAEMON, BEFORE, 0o640)
    reload_docker(host, REGISTRY, OTHER)


def pulls(host: Machine) -> bool:
    host.run(f"docker rmi {IMAGE}", check=False)
    return host.run(f"docker pull {IMAGE}", check=False).returncode == 0


def containers(host: Machine) -> str:
    return host.run("docker inspect --format '{{.State.Pid}}' $(docker ps -q)").stdout


def test_a_check_says_what_would_go(fleet: Fleet, operator: Operator) -> None:
    operator.fleet("distribute", "--restart", "never")
    run = operator.fleet("distribute", "--retire-insecure", "--check", "--diff", expect=ATTENTION)
    for host in fleet.hosts:
        [runtime] = run.hosts[host.name]["runtimes"]
        assert runtime["changed"] == [DAEMON]
        assert runtime["diff"] == [DAEMON, f"- insecure-registries: http://{REGISTRY}"]
        assert host.read(DAEMON).decode() == BEFORE
        assert listed_insecure(host) == {REGISTRY, OTHER}
    known = str(fleet.lab.known_hosts())
    said = operator.types("status", "--known-hosts", known, expect=ATTENTION)
    assert f"certkit distribute --retire-insecure --known-hosts {known}" in said.stdout


def test_the_entry_goes_by_a_reload_and_pulls_go_on(fleet: Fleet, operator: Operator) -> None:
    before = {}
    for host in fleet.hosts:
        assert pulls(host), "unverified"
        host.run(f"docker run -d --name runs {EXAMPLE_IMAGE} sleep 900")
        before[host.name] = (daemon_pid(host), containers(host))
    run = operator.fleet("distribute", "--retire-insecure", "--restart", "never", "--diff")
    for host in fleet.hosts:
        [runtime] = run.hosts[host.name]["runtimes"]
        assert (run.outcomes[host.name], runtime["changed"]) == ("changed", [DAEMON])
        assert runtime["restarted"] is False
        assert f"http://{REGISTRY} was taken out of insecure-registries" in runtime["notes"]
        assert host.read(DAEMON).decode() == AFTER
        assert host.run(f"stat -c '%a %U' {DAEMON}").stdout == "640 root\n"
        assert listed_insecure(host) == {OTHER}
        assert (daemon_pid(host), containers(host)) == before[host.name]
        assert pulls(host), "verified"
        assert not host.exists("/etc/pwned")
    journal = (operator.home / "journal.jsonl").read_text()
    assert "retired insecure settings" in journal and "max-concurrent" not in journal
    operator.fleet("verify")
    assert set(operator.fleet("status").outcomes.values()) == {"unchanged"}


def test_a_second_run_changes_nothing(fleet: Fleet, operator: Operator) -> None:
    before = [host.run(EVERYTHING).stdout for host in fleet.hosts]
    assert not any("/retired" in text or ".certkit-" in text for text in before)
    run = operator.fleet("distribute", "--retire-insecure", "--restart", "never")
    assert set(run.outcomes.values()) == {"unchanged"}
    assert [host.run(EVERYTHING).stdout for host in fleet.hosts] == before


def test_hosts_without_proof_keep_their_setting(fleet: Fleet, operator: Operator) -> None:
    """One cannot reach the registry, and one has nothing to try the file with."""
    deaf, bare, *others = fleet.hosts
    at_once(insecure, fleet.hosts)
    deaf.run(f"iptables -I OUTPUT -d {fleet.registry.address} -j REJECT")
    bare.run("mv /usr/bin/openssl /usr/bin/openssl.away")
    try:
        run = operator.fleet("distribute", "--retire-insecure", "--restart", "never", expect=FAILED)
    finally:
        deaf.run(f"iptables -D OUTPUT -d {fleet.registry.address} -j REJECT")
        bare.run("mv /usr/bin/openssl.away /usr/bin/openssl")
    for host, kind in ((deaf, "network"), (bare, "trust")):
        assert run.hosts[host.name]["error"]["kind"] == kind
        assert "is not proven there" in run.hosts[host.name]["error"]["message"]
        assert host.read(DAEMON).decode() == BEFORE
        assert listed_insecure(host) == {REGISTRY, OTHER}
    for host in others:
        assert run.outcomes[host.name] == "changed"
        assert listed_insecure(host) == {OTHER}


def test_what_would_break_pulls_is_rolled_back(fleet: Fleet, operator: Operator) -> None:
    """A stray key shows only once Docker verifies; a file it cannot reload shows at once."""
    strays = (fleet.bookworm[0], fleet.trixie[0])
    unfit = (fleet.bookworm[1], fleet.trixie[1])
    wrong = BEFORE.replace('"max-concurrent-downloads":2', '"max-concurrent-downloads":-2')
    at_once(insecure, fleet.hosts)
    for host in strays:
        host.write(f"/etc/docker/certs.d/{REGISTRY}/old.key", "x")
    for host in unfit:
        host.write(DAEMON, wrong, 0o640)
    before = {host.name: (daemon_pid(host), containers(host)) for host in fleet.hosts}
    run = operator.fleet("distribute", "--retire-insecure", "--restart", "never", expect=FAILED)
    for host in fleet.hosts:
        assert run.outcomes[host.name] == "rolled_back", run.hosts[host.name]
        assert host.read(DAEMON).decode() == (wrong if host in unfit else BEFORE)
        assert listed_insecure(host) == {REGISTRY, OTHER}
        assert (daemon_pid(host), containers(host)) == before[host.name]
        assert "/retired" not in host.run(EVERYTHING).stdout
        message = run.hosts[host.name]["error"]["message"]
        assert ("did not take up" if host in unfit else "does not pull once it verifies") in message
    for host in strays:
        host.run(f"rm '/etc/docker/certs.d/{REGISTRY}/old.key'")
    at_once(insecure, unfit)
    operator.fleet("distribute", "--retire-insecure", "--restart", "never")
    assert all(listed_insecure(host) == {OTHER} for host in fleet.hosts)
