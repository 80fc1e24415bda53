"""An embedded host, reached by SSH the way any host is."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from certkit.demo import sshd
from certkit.demo.host import USER, EmbeddedHost, make_key
from certkit.names import RegistryReference
from certkit.remote.program import place, restart
from certkit.runtimes.docker import rootful
from certkit.runtimes.state import HostState, RuntimeChoice
from tests.unit.demo.conftest import NAME, ServedRegistry, trust


def log_in(host: EmbeddedHost, identity: Path) -> paramiko.SSHClient:
    client = paramiko.SSHClient()
    client.get_host_keys().add(f"[127.0.0.1]:{host.port}", "ssh-ed25519", host.host_key)
    try:
        client.connect(
            "127.0.0.1",
            host.port,
            USER,
            key_filename=str(identity),
            allow_agent=False,
            look_for_keys=False,
        )
    except BaseException:
        # Not whenever the garbage collector comes to it.
        client.close()
        raise
    return client


@pytest.fixture
def client(host: EmbeddedHost, identity: Path) -> Iterator[paramiko.SSHClient]:
    with log_in(host, identity) as one:
        yield one


def run(client: paramiko.SSHClient, command: str, data: bytes = b"") -> tuple[int, bytes, bytes]:
    stdin, stdout, stderr = client.exec_command(command, timeout=30)
    stdin.write(data)
    stdin.channel.shutdown_write()
    return stdout.channel.recv_exit_status(), stdout.read(), stderr.read()


def test_a_command_gets_its_input_and_gives_all_of_its_output(client: paramiko.SSHClient) -> None:
    data = os.urandom(300_000)
    assert run(client, "cat; echo problem >&2; exit 3", data) == (3, data, b"problem\n")


def test_a_command_that_dies_by_a_signal_has_a_status(client: paramiko.SSHClient) -> None:
    assert run(client, "kill -TERM $$")[0] == 128 + 15


def test_a_command_that_ends_at_once_is_still_answered_before_its_end(
    client: paramiko.SSHClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow = sshd._Session.check_channel_exec_request

    def allow_slowly(*arguments: Any) -> bool:
        allowed = allow(*arguments)
        time.sleep(0.3)
        return allowed

    monkeypatch.setattr(sshd._Session, "check_channel_exec_request", allow_slowly)
    assert run(client, "exit 3")[0] == 3


def test_a_host_has_its_own_user_and_home(client: paramiko.SSHClient, host: EmbeddedHost) -> None:
    who, *where = run(client, "id; echo $HOME; pwd")[1].decode().splitlines()
    assert f"({USER}) gid=" in who and not who.startswith("uid=0(")
    assert where == [str(host.directory / "home")] * 2
    entry = run(client, f"getent passwd {USER}")[1].decode().strip().split(":")
    assert entry[0] == USER and entry[5] == str(host.directory / "home")
    assert run(client, f"getent ahosts {NAME}")[1] == f"127.0.0.1 STREAM {NAME}\n".encode()
    assert run(client, "getent ahosts elsewhere.demo")[1] == b""


def test_the_stand_ins_come_first_and_see_this_host_only(
    client: paramiko.SSHClient, host: EmbeddedHost, served: ServedRegistry
) -> None:
    pull = f"docker pull {served.reference}/certkit-probe/none:0"
    assert b"certificate signed by unknown authority" in run(client, pull)[2]
    trust(host, served)
    assert b"manifest unknown" in run(client, pull)[2]
    check = f"openssl s_client -connect {served.reference} -servername {NAME} -CAfile"
    assert run(client, f"{check} {served.authority}")[0] == 0


def test_only_the_one_key_is_let_in(host: EmbeddedHost, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    with pytest.raises(paramiko.AuthenticationException):
        log_in(host, tmp_path / "other")


def test_identity_files_are_for_their_owner_only(identity: Path) -> None:
    assert identity.stat().st_mode & 0o777 == 0o600


def test_a_restart_is_recorded(client: paramiko.SSHClient, host: EmbeddedHost) -> None:
    assert host.restarts == 0
    assert run(client, host.inventory_entry(Path("x"))["restart_command"])[0] == 0
    assert host.restarts == 1


def test_switching_off_stops_what_runs_and_leaves_no_thread(
    host: EmbeddedHost, identity: Path
) -> None:
    before = set(threading.enumerate())
    with log_in(host, identity) as client:
        _, stdout, _ = client.exec_command("echo started; sleep 60", timeout=30)
        assert stdout.readline() == "started\n"
        host.close()
        assert stdout.channel.recv_exit_status() != 0
    with pytest.raises(OSError):
        log_in(host, identity)
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=60)
        assert not thread.is_alive(), thread


def test_a_host_that_was_switched_off_begins_nothing(
    client: paramiko.SSHClient, host: EmbeddedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, ended = sshd.SshServer.run, threading.Event()

    def begin_late(server: sshd.SshServer, *arguments: Any) -> None:
        server.close()
        begin(server, *arguments)
        ended.set()

    monkeypatch.setattr(sshd.SshServer, "run", begin_late)
    client.exec_command("touch ran")
    assert ended.wait(60)
    assert not (host.directory / "home" / "ran").exists()


def test_the_remote_program_keeps_to_the_host(
    client: paramiko.SSHClient, host: EmbeddedHost
) -> None:
    entry = host.inventory_entry(Path("x"))
    choice = RuntimeChoice(
        ("docker",), entry["service"], entry["certs_dir"], entry["restart_command"]
    )
    reference = RegistryReference.parse(f"{NAME}:5000")
    runtime = rootful([reference], b"-----BEGIN CERTIFICATE-----\n", choice, named=True)
    state = HostState(reference.text, (runtime,))
    results = []
    for _ in range(2):
        exchange = place(state)
        status, stdout, stderr = run(client, f"sh -c '{exchange.boot}'", exchange.stdin)
        assert (status, stderr) == (0, b"")
        results.append(stdout.decode().partition(" file ")[2].split()[0])
    assert results == ["changed", "same"]
    exchange = restart(runtime)
    _, stdout, _ = run(client, f"sh -c '{exchange.boot}'", exchange.stdin)
    assert b" restart docker restarted " in stdout
    assert host.restarts == 1
    assert (host.certs_dir / reference.text / "ca.crt").read_bytes() == runtime.files[0].content
    assert (host.directory / "home" / ".local" / "state" / "certkit").is_dir()
