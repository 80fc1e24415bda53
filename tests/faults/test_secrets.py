"""Every secret of a whole life, at the highest verbosity, looked for everywhere afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from tests.cores import FORKS, allow_core_files, dropped, need_core_files
from tests.faults import sought
from tests.faults.serving import served_lab
from tests.faults.started import Started
from tests.ssh.door import door_to
from tests.ssh.fickle import PASSWORD, Fickle
from tests.ssh.lab import Lab, wait_until
from tests.ssh.sudo import asking, write_sudo
from tests.unit.pki import foreign

pytestmark = [pytest.mark.timeout(240), FORKS]

# The test makes its encrypted key with an argument: the watch of a neighbour must not take it for
# its own.
MINE = os.getpid()
SECRETS = {
    "authority": f"Passphrase-of-the-authority-7xQ2{MINE}",
    "identity": f"Passphrase-of-the-login-key-4Zt8{MINE}",
    "sudo": f"Password-for-sudo-5RwP{MINE}",
    "backup": f"Passphrase-of-the-backup-3NbV{MINE}",
    "import": f"Passphrase-of-an-imported-key-9KdW{MINE}",
    "login": PASSWORD,
}


class Watch:
    """Reads the arguments and the environment of every process there is, again and again.

    Unlike `Started` it misses what ends soon, and misses nobody else.
    """

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
    identity = encrypted_identity(lab, tmp_path)
    for name in lab.machines:
        write_sudo(lab.scripts / name / "sudo", asking(SECRETS["sudo"]))
    inventory = lab.directory / "hosts.yaml"
    inventory.write_text(inventory.read_text().replace('"method": "none"', '"method": "sudo"'))
    login = (
        *("--identity-file", str(identity), "--key-passphrase-file", files["identity"]),
        *("--become-password-file", files["sudo"], "--password-file", files["login"]),
    )
    authority = ("--passphrase-file", files["authority"])
    home = ("--home", str(lab.home))
    safe = str(tmp_path / "home.age")
    homes = {name: tmp_path / name for name in ("locked", "restored", "answered")}
    signed = from_another_authority(tmp_path / "elsewhere", files["import"])
    steps: tuple[tuple[str, ...], ...] = (
        ("passphrase", *home, "--new-passphrase-file", files["authority"]),
        ("registry", "deploy", *options(lab), *login, "-vvv"),
        ("distribute", *options(lab), *login, "-vvv", "--diff"),
        ("verify", *options(lab), *login, "-vvv"),
        ("status", *options(lab), *login, "-vvv"),
        ("registry", "status", *options(lab), *login, "-vvv", "--from", "all"),
        ("doctor", *options(lab), *login, "-vvv", "--limit", "all"),
        ("renew", *options(lab), *login, *authority, "--deploy"),
        ("rotate", "start", *options(lab), *login, *authority, "-vvv"),
        ("rotate", "switch", *options(lab), *login, *authority, "-vvv"),
        ("backup", safe, *home, "--passphrase-file", files["backup"]),
        ("rotate", "finish", *options(lab), *login, "-vvv"),
        ("log", *home),
        ("remove", *options(lab), *login, "-vvv"),
        ("init", "other.lab:5000", "--home", str(homes["locked"]), *authority),
        ("restore", safe, "--home", str(homes["restored"]), "--passphrase-file", files["backup"]),
        ("init", "registry.lab:5000", "--home", str(homes["answered"]), "--csr"),
        ("import-signed", *signed, "--home", str(homes["answered"])),
    )
    started = Started(lab, tmp_path / "watched")
    environment = {**lab.environment, **started.environment, "TMPDIR": str(tmp_path / "tmp")}
    keys: dict[bytes, tuple[str, sought.Key]] = {}
    everywhere = (lab.home, *homes.values())
    collect(keys, everywhere)
    said = []
    with Watch() as watch:
        for words in steps:
            process = lab.start(words, env=environment)
            out, err = process.communicate(timeout=100)
            # Stand-ins for a daemon give the doctor something to find.
            good = (0, 4) if words[0] == "doctor" else (0,)
            assert process.returncode in good, (words, out, err)
            said.append((out + err).encode())
            collect(keys, everywhere)
    assert ("password", PASSWORD) in door.attempts
    assert any(b"certkit" in one for one in watch.seen), "nothing was watched"

    passwords = {name: sought.password(text) for name, text in SECRETS.items()}
    identity_key = sought.key(identity.read_bytes(), SECRETS["identity"])
    leaves = {file: key for file, (name, key) in keys.items() if name.startswith("server")}
    authorities = {file: key for file, (name, key) in keys.items() if name.startswith("ca")}
    assert len(leaves) > 5 and len(authorities) > 3, [name for name, _ in keys.values()]
    every = {*passwords.values(), *(key.traces for key in (*leaves.values(), identity_key))}
    every |= {key.traces for key in authorities.values()}
    assert b"sudo" in started.on_hosts and b"openssl" in started.on_hosts
    watched = b"\0".join([*watch.seen, started.here, started.on_hosts])
    machines = [machine.directory for machine in lab.machines.values()]
    journals = [one / "journal.jsonl" for one in everywhere]
    own = lab.at("web-01", "tls/server.key")
    served = own.read_bytes()
    for traces in every:
        assert not any(sought.seen(traces, text) for text in said), traces
        assert not sought.seen(traces, watched), traces
        assert found(traces, [lab.directory], but=everywhere) == [], traces
        assert found(traces, [*journals, Path(safe)]) == [], traces
        # The key that is served belongs on the registry's host, in its place; nothing else does.
        theirs = traces == leaves[served].traces
        assert found(traces, machines) == ([own] if theirs else []), traces
    # A home has its keys, but those of an authority with a passphrase never without it.
    for traces in (
        *passwords.values(),
        identity_key.traces,
        *(key.plain for key in authorities.values()),
    ):
        assert found(traces, everywhere) == [], traces
    assert not (tmp_path / "tmp").exists()


def test_a_crash_leaves_no_memory_behind(lab: Lab, tmp_path: Path) -> None:
    """No core, whatever the limit is and wherever it goes; nothing in what faulthandler says."""
    need_core_files(tmp_path)
    files = {name: secret_file(tmp_path / name, text) for name, text in SECRETS.items()}
    key = encrypted_identity(lab, tmp_path)
    for name in lab.machines:
        lab.hold(name)
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

    said = tmp_path / "said"
    with said.open("wb") as file:
        process = lab.start(
            words,
            cwd=ground,
            stdout=file,
            stderr=file,
            preexec_fn=allow_core_files,
            env={**lab.environment, "PYTHONFAULTHANDLER": "1"},
        )
    try:
        wait_until(lambda: lab.restarts("web-01") > before, process)
        process.send_signal(signal.SIGABRT)
        assert not dropped(process)
    finally:
        for name in lab.machines:
            lab.release(name)
    assert "Fatal Python error: Aborted" in said.read_text()
    for name, text in SECRETS.items():
        assert not sought.seen(sought.password(text), said.read_bytes()), name
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


def from_another_authority(directory: Path, passphrase_file: str) -> tuple[str, ...]:
    """A certificate, its chain and its encrypted key, as `import-signed` takes them."""
    directory.mkdir()
    root = foreign.authority("Company Root")
    pair = foreign.server(root, "registry.lab")
    locked = pair.key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(SECRETS["import"].encode())
    )
    for name, content in {
        "signed.crt": pair.certificate.public_bytes(Encoding.PEM),
        "root.crt": root.certificate.public_bytes(Encoding.PEM),
        "signed.key": locked,
    }.items():
        (directory / name).write_bytes(content)
        (directory / name).chmod(0o600)
    return (
        *(str(directory / "signed.crt"), "--chain", str(directory / "root.crt")),
        *("--key", str(directory / "signed.key"), "--passphrase-file", passphrase_file),
    )


def collect(keys: dict[bytes, tuple[str, sought.Key]], homes: Iterable[Path]) -> None:
    """Add the private keys that homes have now: their files, and what they are called there."""
    for path in (path for home in homes for path in home.rglob("*.key")):
        pem = path.read_bytes()
        if pem not in keys:
            passphrase = SECRETS["authority"] if b"ENCRYPTED" in pem else None
            keys[pem] = path.name, sought.key(pem, passphrase)


def found(
    traces: Iterable[bytes], places: Iterable[Path], *, but: Collection[Path] = ()
) -> list[Path]:
    """Files in some places, or below them, that have a trace of a secret."""
    paths = {path for place in places for path in (place, *place.rglob("*")) if path.is_file()}
    kept = [path for path in paths if not any(path.is_relative_to(one) for one in but)]
    return [path for path in kept if sought.seen(traces, path.read_bytes())]
