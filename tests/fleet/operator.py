"""The person at the shell: runs the real certkit command from this box against the lab."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fleet.lab import Lab, Machine

CERTKIT = Path(sys.executable).parent / "certkit"
DONE, FAILED, BAD_INPUT, ATTENTION = 0, 1, 2, 4


@dataclass
class Run:
    """One finished command."""

    status: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON document on stdout."""
        document: dict[str, Any] = json.loads(self.stdout)
        return document

    @property
    def hosts(self) -> dict[str, dict[str, Any]]:
        """The report's hosts by name."""
        return {host["name"]: host for host in self.report["hosts"]}

    @property
    def outcomes(self) -> dict[str, str]:
        """How each host ended."""
        return {name: host["outcome"] for name, host in self.hosts.items()}


@dataclass
class Operator:
    """Keeps a home, an inventory and a known_hosts file, and types commands.

    With `knows_names`, the person's own box resolves the lab's names, `registry.lab` for one.
    """

    lab: Lab
    directory: Path
    registry: str
    user: str = "deploy"
    settings: Mapping[str, str] = field(default_factory=dict)
    knows_names: bool = False

    @property
    def home(self) -> Path:
        return self.directory / "home"

    @property
    def inventory(self) -> Path:
        return self.directory / "hosts.yaml"

    def write_inventory(
        self, machines: Iterable[Machine], extra: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        """Name the machines as a person would: names of their own, addresses where needed."""
        hosts = {
            machine.name: {"address": machine.address, **(extra or {}).get(machine.name, {})}
            for machine in machines
        }
        document = {
            "version": 1,
            "registry": self.registry,
            "defaults": {"user": self.user, "identity_file": str(self.lab.key)},
            "hosts": hosts,
        }
        self.inventory.write_text(json.dumps(document, indent=1))

    @property
    def environment(self) -> dict[str, str]:
        """What the shell of this person exports."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "CERTKIT_HOME": str(self.home),
            "CERTKIT_STATE": str(self.directory / "state"),
            **self.settings,
        }

    def command(self, *words: str) -> list[str]:
        """The arguments of ``certkit WORDS``."""
        naming = self.lab.with_names() if self.knows_names else ()
        return [*map(str, naming), str(CERTKIT), *words]

    def types(self, *words: str, expect: int | None = DONE, timeout: float = 300) -> Run:
        """Run ``certkit WORDS`` with no terminal, and hold it to an exit status."""
        done = subprocess.run(
            self.command(*words),
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        run = Run(done.returncode, done.stdout, done.stderr)
        if expect is not None:
            assert run.status == expect, f"certkit {' '.join(words)}\n{run.stdout}\n{run.stderr}"
        return run

    def makes_certificate(self, *options: str) -> Path:
        """`certkit init`, without a passphrase; answers the directory of the registry's files."""
        self.types("init", self.registry, "--no-passphrase", *options)
        [directory] = (self.home / "registries").iterdir()
        return directory

    def fleet(self, command: str, *options: str, expect: int | None = DONE) -> Run:
        """Run a command over the inventory and take its JSON report."""
        known = str(self.lab.known_hosts())
        return self.types(command, "--known-hosts", known, "-o", "json", *options, expect=expect)


def starts_registry(machine: Machine, image: str, certificates: Path, port: int = 5000) -> str:
    """Start a registry with the made certificate, as the README says; answers the container.

    It serves by then.
    """
    for name, mode in (("server.crt", 0o644), ("server.key", 0o600)):
        machine.write(f"/srv/certs-{port}/{name}", (certificates / name).read_bytes(), mode)
    container = machine.run(
        f"docker run -d -p {port}:5000 -v /srv/certs-{port}:/certs:ro "
        "-e REGISTRY_HTTP_TLS_CERTIFICATE=/certs/server.crt "
        f"-e REGISTRY_HTTP_TLS_KEY=/certs/server.key {image}"
    ).stdout.strip()
    wait_for_registry(machine, port)
    return container


def wait_for_registry(machine: Machine, port: int = 5000) -> None:
    """Wait until the registry itself answers, with TLS or without: Docker's proxy does earlier."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            ssl.get_server_certificate((machine.address, port), timeout=5)
            return
        except (ConnectionError, TimeoutError, ssl.SSLEOFError):
            time.sleep(0.05)
        except ssl.SSLError:
            return
    raise AssertionError(f"no registry at {machine.name} port {port}")


def listed_insecure(machine: Machine) -> set[str]:
    """What the daemon itself says it does not verify."""
    said = machine.run(["docker", "info", "--format", "{{json .RegistryConfig}}"]).stdout
    return {name for name, one in json.loads(said)["IndexConfigs"].items() if not one["Secure"]}


def reload_docker(machine: Machine, *insecure: str) -> None:
    """Have the daemon read its settings, and wait until it has: it does not verify these then.

    What systemd calls a reload is a signal, which the daemon heeds some time later.
    """
    machine.run("systemctl reload docker")
    deadline = time.monotonic() + 60
    while (listed := listed_insecure(machine)) != set(insecure):
        assert time.monotonic() < deadline, f"{machine.name} lists {listed}"
        time.sleep(0.05)


def daemon_pid(machine: Machine) -> str:
    """The Docker daemon's process: another one after a restart."""
    return machine.run("systemctl show --property MainPID --value docker").stdout.strip()
