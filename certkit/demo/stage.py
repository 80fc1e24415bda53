"""The stage: a temporary directory, embedded hosts, an embedded registry, and the real commands."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from certkit.demo.host import USER, EmbeddedHost, make_key
from certkit.demo.registry import Registry
from certkit.transport.without_invoke import paramiko

REGISTRY_NAME = "registry.demo"
HOST_NAMES = ("build-01", "build-02", "web-01", "web-02")
_COLUMNS = 78
_PROGRAM = """\
import sys
sys.argv[0] = "certkit"
from certkit.cli.main import main
sys.exit(main())
"""
_LIMIT = 60.0

# The user's own settings must not reach into the demo, and the demo must not use their keys.
_HIDDEN = ("SSH_AUTH_SOCK", "SSH_AGENT_PID", "COLUMNS", "LINES")


@dataclass(frozen=True)
class Ran:
    """A command that was run.

    Attributes:
        status: Its exit status.
        stdout: What it printed.
        stderr: What it told people.
    """

    status: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON document on standard output; empty when there is none."""
        try:
            document = json.loads(self.stdout)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


class Stage:
    """Everything that the demo makes; all of it is gone when the stage is left."""

    def __init__(self) -> None:
        self._cleanup = contextlib.ExitStack()
        self.directory = Path(tempfile.mkdtemp(prefix="certkit-demo-")).resolve()
        self._cleanup.callback(shutil.rmtree, self.directory, ignore_errors=True)
        try:
            self.registry = self._cleanup.enter_context(Registry())
            self._identity = self.directory / "id_ed25519"
            self._login = make_key(self._identity)
            self.hosts = {name: self._make_host(name) for name in HOST_NAMES}
            self._write_inventory()
        except BaseException:
            self._cleanup.close()
            raise

    @property
    def reference(self) -> str:
        """The registry as it stands in image names."""
        return f"{REGISTRY_NAME}:{self.registry.port}"

    @property
    def home(self) -> Path:
        """The home that the commands work on."""
        return self.directory / "home"

    def certkit(self, *arguments: str) -> Ran:
        """Run certkit in the demo's directory, as a process of its own, as a user would.

        Its report is asked for as JSON, which leaves the words for people on standard error.
        """
        try:
            finished = subprocess.run(
                [sys.executable, "-c", _PROGRAM, *arguments, "-o", "json"],
                cwd=self.directory,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Ran(-1, "", f"certkit did not end within {_LIMIT:.0f} s\n")
        return Ran(finished.returncode, finished.stdout, finished.stderr)

    def on(self, name: str, *command: str) -> Ran:
        """Run a command on a host over SSH, as an operator would."""
        host = self.hosts[name]
        try:
            with paramiko.SSHClient() as client:
                endpoint = f"[127.0.0.1]:{host.port}"
                client.get_host_keys().add(endpoint, host.host_key.get_name(), host.host_key)
                client.connect(
                    "127.0.0.1",
                    host.port,
                    USER,
                    pkey=self._login,
                    allow_agent=False,
                    look_for_keys=False,
                )
                _, stdout, stderr = client.exec_command(shlex.join(command), timeout=_LIMIT)
                out, err = stdout.read().decode(), stderr.read().decode()
                return Ran(stdout.channel.recv_exit_status(), out, err)
        except (paramiko.SSHException, OSError) as error:
            return Ran(255, "", f"ssh: {error}\n")

    def start_registry(self, certificate: Path, key: Path) -> None:
        """Let the registry answer, with the certificate that was made for it."""
        self.registry.serve(certificate, key)

    def close(self) -> None:
        """Stop everything and remove the directory."""
        self._cleanup.close()

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _environment(self) -> dict[str, str]:
        own = {
            key: value
            for key, value in os.environ.items()
            if key not in _HIDDEN and not key.startswith("CERTKIT_")
        }
        return own | {
            "CERTKIT_HOME": str(self.home),
            "CERTKIT_STATE": str(self.directory / "state"),
            "COLUMNS": str(_COLUMNS),
            "HOME": str(self.directory),
        }

    def _make_host(self, name: str) -> EmbeddedHost:
        directory = self.directory / "hosts" / name
        host = EmbeddedHost(name, directory, self._login, {REGISTRY_NAME: "127.0.0.1"})
        return self._cleanup.enter_context(host)

    def _write_inventory(self) -> None:
        document = {
            "version": 1,
            "registry": self.reference,
            "hosts": {
                name: host.inventory_entry(self._identity) for name, host in self.hosts.items()
            },
        }
        (self.directory / "hosts.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
