"""The survey: the real program, under every shell, on a scratch host that must stay as it was."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from certkit.errors import ErrorKind, HostError
from certkit.names import RegistryReference
from certkit.remote import program
from certkit.remote.placed import PER_USER
from certkit.remote.protocol import decode_place
from certkit.remote.survey import HostSurvey, decode_survey
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.state import HostState, RuntimeChoice, removal

A = b"-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n"
REFERENCE = "registry.lab:5000"
CERTS = "/etc/docker/certs.d"
HERE = f"{CERTS}/{REFERENCE}"
CA = f"{HERE}/ca.crt"


def state(*runtimes: str) -> HostState:
    chosen = RuntimeChoice(runtimes or ("docker",))
    return desired_state([RegistryReference.parse(REFERENCE)], A, chosen)


def survey(host: Any, wanted: HostState | None = None) -> HostSurvey:
    exchange = program.survey(wanted or state())
    before = host.tree()
    done = host.run(exchange)
    assert done.stderr == b""
    assert host.tree() == before, "a survey writes nothing, not even a lock"
    return decode_survey(done.stdout, exchange.nonce)


def test_nothing_there(host: Any) -> None:
    [docker] = survey(host).runtimes
    assert (docker.name, docker.version, docker.daemon) == ("docker", "26.1.5", True)
    assert (docker.running, docker.live_restore, docker.restart_due) == (0, False, False)
    [place] = docker.places
    assert (place.path, place.own, place.entries) == (CA, False, [])
    there = shutil.disk_usage(host.root).free / 1024
    assert place.free is not None and abs(place.free - there) < 0.2 * there
    assert [one.path for one in place.directories] == ["/etc/docker"]


def test_all_kinds_of_entries(host: Any) -> None:
    exchange = program.place(state())
    decode_place(host.run(exchange).stdout, exchange.nonce)
    host.put(f"{HERE}/der.crt", bytes(range(256)), 0o600)
    host.put(f"{HERE}/x.key", "-----BEGIN PRIVATE KEY-----\nsecret\n", 0o640)
    host.put(f"{HERE}/odd 'name\t.pem", b"not sent twice")
    host.put(f"{HERE}/hosts.toml", b"server = 1")
    host.at(f"{HERE}/sub.crt").mkdir()
    host.at(f"{HERE}/gone.crt").symlink_to("/nowhere")
    host.at(HERE).chmod(0o777)
    host.put("/etc/docker/daemon.json", '{"insecure-registries":\n ["a:1",\n"b"], "x": ["secret"]}')
    [docker] = survey(host).runtimes
    [place] = docker.places
    assert place.own and docker.restart_due
    assert [oct(one.mode) for one in place.directories][1:] == ["0o755", "0o777"]
    found = {entry.name: entry for entry in place.entries}
    assert found["ca.crt"].content == A
    assert (found["der.crt"].content, found["der.crt"].mode) == (bytes(range(256)), 0o600)
    assert (found["x.key"].kind, found["x.key"].content) == ("private", b"")
    assert found["hosts.toml"].kind == "file"
    assert found["sub.crt"].kind == "directory"
    assert (found["gone.crt"].kind, found["gone.crt"].link) == ("dangling", True)
    assert any(name.startswith("odd 'name") for name in found)
    assert docker.settings == ("/etc/docker/daemon.json", '"a:1","b"')


def test_what_lies_near_the_place(host: Any) -> None:
    host.put(f"{CERTS}/registry.lab/ca.pem", A)
    host.put(f"{CERTS}/http:/{REFERENCE}/ca.crt", A)
    host.put(f"{CERTS}/a file", b"")
    host.put(f"{HERE}/odd name", A)
    host.put(f"{HERE}/CA.CRT", b"\x30\x82")
    host.put(f"{HERE}/notes.txt", b"hello")
    host.put(f"/etc/containers/certs.d/{REFERENCE}/ca.crt", A)
    [docker] = survey(host).runtimes
    names = docker.neighbours[CERTS]
    assert sorted(names) == ["http:", f"http:/{REFERENCE}", "registry.lab", REFERENCE]
    assert docker.elsewhere == [f"/etc/containers/certs.d/{REFERENCE}"]
    [place] = docker.places
    assert {entry.name: entry.content for entry in place.entries} == {
        "odd name": A,
        "CA.CRT": b"\x30\x82",
        "notes.txt": b"",
    }


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_of_a_private_key_only_the_public_half_travels(make_host: Callable[..., Any]) -> None:
    host = make_host()
    made = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        capture_output=True,
        check=True,
    ).stdout
    host.put(f"{HERE}/client.key", made)
    exchange = program.survey(state())
    said = host.run(exchange).stdout
    assert made.split(b"\n")[1].hex().encode() not in said
    [place] = decode_survey(said, exchange.nonce).runtimes[0].places
    assert place.entries[0].content.startswith(b"-----BEGIN PUBLIC KEY-----")


def test_a_stopped_daemon_and_what_shadows(host: Any) -> None:
    host.at("/state/running").unlink()
    host.at(f"{CERTS}/registry.lab_5000_").mkdir(parents=True)
    [docker] = survey(host).runtimes
    assert docker.daemon is False and docker.version == ""
    assert docker.shadows == [f"{CERTS}/registry.lab_5000_"]


def test_users_homes_shadow_podman(make_host: Callable[..., Any]) -> None:
    host = make_host()
    host.fake("podman", "#!/bin/sh\ncase $1 in version) echo 4.3.1;; esac\n")
    theirs = f"/home/ann/.config/containers/certs.d/{REFERENCE}"
    host.at(theirs).mkdir(parents=True)
    found = survey(host, state("auto"))
    assert [one.name for one in found.runtimes] == ["docker", "podman"]
    assert found.runtimes[1].shadows == [theirs]
    assert found.runtimes[1].daemon is None


def test_a_named_runtime_that_is_missing(make_host: Callable[..., Any]) -> None:
    host = make_host()
    host.at("/fake/dockerd").unlink()
    with pytest.raises(HostError) as caught:
        survey(host)
    assert caught.value.kind is ErrorKind.DAEMON
    assert survey(host, state("auto")).runtimes == []


def test_a_crowded_directory_is_cut(make_host: Callable[..., Any]) -> None:
    host = make_host()
    for number in range(250):
        host.put(f"{HERE}/{number}.txt", b"")
    [place] = survey(host).runtimes[0].places
    assert len(place.entries) == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owners(make_host: Callable[..., Any]) -> None:
    host = make_host()
    os.chown(host.put(CA, A), 1234, 1234)
    [place] = survey(host).runtimes[0].places
    assert place.entries[0].uid == 1234


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_a_rootless_runtime_is_read_and_cleared_as_its_user(
    make_host: Callable[..., Any],
) -> None:
    host = make_host()
    for parent in (host.root, *host.root.parents[:3]):
        parent.chmod(0o755)
    host.at("/fake/dockerd").unlink()
    host.at("/run/user/1234/systemd").mkdir(parents=True)
    os.mknod(host.at("/run/user/1234/docker.sock"), stat.S_IFSOCK | 0o600)
    host.at("/home/ann").mkdir(parents=True)
    for path in (host.at("/home/ann"), *host.at("/run/user/1234").rglob("*")):
        os.chown(path, 1234, 1234)
    host.fake("runuser", '#!/bin/sh\nshift 3\nexec setpriv --reuid=1234 --clear-groups "$@"\n')
    host.fake("systemctl", "#!/bin/sh\necho active\n")
    wanted = state("docker-rootless")
    theirs = f"/home/ann/.config/docker/certs.d/{REFERENCE}/ca.crt"
    exchange = program.place(wanted, restarts=False)
    decode_place(host.run(exchange).stdout, exchange.nonce)
    [docker] = survey(host, wanted).runtimes
    assert (docker.name, docker.user, docker.daemon) == ("docker-rootless", "ann", True)
    [place] = docker.places
    assert (place.path, place.own) == (theirs, True)
    assert [(one.name, one.uid, one.content) for one in place.entries] == [("ca.crt", 1234, A)]
    exchange = program.place(removal(wanted), restarts=False)
    [report] = decode_place(host.run(exchange).stdout, exchange.nonce).runtimes
    assert [(one.path, one.result) for one in report.files] == [(theirs, "changed")]
    assert not host.at("/home/ann/.config").exists(), "certkit had made it all"


LIES = [
    ("runtime docker", "daemon 1", "of docker", f"place {CA.encode().hex()}.", "own"),
    ("of docker", "due"),
    ("of docker", f"place {CA.encode().hex()}."),
    ("start 0", "clock =17", "of docker", f"left {CA.encode().hex()}."),
    ("nested ann", "runtime docker"),
    ("error absent . .",),
    (f"runtime {PER_USER} ann", "running lots"),
    (f"runtime {PER_USER} bob", f"of {PER_USER}", "due"),
]


@pytest.mark.parametrize("lies", LIES)
def test_a_lying_user_speaks_for_no_other_runtime(lies: tuple[str, ...]) -> None:
    own = ("start 0", "clock =1700000000", "runtime docker", "daemon 0", "of docker")
    ann = ("nesting bob", "nested bob", f"runtime {PER_USER} bob", f"of {PER_USER}")
    lines = [*own, "nesting ann", "nested ann", *lies, "end nested 0", *ann, "end nested 0"]
    told = "".join(f"aabbccdd {line}\n" for line in [*lines, "end 0"]).encode()
    found = decode_survey(told, "aabbccdd")
    docker, liar, honest = found.runtimes
    assert (docker.name, docker.user, docker.daemon, docker.places) == ("docker", "", False, [])
    assert not docker.restart_due and found.epoch == 1700000000
    assert (liar.name, liar.user, liar.places) == (PER_USER, "ann", [])
    assert liar.problem is not None
    assert (honest.user, honest.problem) == ("bob", None)
