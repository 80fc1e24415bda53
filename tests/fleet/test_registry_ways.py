"""Every way to run a registry, each with the real thing.

Each goes the same way: certkit's pair is taken up, a renewed one too, and one that cannot be loaded
leaves the old one served, its files in place and nothing else behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import pytest

from certkit.registry.pair import Pair
from tests.fleet.lab import REGISTRY_IMAGE, Lab, Machine, Spec
from tests.fleet.operator import Operator
from tests.fleet.registering import (
    below_the_commands,
    home_pair,
    inventory,
    mismatched,
    only,
    serves,
    types,
)

REGISTRY = "front.lab:5000"
FOLDER = "/srv/tls"
SHELF = "/var/lib/certkit/registry"
PAIR = {"certificate": f"{FOLDER}/server.crt", "key": f"{FOLDER}/server.key"}


@dataclass(frozen=True)
class Way:
    """One way: what is written and run first, what the inventory says, what is run at the end."""

    name: str
    run: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    before: str = ":"
    after: str = ":"


def proxy(name: str, file: str, content: str, **run: str) -> Way:
    """A server in front of a registry that speaks plain HTTP, to nobody else."""
    return Way(
        name,
        {"run": "proxy", "reload_command": f"systemctl reload-or-restart {name}", **PAIR, **run},
        {file: content},
        f"docker run --detach --name plain --publish 127.0.0.1:5001:5000 {REGISTRY_IMAGE}",
        f"systemctl stop {name}; docker rm --force --volumes plain",
    )


COMPOSE = Way(
    "compose",
    {"run": "compose", "project": "/srv/shop", "service": "registry", **PAIR},
    {
        "/srv/shop/compose.yaml": f"""\
services:
  registry:
    image: {REGISTRY_IMAGE}
    restart: always
    ports: ['5000:5000']
    volumes: ['{FOLDER}:/tls:ro']
    environment:
      REGISTRY_HTTP_TLS_CERTIFICATE: /tls/server.crt
      REGISTRY_HTTP_TLS_KEY: /tls/server.key
"""
    },
    after="cd /srv/shop && docker compose down --volumes --timeout 1",
)
PODMAN = Way(
    "podman",
    {"run": "container", "engine": "podman", "image": REGISTRY_IMAGE},
    # With Docker on the same machine, what is forwarded to Podman's containers is dropped: certkit
    # would look from outside in vain, for as long as it does.
    before="iptables --policy FORWARD ACCEPT",
    after="podman rm --force --volumes registry; podman volume rm registry-data",
)
# Laid out as the official image of version 3 is, around the program of version 2.
THIRD = Way(
    "image-of-version-3",
    {"run": "container", "image": "registry:3"},
    before=f"""\
set -e
docker run --name v3 --entrypoint /bin/busybox {REGISTRY_IMAGE} \
  mv /etc/docker/registry /etc/distribution
docker commit --change 'ENTRYPOINT ["registry"]' \
  --change 'CMD ["serve", "/etc/distribution/config.yml"]' v3 registry:3
docker rm v3
""",
    after="docker rm --force --volumes registry; docker rmi registry:3",
)
DEBIAN = Way(
    "systemd",
    {
        **{"run": "systemd", "unit": "docker-registry", **PAIR},
        **{"key_owner": "root:docker-registry", "key_mode": "0640"},
    },
    before="sed -i 's|^http:|http:\\n  tls:\\n"
    f"    certificate: {FOLDER}/server.crt\\n    key: {FOLDER}/server.key|' "
    "/etc/docker/registry/config.yml",
    after="systemctl stop docker-registry",
)
NGINX = proxy(
    "nginx",
    "/etc/nginx/conf.d/registry.conf",
    f"""\
server {{
  listen 5000 ssl;
  ssl_certificate {FOLDER}/server.crt;
  ssl_certificate_key {FOLDER}/server.key;
  location / {{ proxy_pass http://127.0.0.1:5001; }}
}}
""",
)
_HAPROXY = """\
defaults
  mode http
  timeout connect 5s
  timeout client 50s
  timeout server 50s
frontend registry
  bind :5000 ssl crt {file}
  default_backend plain
backend plain
  server one 127.0.0.1:5001
"""
# It looks for the key in a file of the certificate's name and `.key`.
HAPROXY = proxy(
    "haproxy",
    "/etc/haproxy/haproxy.cfg",
    _HAPROXY.format(file=f"{FOLDER}/front.pem"),
    certificate=f"{FOLDER}/front.pem",
    key=f"{FOLDER}/front.pem.key",
)
# Before 2.2 it wanted both in one file.
HAPROXY_ONE_FILE = replace(
    proxy(
        "haproxy",
        "/etc/haproxy/haproxy.cfg",
        _HAPROXY.format(file="/etc/haproxy/registry.pem"),
        reload_command=f"umask 077; cat {FOLDER}/server.crt {FOLDER}/server.key "
        ">/etc/haproxy/registry.pem && systemctl reload-or-restart haproxy",
    ),
    name="haproxy-one-file",
)
# For an address that the certificate does not hold it would make one of its own. Once it has
# refused a pair, systemd waits for that reload to end, and for the next: each time in vain.
CADDY = proxy(
    "caddy",
    "/etc/caddy/Caddyfile",
    f"""\
{{
  default_sni front.lab
}}
https://front.lab:5000 {{
  tls {FOLDER}/server.crt {FOLDER}/server.key
  reverse_proxy 127.0.0.1:5001
}}
""",
    key_owner="caddy",
    timeout="12",
)


@pytest.fixture(scope="module")
def front(lab: Lab) -> Iterator[Machine]:
    """A machine with both engines and everything that can stand in front of a registry."""
    [machine] = lab.boot([Spec("front", "trixie", podman=True)])
    machine.load_image(lab.registry_image)
    machine.load_image(lab.registry_image, "podman")
    yield machine
    machine.poweroff()


@pytest.fixture(scope="module")
def operator(lab: Lab, front: Machine, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    person = Operator(lab, tmp_path_factory.mktemp("ways"), REGISTRY)
    person.makes_certificate("--san", front.address)
    return person


@pytest.fixture(scope="module")
def broken(operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return mismatched(operator, tmp_path_factory.mktemp("other"))


@pytest.mark.parametrize(
    "way",
    (COMPOSE, PODMAN, THIRD, DEBIAN, NGINX, HAPROXY, HAPROXY_ONE_FILE, CADDY),
    ids=lambda way: way.name,
)
def test_taken_up_renewed_and_left_whole(
    front: Machine, operator: Operator, broken: Pair, way: Way
) -> None:
    for path, content in way.files.items():
        front.write(path, content)
    try:
        front.run(way.before)
        inventory(operator, front, dict(way.run))
        first = only(types(operator, "deploy"))
        assert (first["outcome"], first["error"]) == ("changed", None)
        assert only(types(operator, "deploy"))["outcome"] == "unchanged"
        old = home_pair(operator)
        assert serves(front, old.sha256)
        operator.types("renew", REGISTRY)
        assert only(types(operator, "deploy", "--next"))["outcome"] == "changed"
        ours = home_pair(operator)
        assert ours.sha256 != old.sha256
        assert serves(front, ours.sha256)
        done = below_the_commands(operator, broken)
        assert (done.result.outcome.value, done.served) == ("rolled_back", False), done
        assert serves(front, ours.sha256)
        certificate = way.run.get("certificate", "/etc/certkit/front.lab_5000/server.crt")
        folder = certificate.rpartition("/")[0]
        kept = [front.read(f"{folder}/{name}") for name in names(front, f"ls -A {folder}")]
        assert sorted(kept) == sorted((ours.chain_pem, ours.key_pem))
        assert names(front, f"find {SHELF} -type f") == [f"{SHELF}{certificate}/record"]
    finally:
        front.run(way.after, check=False)
        front.run(f"rm -rf {FOLDER} /etc/certkit /var/lib/certkit")


def names(machine: Machine, command: str) -> list[str]:
    """What a command lists."""
    return machine.run(command).stdout.split()
