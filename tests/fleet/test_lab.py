"""The lab itself: what every other fleet test takes for granted.

When one of these fails, look here first: the others then fail for reasons of the lab's.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.conftest import Fleet
from tests.fleet.lab import EXAMPLE_IMAGE, PASSWORD_USER, REGISTRY_IMAGE, CommandError, Lab, Spec
from tests.fleet.lab.leftovers import sweep
from tests.fleet.lab.store import labs_directory, locked
from tests.fleet.operator import wait_for_registry

TLS_REGISTRY = "registry.lab:5443"


def fetch(url: str) -> list[str]:
    return ["curl", "--silent", "--show-error", "--fail", "--max-time", "30", url]


@pytest.fixture
def plain_registry(fleet: Fleet) -> Iterator[str]:
    """A registry without TLS, started the way everybody starts one."""
    container = fleet.registry.run(
        ["docker", "run", "-d", "-p", "5000:5000", REGISTRY_IMAGE]
    ).stdout.strip()
    wait_for_registry(fleet.registry, 5000)
    yield f"http://{fleet.registry.address}:5000/v2/"
    fleet.registry.run(["docker", "rm", "--force", "--volumes", container])


@pytest.fixture(scope="module")
def tls_registry(fleet: Fleet) -> Iterator[bytes]:
    """A registry with a certificate of its own making; the value is that certificate."""
    machine = fleet.registry
    machine.run("mkdir -p /srv/lab-tls")
    machine.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=lab -addext subjectAltName=DNS:registry.lab "
        "-keyout /srv/lab-tls/server.key -out /srv/lab-tls/server.crt"
    )
    container = machine.run(
        "docker run -d -p 5443:5000 -v /srv/lab-tls:/certs:ro "
        "-e REGISTRY_HTTP_TLS_CERTIFICATE=/certs/server.crt "
        f"-e REGISTRY_HTTP_TLS_KEY=/certs/server.key {REGISTRY_IMAGE}"
    ).stdout.strip()
    wait_for_registry(machine, 5443)
    yield machine.read("/srv/lab-tls/server.crt")
    machine.run(["docker", "rm", "--force", "--volumes", container])
    machine.run("rm -r /srv/lab-tls")


def test_all_machines_run_without_a_failed_unit(fleet: Fleet) -> None:
    for machine in fleet.machines:
        machine.run(["systemctl", "is-system-running", "--wait"], check=False)
        failed = machine.run(["systemctl", "--failed", "--plain", "--no-legend"]).stdout
        assert failed == "", f"{machine.name}: {failed}"


def test_there_are_two_docker_generations(fleet: Fleet) -> None:
    def version(name: str) -> str:
        return fleet.lab[name].run(["docker", "version", "-f", "{{.Server.Version}}"]).stdout

    assert version("bookworm-1").startswith("20.10.")
    assert version("trixie-1").startswith("26.1.")


def test_containers_run_on_every_host(fleet: Fleet) -> None:
    for host in fleet.hosts:
        said = host.run(["docker", "run", "--rm", EXAMPLE_IMAGE, "echo", "from a container"])
        assert said.stdout == "from a container\n"


def test_a_registry_is_reached_from_another_machine(fleet: Fleet, plain_registry: str) -> None:
    for host in (fleet.bookworm[0], fleet.trixie[0]):
        host.run(fetch(plain_registry))
        by_name = plain_registry.replace(fleet.registry.address, "registry.lab")
        assert host.run(fetch(by_name)).stdout == "{}"


def test_images_are_pushed_and_pulled_over_tls(fleet: Fleet, tls_registry: bytes) -> None:
    for number, host in enumerate((fleet.bookworm[0], fleet.trixie[0])):
        image = f"{TLS_REGISTRY}/lab/example:{number}"
        host.run(["docker", "tag", EXAMPLE_IMAGE, image])
        refused = host.run(["docker", "push", image], check=False)
        assert "certificate signed by unknown authority" in refused.stderr

        host.write(f"/etc/docker/certs.d/{TLS_REGISTRY}/ca.crt", tls_registry)
        try:
            host.run(["docker", "push", image])
            host.run(["docker", "rmi", image])
            host.run(["docker", "pull", image])
        finally:
            host.run(["rm", "-r", "/etc/docker/certs.d"])
            host.run(["docker", "rmi", image])


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_a_host_with_podman_only(lab: Lab, fleet: Fleet, tls_registry: bytes, release: str) -> None:
    [host] = lab.boot([Spec(f"podman-{release}", release, docker=False, podman=True)])
    assert host.run("command -v docker", check=False).returncode != 0

    host.load_image(lab.example_image, engine="podman")
    host.write(f"/etc/containers/certs.d/{TLS_REGISTRY}/ca.crt", tls_registry)
    image = f"{TLS_REGISTRY}/lab/podman:{release}"
    host.run(["podman", "tag", EXAMPLE_IMAGE, image])
    host.run(["podman", "push", "--quiet", image])
    host.run(["podman", "rmi", image, EXAMPLE_IMAGE])
    host.run(["podman", "pull", "--quiet", image])
    host.poweroff()


def test_logging_in_with_the_labs_key(fleet: Fleet) -> None:
    for machine in fleet.machines:
        assert fleet.lab.ssh(machine, "id -un").stdout == "deploy\n"
        assert fleet.lab.ssh(machine, "sudo -n id -un").stdout == "root\n"
        assert fleet.lab.ssh(machine, "doas -n id -u").stdout == "0\n"
        assert fleet.lab.ssh(machine, "id -un", user="root").stdout == "root\n"


def test_one_user_has_to_give_a_password(fleet: Fleet) -> None:
    host = fleet.bookworm[0]
    without = fleet.lab.ssh(host, "sudo -n true", user=PASSWORD_USER, check=False)
    assert "a password is required" in without.stderr
    given = fleet.lab.ssh(
        host, "sudo -S -p '' id -un", user=PASSWORD_USER, input=f"{fleet.lab.password}\n"
    )
    assert given.stdout == "root\n"


def test_a_new_host_key_is_noticed(fleet: Fleet) -> None:
    host = fleet.trixie[1]
    known = fleet.lab.known_hosts(fleet.lab.directory / "known_before")
    options = ["-o", f"UserKnownHostsFile={known}"]
    assert host.rekey() == host.host_public_key()

    ssh = ["ssh", *options, *fleet.lab.ssh_options(), f"deploy@{host.address}", "true"]
    refused = subprocess.run(ssh, capture_output=True, text=True, timeout=30, check=False)
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in refused.stderr
    fleet.lab.ssh(host, "true")


def test_files_are_written_and_read(fleet: Fleet) -> None:
    host = fleet.trixie[0]
    content = bytes(range(256))
    host.write("/srv/lab test/file", content, mode=0o640)
    assert host.read("/srv/lab test/file") == content
    assert host.run(["stat", "-c", "%a %U", "/srv/lab test/file"]).stdout == "640 root\n"
    host.run(["rm", "-r", "/srv/lab test"])
    assert not host.exists("/srv/lab test/file")


def test_this_box_can_be_told_the_labs_names(fleet: Fleet) -> None:
    fleet.lab.hosts_entry("mirror.lab", fleet.registry.address)
    found = fleet.lab.run(["getent", "hosts", "mirror.lab", "registry.lab"]).stdout.split()
    assert found.count(fleet.registry.address) == 2
    assert "mirror.lab" not in Path("/etc/hosts").read_text()
    assert fleet.registry.address in fleet.bookworm[0].run("getent hosts mirror.lab").stdout


def test_no_machine_can_set_the_clock(fleet: Fleet) -> None:
    for machine in fleet.machines:
        with pytest.raises(CommandError, match="Operation not permitted"):
            machine.run(["date", "--set", "@0"])
        assert fleet.lab.ssh(machine, "sudo date --set @0", check=False).returncode != 0


def test_a_host_goes_away_and_comes_back(fleet: Fleet) -> None:
    host = fleet.bookworm[1]
    host.write("/etc/lab-marker", "still here\n")
    host.poweroff()
    assert not host.is_on
    gone = fleet.lab.ssh(host, "true", check=False)
    assert gone.returncode == 255

    host.poweron()
    assert host.read("/etc/lab-marker") == b"still here\n"
    host.run(["docker", "run", "--rm", EXAMPLE_IMAGE, "echo"])
    host.run(["rm", "/etc/lab-marker"])


KILLED_LAB = """
import os, signal
from tests.fleet.lab import Lab, Spec

with Lab() as lab:
    lab.boot([Spec("victim", docker=False)])
    print(lab.identifier, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_lab_leaves_nothing(fleet: Fleet) -> None:
    root = Path(__file__).parents[2]
    killed = fleet.lab.run(
        ["python3", "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{KILLED_LAB}"],
        check=False,
    )
    identifier = killed.stdout.strip()
    assert killed.returncode == -9, killed.stderr
    assert Path("/sys/class/net", identifier).exists()

    deadline = time.monotonic() + 60
    while f"--machine={identifier}-" in _command_lines():
        assert time.monotonic() < deadline, "the machine outlived its lab"
        time.sleep(0.1)
    with locked(labs_directory() / "start"):
        sweep(labs_directory())
    assert not Path("/sys/class/net", identifier).exists()
    assert identifier not in Path("/proc/mounts").read_text()
    assert not list(labs_directory().glob(f"{identifier}*"))
    assert not list(Path("/sys/fs/cgroup").glob(f"*/certkit-lab/{identifier}"))
    assert fleet.registry.is_on


def _command_lines() -> str:
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            lines.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return "\n".join(lines)
