"""What the tests of a rotation share: a fleet that pulls all the while, and its operator."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.fleet.conftest import Fleet
from tests.fleet.lab import EXAMPLE_IMAGE, REGISTRY_IMAGE, Machine
from tests.fleet.operator import ATTENTION, DONE, Operator, Run

REGISTRY = "registry.lab:5000"
IMAGE = f"{REGISTRY}/team/identidock:0.1"
TRUST = f"/etc/docker/certs.d/{REGISTRY}/ca.crt"
PAIR = "/etc/certkit/registry.lab_5000"
LOG = "/root/pulls"

# By tag and by digest in turn, with nothing kept between; until the file goes.
_LOOP = f"""#!/bin/sh
digest=$(cat {LOG}.digest)
while [ -e {LOG}.on ]; do
  for image in {IMAGE} "$digest"; do
    docker rmi --force {IMAGE} "$digest" >/dev/null 2>&1
    case $image in *@*) kind=digest ;; *) kind=tag ;; esac
    if said=$(docker pull "$image" 2>&1); then echo "ok $kind"; else
      printf 'bad %s %s\\n' "$kind" "$(printf '%s' "$said" | tr '\\n' ' ')"
    fi
    sleep "$1"
  done >>{LOG}
done
"""
# Whatever says one of these is about trust, even where a restart may be behind it; but a handshake
# that takes too long is not.
_TRUST = re.compile(
    r"x509|tls(?! handshake timeout)|certificate|authority|signed|handshake(?! timeout)",
    re.IGNORECASE,
)
# What a client says whose own daemon, or whose registry, is being restarted.
_RESTARTING = re.compile(
    r"Cannot connect to the Docker daemon|error during connect|context canceled|EOF|"
    r"connection refused|connection reset|no such host.*docker.sock|No such image|"
    r"failed to register layer|received unexpected HTTP status: 50|failed to do request|"
    r"transport is closing|server is shutting down|closed network connection|"
    r"TLS handshake timeout|i/o timeout|deadline exceeded"
)


def operating(fleet: Fleet, directory: Path, *options: str) -> Operator:
    """Somebody with a registry in service, whose hosts have pulled an image from it.

    Args:
        fleet: The machines.
        directory: The person's own.
        options: More of ``certkit init``.
    """
    person = Operator(fleet.lab, directory, REGISTRY, knows_names=True)
    person.types("init", REGISTRY, *(options or ("--no-passphrase",)))
    write_inventory(person, fleet)
    person.types("registry", "deploy", *known(person), "-o", "json")
    person.fleet("distribute", "--restart", "never")
    first = fleet.hosts[0]
    first.run(["docker", "tag", EXAMPLE_IMAGE, IMAGE])
    first.run(["docker", "push", IMAGE])
    told = first.run(["docker", "image", "inspect", "-f", "{{json .RepoDigests}}", IMAGE])
    [digest] = [one for one in json.loads(told.stdout) if one.startswith(REGISTRY)]
    for one in fleet.hosts:
        one.write(f"{LOG}.digest", digest)
    return person


def write_inventory(person: Operator, fleet: Fleet, hosts: Sequence[Machine] = ()) -> None:
    """Name the hosts, and the machine whose registry certkit runs."""
    person.write_inventory(hosts or fleet.hosts)
    document = json.loads(person.inventory.read_text())
    machine = {"address": fleet.registry.address, "user": person.user}
    way = {"run": "container", "image": REGISTRY_IMAGE, "timeout": 30}
    document["registry_host"] = {"host": machine, **way}
    person.inventory.write_text(json.dumps(document, indent=1))


def known(person: Operator) -> tuple[str, str]:
    """The option that names the machines' host keys."""
    return "--known-hosts", str(person.lab.known_hosts())


def rotate(person: Operator, *words: str, expect: int | None = DONE) -> Run:
    """Type a step of ``certkit rotate``."""
    options = () if words[0] == "status" else known(person)
    return person.types("rotate", *words, *options, "-o", "json", expect=expect, timeout=250)


def stands(person: Operator, phase: str) -> dict[str, Any]:
    """Hold ``rotate status`` to a phase; answers all that it says."""
    run = rotate(person, "status", expect=None)
    report = run.report
    assert report["phase"] == phase
    lacking = [one for one in report["hosts"] if one["lacks"]]
    assert run.status == (ATTENTION if report["under_way"] or lacking else DONE)
    return report


def trusted(machine: Machine) -> int:
    """How many authorities a host's Docker trusts for the registry."""
    return machine.read(TRUST).count(b"BEGIN CERTIFICATE")


def served(machine: Machine) -> str:
    """The fingerprint of the leaf that the registry's own machine is served; empty for none."""
    return machine.run(
        "openssl s_client -connect 127.0.0.1:5000 -servername registry.lab </dev/null 2>/dev/null "
        "| openssl x509 -noout -fingerprint -sha256",
        check=False,
    ).stdout.strip()


def registry_starts(machine: Machine, since: str) -> int:
    """How often the registry's container was started since a moment, a Unix time."""
    asked = ["docker", "events", "--since", since, "--until", clock(machine)]
    filters = ["--filter", "container=registry", "--filter", "event=start", "-f", "event=start"]
    told = machine.run([*asked, *filters, "--format", "{{.Action}}"]).stdout
    return told.split().count("start")


def clock(machine: Machine) -> str:
    """The machine's clock, as Docker takes it."""
    return machine.run("date +%s.%N").stdout.strip()


def leftovers(fleet: Fleet) -> dict[str, list[str]]:
    """What a run that was killed could leave on the machines: temporary files, locks, copies."""
    state = "/var/lib/certkit"
    look = (
        f"find /etc/docker /etc/certkit /etc/containers {state} -name '.certkit-*'; "
        f"find {state}/intent {state}/registry -type f ! -name record; "
        f"find {state} -name 'lock.?*' ! -name lock.holder"
    )
    found = {one.name: one.run(f"({look}) 2>/dev/null", check=False) for one in fleet.machines}
    return {name: ran.stdout.split() for name, ran in found.items() if ran.stdout}


class Pulls:
    """Every host pulls by tag and by digest, again and again, until the block ends.

    Args:
        hosts: The hosts.
        pause: Seconds between two pulls.
    """

    def __init__(self, hosts: Sequence[Machine], pause: float = 0.4) -> None:
        self.hosts = hosts
        self._pause = pause

    def __enter__(self) -> Pulls:
        for one in self.hosts:
            one.write(f"{LOG}.sh", _LOOP, 0o755)
            loop = f"systemd-run -q --unit pulls --collect {LOG}.sh {self._pause}"
            one.run(f": >{LOG}; touch {LOG}.on; {loop}")
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.hosts:
            one.run(f"rm -f {LOG}.on; while systemctl is-active -q pulls; do sleep 0.1; done")

    def succeed(self, times: int = 5) -> None:
        """Wait until every host has pulled so often from now on, by tag and by digest each."""
        marks = {one.name: len(self._said(one)) for one in self.hosts}
        for one in self.hosts:
            enough = " && ".join(
                f"[ $(tail -n +{marks[one.name] + 1} {LOG} | grep -c '^ok {kind}') -ge {times} ]"
                for kind in ("tag", "digest")
            )
            one.run(f"until {enough}; do sleep 0.1; done", timeout=120)

    def failures(self) -> dict[str, list[str]]:
        """What failed, by host, however it failed."""
        said = {one.name: self._said(one) for one in self.hosts}
        return {
            name: [line for line in lines if not line.startswith("ok ")]
            for name, lines in said.items()
            if any(not line.startswith("ok ") for line in lines)
        }

    def for_trust(self) -> list[tuple[str, str]]:
        """The failures that no restart explains: those for trust, and any of an unknown kind."""
        return [
            (name, line)
            for name, lines in self.failures().items()
            for line in lines
            if _TRUST.search(line) or not _RESTARTING.search(line)
        ]

    def count(self) -> int:
        """How many pulls succeeded, on all hosts together."""
        return sum(line.startswith("ok ") for one in self.hosts for line in self._said(one))

    def _said(self, host: Machine) -> list[str]:
        return host.run(f"cat {LOG}").stdout.splitlines()
