"""The real commands against real sshd servers, with stand-ins for each machine's Docker.

with lab_running(directory) as lab:
    status, report = lab.report("distribute")
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.ssh.sshd import Sshd, sshd_running

REGISTRY = "registry.lab:5000"
PROGRAM = "import sys; sys.argv[0] = 'certkit'; from certkit.cli.main import main; main()"
SCHEMA = json.loads(
    (Path(__file__).parents[2] / "certkit/schemas/fleet.schema.json").read_text("utf-8")
)

DOCKER = """#!/bin/sh
# Stands in for Docker's client; $D holds what the daemon would know.
D={directory}
[ "$1" = --host ] && shift 2
case "$*" in
  version*) [ ! -e $D/down ] && echo 26.1.5 ;;
  'info --format {{{{.ServerVersion}}}}|'*)
    [ ! -e $D/down ] || exit 1
    n=0
    [ ! -e $D/containers ] || n=$(wc -l <$D/containers)
    now=$(date -u +%Y-%m-%dT%H:%M:%S.123456789Z)
    registries=$(cat $D/registries 2>/dev/null || echo '{{"IndexConfigs": {{}}}}')
    echo "26.1.5|$n|0|false|$now|$registries" ;;
  info*) cat $D/registries 2>/dev/null || echo '{{"IndexConfigs": {{}}}}' ;;
  pull*) cat $D/pull 2>/dev/null || echo 'Error: manifest unknown'; exit 1 ;;
  *) exit 1 ;;
esac
"""
RESTART = """#!/bin/sh
D={directory}
echo restart >>$D/restarts
while [ -e $D/held ]; do sleep 0.1; done
[ ! -e $D/broken ] || {{ rm $D/broken; touch $D/down; echo 'dockerd: bad day' >&2; exit 1; }}
rm -f $D/down
"""
STAND_INS = {"docker": DOCKER, "dockerd": "#!/bin/sh\n", "restart": RESTART}


@dataclass
class Lab:
    """Three machines, each with its own sshd, user's home and stand-in for a daemon."""

    machines: dict[str, Sshd]
    directory: Path
    scripts: Path
    registry: str

    @property
    def home(self) -> Path:
        return self.directory / "home"

    def entry(self, name: str) -> dict[str, Any]:
        """What the inventory says of a machine."""
        sshd = self.machines[name]
        return {
            "address": sshd.host,
            "port": sshd.port,
            "user": sshd.user,
            "identity_file": str(sshd.key),
            "become": {"method": "none"},
            "runtime": "docker",
            "certs_dir": f"{sshd.home}/certs.d",
            "restart_command": f"{self.scripts / name}/restart",
            "timeout": {"restart": 60},
        }

    def write_inventory(self, **more: Any) -> None:
        """Write every machine into the inventory; `more` are further keys of it."""
        hosts = {name: self.entry(name) for name in self.machines}
        document = {"registry": self.registry, "hosts": hosts, **more}
        (self.directory / "hosts.yaml").write_text(json.dumps(document, indent=1))

    def at(self, name: str, file: str) -> Path:
        return self.machines[name].home / file

    def certificate(self, name: str) -> Path:
        return self.at(name, f"certs.d/{self.registry}/ca.crt")

    def hold(self, name: str) -> None:
        """Let no restart of the machine's daemon come to its end before `release`."""
        self.put(name, "held")

    def release(self, name: str) -> None:
        self.at(name, "held").unlink(missing_ok=True)

    def restarts(self, name: str) -> int:
        path = self.at(name, "restarts")
        return len(path.read_text().splitlines()) if path.exists() else 0

    @property
    def trust(self) -> bytes:
        """What every machine is to have."""
        slug = self.registry.replace(":", "_")
        return (self.home / "registries" / slug / "trust.crt").read_bytes()

    def forget(self, name: str) -> None:
        """Make the machine one that certkit has never seen."""
        for file in ("certs.d", ".local", "restarts"):
            path = self.at(name, file)
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def left_over(self, name: str) -> list[str]:
        """Files on an idle machine that no finished run leaves there."""
        own = ("ca.crt", "lock", "restarts")
        home = self.machines[name].home
        files = [path for path in home.rglob("*") if not path.is_dir() or path.is_symlink()]
        return sorted(str(path.relative_to(home)) for path in files if path.name not in own)

    def put(self, name: str, file: str, text: str = "") -> None:
        path = self.at(name, file)
        path.write_text(text)
        path.chmod(0o666)

    def arguments(self, command: str, *more: str) -> list[str]:
        return [
            command,
            *("--home", str(self.home), "-i", str(self.directory / "hosts.yaml")),
            *("--known-hosts", str(self.directory / "known_hosts")),
            *more,
        ]

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("CERTKIT")}
        return {
            **kept,
            "CERTKIT_STATE": str(self.directory / "state"),
            "HOME": str(self.directory),
            "PYTHONWARNINGS": "error",
            # A registry that is called registry.invalid is nowhere, however slow DNS is.
            "RES_OPTIONS": "timeout:1 attempts:1",
        }

    def start(self, arguments: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            **{
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "text": True,
                "env": self.environment,
                **options,
            },
        )

    def run(self, command: str, *more: str) -> tuple[int, str, str]:
        process = self.start(self.arguments(command, *more))
        out, err = process.communicate(timeout=60)
        assert "Traceback" not in err, err
        return process.returncode, out, err

    def report(self, command: str, *more: str) -> tuple[int, dict[str, Any]]:
        status, out, err = self.run(command, "-o", "json", *more)
        assert out, err
        document = json.loads(out)
        Draft202012Validator(SCHEMA).validate(document)
        return status, document


@contextmanager
def lab_running(
    directory: Path,
    names: Sequence[str] = ("web-01", "web-02", "web-03"),
    *,
    registry: str = REGISTRY,
    start: Callable[..., Sshd] | None = None,
) -> Iterator[Lab]:
    """Run machines until the block is left, with a home and an inventory that knows them.

    Args:
        directory: Holds the home, the inventory and the operator's state.
        names: The machines.
        registry: What the home is made for.
        start: Starts a server where not as `sshd_running` does; its end is the caller's then.
    """
    with ExitStack() as stack:
        # pytest's own directories are closed to the user that the servers log in.
        outside = Path(tempfile.mkdtemp(prefix="certkit-bin-"))
        stack.callback(shutil.rmtree, outside, ignore_errors=True)
        outside.chmod(0o755)
        lab = Lab({}, directory, outside, registry)
        known = ""
        for name in names:
            # The user's home is known only once the server is there; PATH wants it before.
            scripts = lab.scripts / name
            scripts.mkdir()
            scripts.chmod(0o755)
            config = {"SetEnv": f"PATH={scripts}:/usr/bin:/bin"}
            sshd = (
                start(config=config) if start else stack.enter_context(sshd_running(config=config))
            )
            lab.machines[name] = sshd
            for script, text in STAND_INS.items():
                (scripts / script).write_text(text.format(directory=sshd.home))
                (scripts / script).chmod(0o755)
            known += sshd.known_hosts.read_text()
        (directory / "known_hosts").write_text(known)
        lab.write_inventory()
        made = lab.start(["init", registry, "--no-passphrase", "--home", str(lab.home)])
        _, err = made.communicate(timeout=60)
        assert made.returncode == 0, err
        yield lab


def wait_until(
    happened: Callable[[], bool], process: subprocess.Popen[Any], seconds: float = 60
) -> None:
    """Wait until something has happened that a process is to bring about.

    What it says is not read meanwhile: it must be little, or go to a file.
    """
    deadline = time.monotonic() + seconds
    while True:
        over = process.poll() is not None or time.monotonic() > deadline
        if happened():
            return
        if over:
            process.kill()
            pytest.fail(f"it did not happen: {process.communicate(timeout=30)}")
        time.sleep(0.02)


def outcomes(document: dict[str, Any]) -> dict[str, str]:
    return {host["name"]: host["outcome"] for host in document["hosts"]}


def one(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(host for host in document["hosts"] if host["name"] == name)
