"""Keys, certificates, the agent and passwords, against real and embedded servers."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from certkit.errors import ErrorKind, HostError
from certkit.secret import Secret
from certkit.transport.connection import Connector
from certkit.transport.connector import open_connector
from certkit.transport.faults import WrongPassword
from certkit.transport.options import ConnectorOptions
from tests.ssh import stub
from tests.ssh.fickle import PASSWORD, fickle_server
from tests.ssh.sshd import Sshd, keygen, public

pytestmark = pytest.mark.timeout(60)


def works(connector: Connector, sshd: Sshd, **changes: object) -> bool:
    connection = connector.connect(sshd.host_entry(**changes))
    try:
        return connection.run(stub.exchange()).status == 0
    finally:
        connection.close()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of all kinds; `encrypted` has the passphrase ``let me in``."""
    directory = tmp_path_factory.mktemp("keys")
    keygen(directory / "ed25519")
    keygen(directory / "ecdsa", "-t", "ecdsa")
    keygen(directory / "rsa", "-t", "rsa", "-b", "2048")
    keygen(directory / "rsa_pem", "-t", "rsa", "-b", "2048", "-m", "PEM")
    keygen(directory / "ecdsa_pkcs8", "-t", "ecdsa", "-m", "PKCS8")
    keygen(directory / "encrypted", "-N", "let me in")
    keygen(directory / "encrypted_pem", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "let me in")
    return directory


@pytest.fixture(scope="module")
def open_to_all(keys: Path) -> Iterator[Sshd]:
    """A server that takes every key of `keys`."""
    from tests.ssh.sshd import sshd_running

    with sshd_running() as sshd:
        with (sshd.directory / "authorized_keys").open("a") as file:
            file.writelines(path.read_text() for path in sorted(keys.glob("*.pub")))
        yield sshd


@pytest.mark.parametrize("name", ["ed25519", "ecdsa", "rsa", "rsa_pem", "ecdsa_pkcs8"])
def test_kinds_of_keys(name: str, keys: Path, open_to_all: Sshd, connector: Connector) -> None:
    assert works(connector, open_to_all, identity_files=(keys / name,))


def test_a_key_through_a_pipe_serves_all_hosts(
    keys: Path, open_to_all: Sshd, connector: Connector
) -> None:
    """As of ``--identity-file <(pass show key)``, which can be read only once."""
    reader, writer = os.pipe()
    os.write(writer, (keys / "ed25519").read_bytes())
    os.close(writer)
    files = (Path(f"/dev/fd/{reader}"),)
    for name in ("web-01", "web-02"):
        assert works(connector, open_to_all, identity_files=files, name=name)
    os.close(reader)


@pytest.mark.parametrize("name", ["encrypted", "encrypted_pem"])
def test_encrypted_key(name: str, keys: Path, open_to_all: Sshd, connector: Connector) -> None:
    phrase = Secret("let me in")
    assert works(connector, open_to_all, identity_files=(keys / name,), key_passphrase=phrase)


def test_prompt_asks_once_for_a_file(keys: Path, open_to_all: Sshd) -> None:
    asked: list[Path] = []

    def prompt(path: Path) -> Secret:
        asked.append(path)
        return Secret("let me in")

    connector = open_connector(ConnectorOptions(passphrase_prompt=prompt, start_spread=0))
    for name in ("a", "b"):
        assert works(connector, open_to_all, identity_files=(keys / "encrypted",), name=name)
    connector.close()
    assert asked == [keys / "encrypted"]


@pytest.mark.parametrize(
    ("name", "phrase", "why"),
    [
        ("encrypted", None, "is encrypted, and there is no passphrase"),
        ("encrypted", Secret("wrong"), "the passphrase is wrong"),
        ("missing", None, "is not there"),
        ("ed25519.pub", None, "is not a private key"),
    ],
)
def test_why_a_key_file_gave_nothing(
    name: str, phrase: Secret | None, why: str, keys: Path, sshd: Sshd, connector: Connector
) -> None:
    host = sshd.host_entry(identity_files=(keys / name,), key_passphrase=phrase)
    with pytest.raises(HostError, match=why) as caught:
        connector.connect(host)
    assert caught.value.kind is ErrorKind.AUTH
    assert "publickey" in str(caught.value)
    assert "wrong" not in repr(host)


def test_refused_key_is_named(keys: Path, sshd: Sshd, connector: Connector) -> None:
    with pytest.raises(HostError, match=f"refused {sshd.user} with .*/ed25519") as caught:
        connector.connect(sshd.host_entry(identity_files=(keys / "ed25519",)))
    assert not caught.value.retryable
    assert not isinstance(caught.value, WrongPassword)


def test_user_certificate_beside_the_key(
    tmp_path: Path, start_sshd: Callable[..., Sshd], connector: Connector
) -> None:
    authority, key = keygen(tmp_path / "ca"), keygen(tmp_path / "key")
    trusted = tmp_path / "trusted"
    sshd = start_sshd(config={"TrustedUserCAKeys": "/dev/null"})
    # cert-authority in authorized_keys needs no file that the server's user must own.
    line = f'cert-authority,principals="{sshd.user}" {public(authority)}\n'
    (sshd.directory / "authorized_keys").write_text(line)
    with pytest.raises(HostError, match="refused"):
        works(connector, sshd, identity_files=(key,))
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "me", "-n", sshd.user, f"{key}.pub"]
    subprocess.run(sign, check=True, capture_output=True)
    fresh = open_connector(ConnectorOptions(start_spread=0))
    assert works(fresh, sshd, identity_files=(key,))
    trusted.write_bytes(Path(f"{key}-cert.pub").read_bytes())
    Path(f"{key}-cert.pub").unlink()
    assert works(fresh, sshd, identity_files=(key,), certificate_file=trusted)
    fresh.close()


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        deadline = time.monotonic() + 30
        # 2 is that it does not answer, 1 that it has no keys.
        while subprocess.run(["ssh-add", "-l"], capture_output=True, check=False).returncode == 2:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        yield path
    finally:
        process.kill()
        process.wait(10)


def add(key: Path) -> str:
    """Put a key into the agent; return its fingerprint."""
    subprocess.run(["ssh-add", "-q", str(key)], check=True, capture_output=True)
    shown = subprocess.check_output(["ssh-keygen", "-lf", f"{key}.pub"], text=True)
    match = re.search(r"SHA256:\S+", shown)
    assert match
    return match.group()


def test_agent(agent: Path, keys: Path, open_to_all: Sshd) -> None:
    for name in ("rsa", "ecdsa", "ed25519"):
        fingerprint = add(keys / name)
        connector = open_connector(ConnectorOptions(start_spread=0))
        chosen = {"use_agent": True, "agent_key": fingerprint, "identity_files": ()}
        assert works(connector, open_to_all, **chosen)
        connector.close()
    connector = open_connector(ConnectorOptions(start_spread=0))
    gone = {"use_agent": True, "agent_key": "SHA256:AAAA", "identity_files": ()}
    with pytest.raises(HostError, match="the SSH agent has no key SHA256:AAAA"):
        works(connector, open_to_all, **gone)
    connector.close()


def test_agent_holds_the_key_of_a_public_file(
    agent: Path, keys: Path, open_to_all: Sshd, tmp_path: Path
) -> None:
    add(keys / "ecdsa")
    only_public = tmp_path / "only.pub"
    only_public.write_text(Path(f"{keys / 'ecdsa'}.pub").read_text())
    connector = open_connector(ConnectorOptions(start_spread=0))
    for path in (only_public, tmp_path / "only"):
        values = {"use_agent": True, "identity_files": (path,), "identities_only": True}
        assert works(connector, open_to_all, **values)
    connector.close()


def test_few_keys_are_offered(agent: Path, sshd: Sshd, tmp_path: Path) -> None:
    for number in range(9):
        add(keygen(tmp_path / f"key{number}"))
    connector = open_connector(ConnectorOptions(start_spread=0))
    before = sshd.log.count("Failed publickey")
    with pytest.raises(HostError) as caught:
        works(connector, sshd, use_agent=True, identity_files=())
    connector.close()
    assert caught.value.kind is ErrorKind.AUTH
    assert str(caught.value).count("the agent's key") == 5
    assert sshd.log.count("Failed publickey") - before <= 5


def test_no_agent_at_all(
    monkeypatch: pytest.MonkeyPatch, sshd: Sshd, tmp_path: Path, connector: Connector
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "nobody"))
    assert works(connector, sshd, use_agent=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(HostError, match="was offered nothing"):
        works(connector, sshd, use_agent=True, identity_files=())


@pytest.mark.parametrize("methods", ["password", "keyboard-interactive", "publickey,password"])
def test_password(methods: str, tmp_path: Path, connector: Connector) -> None:
    with fickle_server(tmp_path, methods=methods) as server:
        host = server.host_entry(identity_files=(), password=Secret(PASSWORD))
        connector.connect(host).close()
    assert len(server.attempts) == 1


@pytest.mark.parametrize("methods", ["password", "keyboard-interactive"])
def test_wrong_password_is_tried_once_and_stops_the_run(
    methods: str, tmp_path: Path, connector: Connector
) -> None:
    with fickle_server(tmp_path, methods=methods) as server:
        host = server.host_entry(identity_files=(), password=Secret("hunter2"))
        with pytest.raises(WrongPassword) as caught:
            connector.connect(host)
    assert caught.value.stops_run
    assert caught.value.kind is ErrorKind.AUTH
    assert len(server.attempts) == 1
    assert "hunter2" not in f"{caught.value}{caught.value.hint}{host!r}"


def test_key_and_then_password(tmp_path: Path, connector: Connector) -> None:
    with fickle_server(tmp_path, "key and password", "publickey,password") as server:
        connector.connect(server.host_entry(password=Secret(PASSWORD))).close()
        assert [method for method, _ in server.attempts] == ["publickey", "password"]


def test_password_is_no_answer_to_a_code(tmp_path: Path, connector: Connector) -> None:
    with fickle_server(tmp_path, "second factor", "publickey") as server:
        host = server.host_entry(password=Secret(PASSWORD))
        with pytest.raises(HostError, match="another factor") as caught:
            connector.connect(host)
    assert not isinstance(caught.value, WrongPassword)
    assert PASSWORD not in dict(server.attempts).values()


@pytest.mark.parametrize("methods", ["password", "keyboard-interactive"])
def test_no_secret_in_the_most_verbose_log(
    methods: str,
    tmp_path: Path,
    keys: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import logging

    caplog.set_level(logging.DEBUG)
    connector = open_connector(ConnectorOptions(verbose=3, start_spread=0))
    with fickle_server(tmp_path, methods=methods) as server:
        changes = {"key_passphrase": Secret("let me in"), "identity_files": (keys / "encrypted",)}
        connector.connect(server.host_entry(password=Secret(PASSWORD), **changes)).close()
    connector.close()
    open_connector(ConnectorOptions()).close()
    logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)
    # It holds this test's standard error.
    logging.getLogger("paramiko").handlers.clear()
    shown = capsys.readouterr().err
    for text in (caplog.text, shown):
        assert f"Authentication ({methods}) successful" in text
        assert PASSWORD not in text
        assert "let me in" not in text
    assert (methods, PASSWORD) in server.attempts
