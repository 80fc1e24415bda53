"""Set-ups that are broken on purpose: each with the cause that the doctor is to name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.fleet.ailing import REGISTRY, Ward, certificate, hosts_file, serving, signed
from tests.fleet.lab import EXAMPLE_IMAGE, REGISTRY_IMAGE, Machine
from tests.fleet.operator import reload_docker, wait_for_registry

BASE = "/etc/docker/certs.d"
DIRECTORY = f"{BASE}/{REGISTRY}"
TRUST = f"{DIRECTORY}/ca.crt"

Broken = Callable[[Ward, Machine], AbstractContextManager[None]]


@dataclass(frozen=True)
class Case:
    """A set-up that is broken, and what the doctor is to say of it.

    Attributes:
        code: The finding that must come first.
        broken: Breaks it meanwhile.
        cured: Whether the cure is nothing but commands, which are typed then, and must help.
    """

    code: str
    broken: Broken
    cured: bool


HOSTS: dict[str, Case] = {}
"""Broken on a host: four are looked at in one go, each broken in its own way."""

REGISTRIES: dict[str, Case] = {}
"""Broken at the registry."""

Made = Callable[[Ward, Machine], Iterator[None]]


def cause(
    code: str, cases: dict[str, Case] = HOSTS, *, cured: bool = False
) -> Callable[[Made], None]:
    """Register a set-up, and the finding that must come first."""

    def register(made: Made) -> None:
        cases[made.__name__] = Case(code, contextmanager(made), cured)

    return register


def restore(ward: Ward, host: Machine) -> None:
    """Give a host the trust as certkit placed it, and nothing else."""
    host.run(f"rm -rf {BASE} /root/.docker/certs.d")
    host.write(TRUST, ward.trust)


def files(code: str, script: str, *, cured: bool = True) -> None:
    """Register a set-up of the directory, made by a script in it."""

    def made(ward: Ward, host: Machine) -> Iterator[None]:
        try:
            host.run(f"cd '{DIRECTORY}' && {script}")
            yield
        finally:
            restore(ward, host)

    made.__name__ = script
    cause(code, cured=cured)(made)


files("missing", "rm -r ../*")
files("missing", "rm ca.crt")
files("near_name", "mv ../* ../registry.lab")
files("near_name", "mv ../* ../Registry.Lab:5000")
files("near_name", "mv ../* ../registry.lab_5000_")
files("near_name", "mv ../* ../registry.lab_5000")
files("near_name", "mv ../* ../registry.lab.:5000")
files("near_name", "mkdir ../http: && mv ../registry* ../http:/")
files("wrong_place", "mkdir -p /root/.docker/certs.d && mv ../* /root/.docker/certs.d")
files("misnamed", "mv ca.crt ca.pem")
files("misnamed", "mv ca.crt CA.CRT")
files("unpaired", "mv ca.crt ca.cert")
files("unpaired", "touch domain.key")
files("subdirectory", "mkdir old.crt")
files("dangling_link", "ln -s nowhere gone.crt")
files("empty", ": >ca.crt")
files("bom", "printf '\\357\\273\\277' | cat - ca.crt >../new && mv ../new ca.crt")
files("glued", "{ head -c -1 ca.crt; cat ca.crt; } >../new && mv ../new ca.crt")
files("der", "openssl x509 -in ca.crt -outform DER -out ../new && mv ../new ca.crt")
files("closed_mode", "chmod 600 ca.crt")
files("lax_mode", "chmod 666 ca.crt")
files("hosts_toml", "touch hosts.toml")


@cause("foreign", cured=True)
def the_trust_of_another_authority(ward: Ward, host: Machine) -> Iterator[None]:
    chain, _ = certificate("old authority", authority=True)
    try:
        host.write(TRUST, chain)
        yield
    finally:
        restore(ward, host)


@cause("other_authority", REGISTRIES)
def another_certificate_is_served(ward: Ward, host: Machine) -> Iterator[None]:
    with serving(ward, *certificate("registry.lab")):
        yield


@cause("name_missing", REGISTRIES)
def the_name_is_not_in_the_certificate(ward: Ward, host: Machine) -> Iterator[None]:
    with serving(ward, *signed(ward, "elsewhere.lab", 0)):
        yield


@cause("expired", REGISTRIES)
def the_certificate_has_expired(ward: Ward, host: Machine) -> Iterator[None]:
    with serving(ward, *signed(ward, "registry.lab", -10)):
        yield


@cause("plain_http", REGISTRIES)
def the_registry_speaks_plain_http(ward: Ward, host: Machine) -> Iterator[None]:
    machine = ward.fleet.registry
    machine.run(["docker", "stop", "--time", "1", ward.container])
    plain = machine.run(f"docker run -d -p 5000:5000 {REGISTRY_IMAGE}").stdout.strip()
    try:
        wait_for_registry(machine)
        yield
    finally:
        machine.run(["docker", "rm", "--force", "--volumes", plain])
        machine.run(["docker", "start", ward.container])
        wait_for_registry(machine)


@cause("port_closed", REGISTRIES)
def the_registry_is_down(ward: Ward, host: Machine) -> Iterator[None]:
    ward.fleet.registry.run(["docker", "stop", "--time", "1", ward.container])
    try:
        yield
    finally:
        ward.fleet.registry.run(["docker", "start", ward.container])
        wait_for_registry(ward.fleet.registry)


@cause("unresolved")
def the_name_does_not_resolve(ward: Ward, host: Machine) -> Iterator[None]:
    with hosts_file(host, lambda text: text.replace("registry.lab", "other.lab")):
        yield


@cause("other_address")
def the_name_has_another_address(ward: Ward, host: Machine) -> Iterator[None]:
    own, wrong = ward.fleet.registry.address, ward.fleet.bookworm[1].address
    with hosts_file(host, lambda text: text.replace(f"{own} ", f"{wrong} ")):
        yield


@cause("insecure", cured=True)
def it_is_listed_as_insecure(ward: Ward, host: Machine) -> Iterator[None]:
    host.write("/etc/docker/daemon.json", json.dumps({"insecure-registries": [REGISTRY]}))
    reload_docker(host, REGISTRY)
    try:
        yield
    finally:
        host.write("/etc/docker/daemon.json", json.dumps({"insecure-registries": []}))
        reload_docker(host)
        host.run("rm /etc/docker/daemon.json")


@cause("daemon_json")
def daemon_json_is_broken(ward: Ward, host: Machine) -> Iterator[None]:
    host.write("/etc/docker/daemon.json", '{"live-restore": true,}')
    host.run("systemctl stop docker.socket docker", check=False)
    try:
        yield
    finally:
        host.run("rm /etc/docker/daemon.json")
        host.forgive_restarts()
        host.run("systemctl start docker")
        host.docker_loaded()


@cause("proxy")
def the_daemon_asks_a_proxy(ward: Ward, host: Machine) -> Iterator[None]:
    drop_in = "/etc/systemd/system/docker.service.d/proxy.conf"
    host.write(drop_in, '[Service]\nEnvironment="HTTPS_PROXY=http://u:topsecret@127.0.0.1:9"\n')
    host.run("systemctl daemon-reload && systemctl restart docker")
    host.docker_loaded()
    try:
        yield
    finally:
        host.run(f"rm {drop_in} && systemctl daemon-reload && systemctl restart docker")
        host.docker_loaded()


@cause("builder")
def a_builder_has_no_trust(ward: Ward, host: Machine) -> Iterator[None]:
    name = "buildx_buildkit_mine0"
    host.run(["docker", "create", "--name", name, EXAMPLE_IMAGE])
    try:
        yield
    finally:
        host.run(["docker", "rm", "--force", name])
