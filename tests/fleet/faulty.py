"""The ground of the tests of a host's faults: one host to break, one registry to pull from.

A fault comes while the host has the trust of an earlier authority, and the registry's new one is to
take its place. What a fault leaves is the old file or the new one, whole.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fleet.holding import tools_that_can_be_held, wait_until_held
from tests.fleet.lab import EXAMPLE_IMAGE, REGISTRY_IMAGE, Lab, Machine, Spec
from tests.fleet.operator import Operator, Run, starts_registry
from tests.tiers import need

REGISTRY = "depot.lab:5000"
IMAGE = f"{REGISTRY}/{EXAMPLE_IMAGE}"
CERTS_D = "/etc/docker/certs.d"
FOLDER = f"{CERTS_D}/{REGISTRY}"
TRUST = f"{FOLDER}/ca.crt"
STATE = "/var/lib/certkit"
DROP_IN = "/etc/systemd/system/docker.service.d/fault.conf"
# What the daemon's unit asks: whether it would start on the new trust.
ON_NEW = f"cmp -s {TRUST} /root/new"

# The lab's machines have no e2fsprogs: the same request to the file system, with +i or -i.
_CHATTR = """#!/usr/bin/perl
my ($how, $path) = @ARGV;
open(my $file, "<", $path) or die "$path: $!";
ioctl($file, 0x40086602, pack("l", $how eq "+i" ? 0x10 : 0)) or die "$path: $!";
"""

_TREE = "find /etc/docker -printf '%p %y %m %u %l ' -type f -exec cksum {} + -o -printf '\\n'"
_REMAINS = f"find /etc/docker {STATE} -name '.certkit-*' -o -name '*.new'"


@dataclass
class Ground:
    """Both machines, and who works on them.

    Attributes:
        old: The trust that every test begins with, as bytes.
        new: The trust that is wanted.
    """

    host: Machine
    depot: Machine
    operator: Operator
    old: bytes
    new: bytes

    def begin(self) -> None:
        """Bring the host back to where every test begins."""
        if not self.host.is_on:
            self.host.poweron()
        self.host.run(
            f"rm -rf {CERTS_D} {STATE}; cp -a /root/old/certs.d /etc/docker/; "
            "cp -a /root/old/certkit /var/lib/"
        )
        self.host.forgive_restarts()
        self.host.run("systemctl is-active --quiet docker || systemctl start docker")
        self.waits(40)

    def waits(self, seconds: int) -> None:
        """Have certkit wait so long for a daemon's restart, and as long for its answer."""
        wait = {"timeout": {"restart": seconds}}
        self.operator.write_inventory([self.host], {self.host.name: wait})

    def distributes(self, *options: str, expect: int | None = None) -> dict[str, Any]:
        """Run ``certkit distribute`` and answer what it reports of the host."""
        run = self.operator.fleet("distribute", "--retries", "0", *options, expect=expect)
        return self.only(run)

    def only(self, run: Run) -> dict[str, Any]:
        """The host's part of a report; the exit status has to fit it."""
        assert run.stdout, run.stderr
        told = run.hosts[self.host.name]
        assert run.status == (1 if told["error"] else 0), run.stderr
        return told

    def tree(self) -> str:
        """Everything below /etc/docker: kinds, modes, links, sums."""
        return self.host.run(_TREE).stdout

    @property
    def stands(self) -> str:
        """Which trust the host has: old, new or none; and nothing else in certkit's places."""
        assert self.host.run(_REMAINS).stdout == ""
        listed = self.host.run(f"find {CERTS_D} -mindepth 1", check=False).stdout.split()
        if listed == []:
            return "none"
        assert listed == [FOLDER, TRUST]
        return {self.old: "old", self.new: "new"}[self.host.read(TRUST)]

    @property
    def runs(self) -> bool:
        """Whether the daemon answers, and its unit is up."""
        asked = "docker version >/dev/null 2>&1 && systemctl is-active --quiet docker"
        return self.host.run(asked, check=False).returncode == 0

    def heals(self, *options: str) -> None:
        """Now that nothing is in the way, one more run does the job, and a pull works."""
        told = self.distributes(*options, expect=0)
        assert told["outcome"] == "changed", told
        assert self.stands == "new"
        self.pulls()

    def pulls(self) -> None:
        """The registry's image comes over TLS that is trusted."""
        self.host.docker_loaded()
        self.host.run(["docker", "pull", "--quiet", IMAGE])

    @contextmanager
    def fault(self, on: str, off: str) -> Iterator[None]:
        """Bring a fault by a command, and take it away by another."""
        self.host.run(on)
        try:
            yield
        finally:
            self.host.run(off)

    @contextmanager
    def unit(self, *lines: str) -> Iterator[None]:
        """Have the daemon started otherwise."""
        self.host.write(DROP_IN, "\n".join(["[Service]", *lines, ""]))
        with self.fault("systemctl daemon-reload", f"rm {DROP_IN}; systemctl daemon-reload"):
            yield

    def brings(self, name: str) -> str:
        """Copy a shell of this box to the host, with its libraries; answers where it is."""
        program = shutil.which(name)
        if program is None:
            need("fleet", f"no {name} on this box to give to a host")
        assert program
        linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
        libraries = [word for word in linked.stdout.split() if word.startswith("/")]
        for path in map(Path, [program, *libraries]):
            self.host.write(f"/opt/{name}/{path.name}", path.read_bytes(), 0o755)
        [loader] = [Path(path).name for path in libraries if "/ld-" in path]
        self.host.write(
            f"/opt/{name}/shell",
            f"#!/bin/sh\nexec /opt/{name}/{loader} --library-path /opt/{name} "
            f'/opt/{name}/{Path(program).name} "$@"\n',
            0o755,
        )
        return f"/opt/{name}/shell"

    @contextmanager
    def begun(self, *options: str) -> Iterator[subprocess.Popen[str]]:
        """A ``certkit distribute`` that has come to where the host holds it."""
        known = str(self.operator.lab.known_hosts())
        words = ("distribute", "--known-hosts", known, "-o", "json", *options)
        process = subprocess.Popen(
            self.operator.command(*words),
            cwd=self.operator.directory,
            env=self.operator.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            wait_until_held(self.host, process)
            yield process
        finally:
            process.kill()
            process.wait()

    def ended(self, process: subprocess.Popen[str], timeout: float = 100) -> dict[str, Any]:
        """What a run reports of the host at its end."""
        stdout, stderr = process.communicate(timeout=timeout)
        return self.only(Run(process.returncode, stdout, stderr))


def prepare(lab: Lab, directory: Path) -> Ground:
    """Boot both machines, start the registry with an image in it, and place the earlier trust."""
    host, depot = lab.boot([Spec("faulty", "trixie"), Spec("depot", "bookworm")])
    people = []
    for name in ("earlier", "now"):
        (directory / name).mkdir()
        person = Operator(lab, directory / name, REGISTRY)
        certificates = person.makes_certificate()
        person.write_inventory([host])
        people.append((person, certificates))
    (earlier, other), (operator, certificates) = people
    old, new = ((one / "trust.crt").read_bytes() for one in (other, certificates))
    depot.load_image(lab.registry_image)
    depot.load_image(lab.example_image)
    starts_registry(depot, REGISTRY_IMAGE, certificates)
    depot.write(TRUST, new)
    depot.run(f"docker tag {EXAMPLE_IMAGE} {IMAGE} && docker push {IMAGE}")
    earlier.fleet("distribute")
    assert host.run(["docker", "pull", IMAGE], check=False).returncode != 0
    host.write("/root/new", new)
    host.run(f"mkdir /root/old && cp -a {CERTS_D} {STATE} /root/old")
    tools_that_can_be_held(host, "sync")
    host.write("/usr/local/sbin/chattr", _CHATTR, 0o755)
    return Ground(host, depot, operator, old, new)
