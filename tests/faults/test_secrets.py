"""Every secret of a whole life, at the highest verbosity, looked for everywhere afterwards."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.serving import served_lab
from tests.ssh.door import door_to
from tests.ssh.fickle import PASSWORD, Fickle
from tests.ssh.lab import Lab

pytestmark = pytest.mark.timeout(240)

SUDO = """#!/bin/sh
# Asks as sudo does, and takes one password.
while [ $# -gt 0 ]; do
  case $1 in
    -n) asks=never; shift ;;
    -S) asks=stdin; shift ;;
    -p | -u) shift 2 ;;
    --) shift; break ;;
    *) break ;;
  esac
done
[ "$asks" != never ] || {{ echo 'sudo: a password is required' >&2; exit 1; }}
IFS= read -r line
[ "$(printf %s "$line" | cksum)" = '{sum}' ] || {{ echo 'Sorry, try again.' >&2; exit 1; }}
exec "$@"
"""
# The test makes its encrypted key with an argument: the watch of a neighbour must not take it for
# its own.
MINE = os.getpid()
SECRETS = {
    "authority": f"Passphrase-of-the-authority-7xQ2{MINE}",
    "identity": f"Passphrase-of-the-login-key-4Zt8{MINE}",
    "sudo": f"Password-for-sudo-5RwP{MINE}",
    "backup": f"Passphrase-of-the-backup-3NbV{MINE}",
    "login": PASSWORD,
}


class Watch:
    """Reads the arguments and the environment of every process there is, again and again."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        # A few looks at each are enough: arguments change with an exec only.
        looks: Counter[str] = Counter()
        while not self._stop.is_set():
            for process in os.listdir("/proc"):  # noqa: PTH208 - the fastest there is
                if not process.isdigit() or looks[process] > 8:
                    continue
                looks[process] += 1
                for file in ("cmdline", "environ"):
                    with suppress(OSError):
                        self.seen.add(Path("/proc", process, file).read_bytes())
            time.sleep(0.01)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with served_lab(tmp_path_factory.mktemp("secrets"), ["web-01", "web-02"]) as running:
        yield running


@pytest.fixture
def door(lab: Lab, tmp_path: Path) -> Iterator[Fickle]:
    """The second machine is reached through a server that takes a password, and no key."""
    (tmp_path / "door").mkdir()
    with door_to(lab.machines["web-02"], tmp_path / "door") as server:
        inventory = lab.directory / "hosts.yaml"
        document = json.loads(inventory.read_text())
        document["hosts"]["web-02"].update(port=server.port)
        inventory.write_text(json.dumps(document, indent=1))
        with (lab.directory / "known_hosts").open("a") as known:
            known.write(server.known_hosts.read_text())
        yield server


def test_no_secret_is_found_anywhere(lab: Lab, door: Fickle, tmp_path: Path) -> None:
    files = {name: secret_file(tmp_path / name, text) for name, text in SECRETS.items()}
    key = encrypted_identity(lab, tmp_path)
    checksum = subprocess.run(
        ["cksum"], input=SECRETS["sudo"], capture_output=True, text=True, check=True
    ).stdout.strip()
    for name in lab.machines:
        sudo = lab.scripts / name / "sudo"
        sudo.write_text(SUDO.format(sum=checksum))
        sudo.chmod(0o755)
    inventory = lab.directory / "hosts.yaml"
    inventory.write_text(inventory.read_text().replace('"method": "none"', '"method": "sudo"'))
    login = (
        *("--identity-file", str(key), "--key-passphrase-file", files["identity"]),
        *("--become-password-file", files["sudo"], "--password-file", files["login"]),
    )
    authority = ("--passphrase-file", files["authority"])
    home = ("--home", str(lab.home))
    steps: tuple[tuple[str, ...], ...] = (
        ("passphrase", *home, "--new-passphrase-file", files["authority"]),
        ("registry", "deploy", *options(lab), *login, "-vvv"),
        ("distribute", *options(lab), *login, "-vvv", "--diff"),
        ("verify", *options(lab), *login, "-vvv"),
        ("status", *options(lab), *login, "-vvv"),
        ("renew", *options(lab), *login, *authority, "--deploy"),
        ("rotate", "start", *options(lab), *login, *authority, "-vvv"),
        ("rotate", "switch", *options(lab), *login, *authority, "-vvv"),
        ("rotate", "finish", *options(lab), *login, "-vvv"),
        ("backup", str(tmp_path / "home.age"), *home, "--passphrase-file", files["backup"]),
        ("log", *home),
        ("remove", *options(lab), *login, "-vvv"),
    )
    said = []
    with Watch() as watch:
        for words in steps:
            process = lab.start(words, env={**lab.environment, "TMPDIR": str(tmp_path / "tmp")})
            out, err = process.communicate(timeout=100)
            assert process.returncode == 0, (words, out, err)
            said.append(out + err)
    assert ("password", PASSWORD) in door.attempts
    secrets = {text.encode() for text in SECRETS.values()} | private_keys(lab, key)
    assert len(secrets) >= len(SECRETS) + 4
    assert any(b"certkit" in one for one in watch.seen), "nothing was watched"
    for secret in secrets:
        assert not any(secret in text.encode() for text in said), secret
        assert not any(secret in one for one in watch.seen), secret
        assert found(secret, lab.directory / "state") == []
        assert found(secret, lab.home / "journal.jsonl") == []
        for name, machine in lab.machines.items():
            places = found(secret, machine.home) + found(secret, machine.directory / "log")
            # The registry's own key belongs on the registry's host, and nothing else there.
            own = [lab.at("web-01", "tls/server.key")] if name == "web-01" else []
            assert [place for place in places if place not in own] == []
    assert not (tmp_path / "tmp").exists()
    assert found(SECRETS["authority"].encode(), lab.home) == []


def test_a_crash_leaves_no_memory_behind(lab: Lab, tmp_path: Path) -> None:
    """No core file, whatever the shell's limit is, and nothing in what faulthandler says."""
    files = {name: secret_file(tmp_path / name, text) for name, text in SECRETS.items()}
    key = encrypted_identity(lab, tmp_path)
    for name in lab.machines:
        lab.put(name, "slow")
    ground = tmp_path / "ground"
    ground.mkdir()
    words = [
        "distribute",
        *options(lab),
        "--restart",
        "always",
        "--yes",
        "-vvv",
        "--limit",
        "web-01",
    ]
    words += ["--identity-file", str(key), "--key-passphrase-file", files["identity"]]
    words += ["--become-password-file", files["sudo"], "--password-file", files["login"]]
    before = lab.restarts("web-01")

    def unlimited() -> None:
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

    process = lab.start(
        words,
        cwd=ground,
        preexec_fn=unlimited,
        env={**lab.environment, "PYTHONFAULTHANDLER": "1"},
    )
    deadline = time.monotonic() + 60
    while lab.restarts("web-01") == before:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGABRT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in err
    assert not [text for text in SECRETS.values() if text in out + err]
    assert list(ground.iterdir()) == []
    lab.machines["web-01"].wait_until_idle()


def options(lab: Lab) -> list[str]:
    return lab.arguments("x")[1:]


def secret_file(path: Path, text: str) -> str:
    path.write_text(text + "\n")
    path.chmod(0o600)
    return str(path)


def encrypted_identity(lab: Lab, directory: Path) -> Path:
    """One encrypted key for all machines."""
    key = directory / "id_ed25519"
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", SECRETS["identity"], "-f", str(key)]
    subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
    for machine in lab.machines.values():
        with (machine.directory / "authorized_keys").open("a") as file:
            file.write(key.with_suffix(".pub").read_text())
    return key


def private_keys(lab: Lab, *others: Path) -> set[bytes]:
    """A line out of the middle of every private key there is."""
    paths = [*lab.home.rglob("*.key"), *others]
    return {path.read_bytes().splitlines()[2] for path in paths}


def found(secret: bytes, below: Path) -> list[Path]:
    paths = below.rglob("*") if below.is_dir() else [below]
    return [path for path in paths if path.is_file() and secret in path.read_bytes()]
