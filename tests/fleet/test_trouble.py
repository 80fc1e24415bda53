"""What goes wrong in a fleet: each trouble is told, stays where it is, and the rest succeeds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.conftest import Fleet
from tests.fleet.lab import EXAMPLE_IMAGE, PASSWORD_USER, Lab, Spec
from tests.fleet.operator import FAILED, Operator, daemon_pid, reload_docker

REGISTRY = "other.lab:5000"
TRUST = f"/etc/docker/certs.d/{REGISTRY}/ca.crt"


@pytest.fixture
def operator(fleet: Fleet, tmp_path: Path) -> Iterator[Operator]:
    """Somebody with a new authority, whose trust no host has yet."""
    person = Operator(fleet.lab, tmp_path, REGISTRY)
    person.makes_certificate()
    person.write_inventory(fleet.hosts)
    yield person
    for host in fleet.hosts:
        if host.is_on:
            host.run("rm -rf /etc/docker/certs.d /var/lib/certkit")


def test_a_daemon_that_does_not_come_back_is_rolled_back(fleet: Fleet, operator: Operator) -> None:
    broken = fleet.trixie[0]
    drop_in = "/etc/systemd/system/docker.service.d/broken.conf"
    refusal = f"! test -e '/etc/docker/certs.d/{REGISTRY}'"
    broken.write(drop_in, f'[Service]\nExecStartPre=/bin/sh -c "{refusal}"\n')
    broken.run("systemctl daemon-reload")
    try:
        run = operator.fleet("distribute", "--max-fail", "1", "--wave", "1,100%", expect=FAILED)
        assert run.outcomes[broken.name] == "rolled_back"
        assert [name for name, how in run.outcomes.items() if how != "changed"] == [broken.name]
        said = run.hosts[broken.name]["error"]
        assert said["kind"] == "daemon"
        assert "docker" in str(run.hosts[broken.name]).lower()
        assert not broken.exists(f"/etc/docker/certs.d/{REGISTRY}")
        broken.run(["docker", "run", "--rm", EXAMPLE_IMAGE, "echo"])
    finally:
        broken.run(f"rm {drop_in} && systemctl daemon-reload")
    again = operator.fleet("distribute", "--retry-failed")
    assert again.outcomes[broken.name] == "changed"
    assert broken.exists(TRUST)


def test_a_broken_canary_stops_the_restarts(fleet: Fleet, operator: Operator) -> None:
    canary = fleet.hosts[0]
    drop_in = "/etc/systemd/system/docker.service.d/broken.conf"
    refusal = f"! test -e '/etc/docker/certs.d/{REGISTRY}'"
    canary.write(drop_in, f'[Service]\nExecStartPre=/bin/sh -c "{refusal}"\n')
    canary.run("systemctl daemon-reload")
    before = {host.name: daemon_pid(host) for host in fleet.hosts[1:]}
    try:
        run = operator.fleet("distribute", expect=FAILED)
    finally:
        canary.run(f"rm {drop_in} && systemctl daemon-reload")
    assert run.outcomes[canary.name] == "rolled_back"
    assert {host.name: daemon_pid(host) for host in fleet.hosts[1:]} == before
    operator.fleet("distribute")
    for host in fleet.hosts[1:]:
        assert daemon_pid(host) != before[host.name], "the restart that was owed was forgotten"


def test_a_daemon_restarted_often_is_not_refused_its_start(
    fleet: Fleet, operator: Operator
) -> None:
    host = fleet.trixie[0]
    for _ in range(3):
        host.run("systemctl restart docker")
    run = operator.fleet("distribute", "--limit", host.name)
    assert run.outcomes == {host.name: "changed"}


def test_a_host_gone_and_a_changed_key_are_told(fleet: Fleet, operator: Operator) -> None:
    gone, rekeyed = fleet.bookworm[1], fleet.trixie[1]
    known = fleet.lab.known_hosts(operator.directory / "known_before")
    gone.poweroff()
    rekeyed.rekey()
    try:
        run = operator.types(
            *("distribute", "--known-hosts", str(known), "-o", "json"),
            *("--retries", "0", "--max-fail", "2"),
            expect=FAILED,
        )
        assert run.outcomes == {
            fleet.bookworm[0].name: "changed",
            gone.name: "unreachable",
            fleet.trixie[0].name: "changed",
            rekeyed.name: "unreachable",
        }
        error = run.hosts[rekeyed.name]["error"]
        assert error["kind"] == "host_key"
        assert error["message"].count("SHA256:") == 2
        assert "ssh-keygen -R" in error["hint"]
        assert not rekeyed.exists(TRUST)
        assert run.hosts[gone.name]["error"]["kind"] in ("network", "timeout", "refused")
    finally:
        gone.poweron()


def test_sudo_with_a_password(fleet: Fleet, operator: Operator) -> None:
    operator.user = PASSWORD_USER
    operator.write_inventory(fleet.hosts)
    missing = operator.fleet("distribute", expect=FAILED)
    assert {host["error"]["kind"] for host in missing.hosts.values() if host["error"]} == {"sudo"}

    password = operator.directory / "become"
    password.touch(0o600)
    password.write_text("not the password\n")
    wrong = operator.fleet("distribute", "--become-password-file", str(password), expect=FAILED)
    asked = [name for name, how in wrong.outcomes.items() if how != "skipped"]
    assert len(asked) == 1, "a wrong password is not tried on every host"

    password.write_text(f"{fleet.lab.password}\n")
    run = operator.fleet("distribute", "--become-password-file", str(password))
    assert set(run.outcomes.values()) == {"changed"}
    assert fleet.lab.password not in run.stdout + run.stderr + missing.stderr + wrong.stderr
    for host in fleet.hosts:
        assert host.exists(TRUST)
        found = host.run(f"grep -rl '{fleet.lab.password}' /var/lib/certkit /tmp", check=False)
        assert found.stdout == ""


def test_safe_leaves_a_host_whose_containers_would_stop(fleet: Fleet, operator: Operator) -> None:
    busy, kept_alive = fleet.bookworm[0], fleet.trixie[0]
    containers = {}
    kept_alive.write("/etc/docker/daemon.json", '{"live-restore": true}')
    kept_alive.run(
        "systemctl reload docker; "
        "until docker info -f '{{.LiveRestoreEnabled}}' | grep -q true; do sleep 0.1; done"
    )
    for host in (busy, kept_alive):
        started = host.run(["docker", "run", "-d", EXAMPLE_IMAGE, "sleep", "600"])
        containers[host.name] = started.stdout.strip()
    before = {host.name: daemon_pid(host) for host in fleet.hosts}
    try:
        run = operator.fleet("distribute", "--restart", "safe")
        after = {host.name: daemon_pid(host) for host in fleet.hosts}
        assert after[busy.name] == before[busy.name]
        assert all(after[one.name] != before[one.name] for one in fleet.hosts if one != busy)
        assert "container" in str(run.hosts[busy.name]["runtimes"][0]["notes"])
        for host in (busy, kept_alive):
            alive = host.run(["docker", "ps", "--quiet", "--no-trunc"]).stdout.split()
            assert alive == [containers[host.name]]
    finally:
        for host in (busy, kept_alive):
            host.run(["docker", "rm", "--force", containers[host.name]])
        kept_alive.run("rm /etc/docker/daemon.json && systemctl restart docker")


def test_a_foreign_file_is_left_alone(fleet: Fleet, operator: Operator) -> None:
    host = fleet.bookworm[0]
    host.write(TRUST, "somebody else's\n")
    run = operator.fleet("distribute", "--limit", host.name, expect=FAILED)
    assert run.hosts[host.name]["error"]["kind"] == "conflict"
    assert host.read(TRUST) == b"somebody else's\n"
    operator.fleet("distribute", "--limit", host.name, "--force")
    assert host.read(TRUST).startswith(b"-----BEGIN CERTIFICATE-----")


def test_an_insecure_registry_proves_nothing(fleet: Fleet, operator: Operator) -> None:
    host = fleet.trixie[1]
    host.write("/etc/docker/daemon.json", f'{{"insecure-registries": ["{REGISTRY}"]}}')
    reload_docker(host, REGISTRY)
    try:
        run = operator.fleet("verify", "--limit", host.name, expect=FAILED)
        assert not run.hosts[host.name]["runtimes"][0]["proofs"][0]["proven"]
    finally:
        host.run("rm /etc/docker/daemon.json && systemctl restart docker")


def test_a_host_with_podman_only_needs_no_restart(
    lab: Lab, fleet: Fleet, operator: Operator
) -> None:
    [host] = lab.boot([Spec("podman-only", "trixie", docker=False, podman=True)])
    try:
        operator.write_inventory([host])
        run = operator.fleet("distribute")
        [runtime] = run.hosts[host.name]["runtimes"]
        assert runtime["name"] == "podman"
        assert runtime["restarted"] is False
        assert host.exists(f"/etc/containers/certs.d/{REGISTRY}/ca.crt")
    finally:
        host.poweroff()
