"""What certkit accepts as a host's key over a real connection, and how it refuses the rest."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from certkit.errors import ErrorKind, HostError, InputError
from certkit.transport.connector import open_connector
from certkit.transport.options import ConnectorOptions, HostKeyPolicy
from tests.ssh.sshd import Sshd, keygen, public

pytestmark = pytest.mark.timeout(60)


def connect(sshd: Sshd, policy: HostKeyPolicy = "strict", **changes: object) -> None:
    connector = open_connector(ConnectorOptions(host_key_policy=policy, start_spread=0))
    try:
        connector.connect(sshd.host_entry(**changes)).close()
    finally:
        connector.close()


def refusal(sshd: Sshd, policy: HostKeyPolicy = "strict", **changes: object) -> HostError:
    with pytest.raises(HostError) as caught:
        connect(sshd, policy, **changes)
    assert caught.value.kind is ErrorKind.HOST_KEY
    assert not caught.value.retryable
    assert caught.value.unreachable
    return caught.value


def fingerprint(key: Path) -> str:
    shown = subprocess.check_output(["ssh-keygen", "-lf", f"{key}.pub"], text=True)
    return shown.split()[1]


def test_unknown_key_is_refused_with_its_fingerprint(sshd: Sshd, tmp_path: Path) -> None:
    error = refusal(sshd, known_hosts_files=(tmp_path / "none",))
    assert fingerprint(sshd.host_key) in str(error)
    assert "--host-key accept-new" in error.hint
    assert f"host_key: {fingerprint(sshd.host_key)}" in error.hint


def test_accept_new_records_the_key_once(sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "sub" / "known_hosts"
    for _ in range(2):
        connect(sshd, "accept-new", known_hosts_files=(known,))
    line = f"[{sshd.host}]:{sshd.port} {public(sshd.host_key)}\n"
    assert known.read_text() == line
    assert known.stat().st_mode & 0o777 == 0o600
    connect(sshd, known_hosts_files=(known,))


def test_accept_new_keeps_what_is_there_and_hashes_like_it(sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"# mine\nother.example {public(sshd.key)}")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    before = known.read_text().rstrip("\n")
    known.write_text(before)
    connect(sshd, "accept-new", known_hosts_files=(known,))
    lines = known.read_text().splitlines()
    assert lines[:-1] == before.splitlines()
    assert lines[-1].startswith("|1|")
    connect(sshd, known_hosts_files=(known,))


def test_the_key_of_another_port_confirms_and_never_contradicts(sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"{sshd.host} {public(sshd.host_key)}\n")
    connect(sshd, known_hosts_files=(known,))

    other = f"{sshd.host} {public(keygen(tmp_path / 'other'))}\n"
    known.write_text(other)
    assert "changed" not in refusal(sshd, known_hosts_files=(known,)).message
    connect(sshd, "accept-new", known_hosts_files=(known,))
    added = f"[{sshd.host}]:{sshd.port} {public(sshd.host_key)}\n"
    assert known.read_text() == other + added


def test_accept_new_by_many_threads_writes_one_line(sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    connector = open_connector(ConnectorOptions(known_hosts=known, host_key_policy="accept-new"))
    threads = [
        threading.Thread(target=lambda: connector.connect(sshd.host_entry()).close(), daemon=True)
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    connector.close()
    assert len(known.read_text().splitlines()) == 1


@pytest.mark.parametrize("policy", ["strict", "accept-new"])
@pytest.mark.parametrize("hashed", [False, True])
def test_changed_key_is_always_refused(
    policy: HostKeyPolicy, hashed: bool, sshd: Sshd, tmp_path: Path
) -> None:
    known, other = tmp_path / "known_hosts", keygen(tmp_path / "other")
    known.write_text(f"[{sshd.host}]:{sshd.port} {public(other)}\n")
    if hashed:
        run = ["ssh-keygen", "-q", "-H", "-f", str(known)]
        subprocess.run(run, check=True, capture_output=True)
    before = known.read_text()
    error = refusal(sshd, policy, known_hosts_files=(known,))
    assert fingerprint(sshd.host_key) in str(error)
    assert fingerprint(other) in str(error)
    assert f"{known}:1" in str(error)
    assert known.read_text() == before
    # The fix that it names is the exact one.
    fix = error.hint.split("`")[1]
    subprocess.run(["sh", "-c", fix], check=True, capture_output=True)
    connect(sshd, "accept-new", known_hosts_files=(known,))


@pytest.mark.parametrize("policy", ["strict", "accept-new"])
def test_known_by_another_type_only(policy: HostKeyPolicy, sshd: Sshd, tmp_path: Path) -> None:
    known, other = tmp_path / "known_hosts", keygen(tmp_path / "other", "-t", "ecdsa")
    known.write_text(f"[{sshd.host}]:{sshd.port} {public(other)}\n")
    error = refusal(sshd, policy, known_hosts_files=(known,))
    assert "ecdsa-sha2-nistp256" in str(error)


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_the_type_that_is_known_is_asked_for(
    kind: str, start_sshd: Callable[..., Sshd], tmp_path: Path
) -> None:
    sshd = start_sshd(more_host_keys=("rsa", "ecdsa"))
    known = tmp_path / "known_hosts"
    key = public(sshd.directory / f"host_{kind}")
    known.write_text(f"[{sshd.host}]:{sshd.port} {key}\n")
    connect(sshd, known_hosts_files=(known,))
    connect(sshd, known_hosts_files=(), host_key=key)


def test_pins(sshd: Sshd, tmp_path: Path) -> None:
    nothing = {"known_hosts_files": ()}
    connect(sshd, host_key=fingerprint(sshd.host_key), **nothing)
    connect(sshd, host_key=public(sshd.host_key), **nothing)
    other = keygen(tmp_path / "other")
    for pin in (fingerprint(other), public(other)):
        error = refusal(sshd, "accept-new", host_key=pin)
        assert fingerprint(other) in str(error)
        assert fingerprint(sshd.host_key) in str(error)


def test_certificate(start_sshd: Callable[..., Sshd], tmp_path: Path) -> None:
    sshd = start_sshd(certificate_for="127.0.0.1,elsewhere")
    assert sshd.authority
    known = tmp_path / "known_hosts"
    known.write_text(f"@cert-authority 127.0.0.* {public(sshd.authority)}\n")
    connect(sshd, known_hosts_files=(known,))
    known.write_text(f"@cert-authority *.example {public(sshd.authority)}\n")
    error = refusal(sshd, known_hosts_files=(known,), host_key_alias="web.example")
    assert "is for 127.0.0.1, elsewhere and not for web.example" in str(error)
    known.write_text(f"@cert-authority * {public(sshd.key)}\n")
    assert "signed by" in str(refusal(sshd, "accept-new", known_hosts_files=(known,)))
    revoked = f"@revoked * {public(sshd.authority)}\n"
    known.write_text(f"@cert-authority * {public(sshd.authority)}\n{revoked}")
    assert "revoked" in str(refusal(sshd, "accept-new", known_hosts_files=(known,)))


def test_revoked_wins_over_known(sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    line = f"[{sshd.host}]:{sshd.port} {public(sshd.host_key)}\n"
    known.write_text(line + f"@revoked * {public(sshd.host_key)}\n")
    assert "revoked" in str(refusal(sshd, known_hosts_files=(known,)))
    pin = fingerprint(sshd.host_key)
    assert "revoked" in str(refusal(sshd, known_hosts_files=(known,), host_key=pin))


def test_known_hosts_option_replaces_all_files(sshd: Sshd, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    connector = open_connector(ConnectorOptions(known_hosts=empty))
    with pytest.raises(HostError, match="is not in known_hosts"):
        connector.connect(sshd.host_entry())
    connector.close()
    with pytest.raises(InputError, match="no known_hosts file"):
        open_connector(ConnectorOptions(known_hosts=tmp_path / "none"))


def test_nothing_is_sent_to_a_host_that_is_not_trusted(sshd: Sshd, tmp_path: Path) -> None:
    before = sshd.log.count("publickey")
    refusal(sshd, known_hosts_files=(tmp_path / "none",))
    assert sshd.wait_for_log("[preauth]")
    assert sshd.log.count("publickey") == before
