"""A user's own runtime: what is said in its name counts for it alone, whoever says it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Any

import pytest

from certkit.errors import ErrorKind, HostError
from certkit.names import RegistryReference
from certkit.remote import program
from certkit.remote.placed import PER_USER
from certkit.remote.protocol import decode_place, decode_restart
from certkit.remote.report import PlaceReport
from certkit.runtimes.catalogue import NAMES, desired_state
from certkit.runtimes.state import HostState, RuntimeChoice

NONCE = "0123456789abcdef"
REFERENCE = "registry.lab:5000"
PAM = ("auth", "account", "session", "password")
OWN = ("start 0", "clock =1", "runtime docker", "daemon 1", "of docker")
ANN = ("nesting ann", "nested ann", f"runtime {PER_USER} ann", f"of {PER_USER}", "end nested 0")


def told(*lines: str) -> PlaceReport:
    return decode_place("".join(f"{NONCE} {line}\n" for line in lines).encode(), NONCE)


def hexed(text: str) -> str:
    return text.encode().hex() + "."


def wanted(*runtimes: str) -> HostState:
    return desired_state(
        [RegistryReference.parse(REFERENCE)], b"GOOD\n", RuntimeChoice(runtimes or ("auto",))
    )


def test_one_runtime_belongs_to_users() -> None:
    states = [wanted(name).runtimes[0] for name in NAMES]
    assert [one.name for one in states if one.per_user] == [PER_USER]


@pytest.mark.parametrize(
    "lines",
    [
        ("nested mallory", "nested ", "runtime docker", "daemon 1", "of docker", "due"),
        ("nested ", "runtime docker", "daemon 1", "of docker", "due"),
        ("nested root", "runtime docker root"),
        ("nested mallory", "nested ann", f"runtime {PER_USER} ann", f"of {PER_USER}", "due"),
        ("runtime docker", "nested mallory"),
        ("nested mallory", "runtime docker", "of docker", "due"),
        ("nested mallory", "runtime docker mallory", "daemon 1", "of docker", "due"),
        ("nested mallory", f"runtime {PER_USER}", f"of {PER_USER}", "due"),
        ("nested mallory", "of docker", "due"),
        ("nested mallory", f"runtime {PER_USER} mallory", f"runtime {PER_USER} mallory"),
        ("nested mallory", f"runtime {PER_USER} mallory", f"file same - {hexed('x')}"),
        ("nested mallory", f"runtime {PER_USER} mallory", "running many"),
        ("nested mallory", "error nowhere zz zz"),
        ("nested mallory", "end nested 0", "of docker", "due"),
        ("nested mallory", "end nested 0", "hostnote shadow 00."),
    ],
)
def test_a_user_speaks_for_no_other_runtime(lines: tuple[str, ...]) -> None:
    report = told(*OWN, "nesting mallory", *lines, "end nested 0", *ANN, "end 0")
    docker, mallory, ann = report.runtimes
    assert (docker.name, docker.user, docker.restart_due) == ("docker", "", False)
    assert (mallory.name, mallory.user, mallory.files) == (PER_USER, "mallory", ())
    assert mallory.problem is not None and not mallory.restart_due
    assert (ann.name, ann.user, ann.problem) == (PER_USER, "ann", None)
    assert report.notes == ()


def test_a_user_that_announces_another_cannot_make_root_fail() -> None:
    forged = ("nesting ann", "nested ann", f"runtime {PER_USER} ann", f"of {PER_USER}", "due")
    ended = ("end nested 0", "end nested 0")
    report = told(*OWN, "nesting mallory", "nested mallory", *ended, *forged, *ANN, "end 0")
    docker, mallory, ann = report.runtimes
    assert (docker.problem, docker.restart_due) == (None, False)
    assert mallory.problem is not None
    assert ann.problem is not None and not ann.restart_due


def test_an_error_of_a_user_is_that_users() -> None:
    error = f"error symlink {hexed('/home/ann/.config/docker/certs.d')} ."
    report = told(*OWN, "due", "nesting ann", "nested ann", error, "end nested 1", "end 0")
    docker, ann = report.runtimes
    assert docker.restart_due and docker.problem is None
    assert ann.problem is not None and ann.problem.kind is ErrorKind.CONFLICT
    assert "is a symlink" in ann.problem.message


def test_a_run_that_never_began_is_that_users() -> None:
    docker, ann = told(*OWN, "nesting ann", "end 0").runtimes
    assert docker.problem is None
    assert ann.problem is not None and ann.problem.kind is ErrorKind.PERMISSION
    assert "ann" in ann.problem.message


def test_an_error_of_root_is_the_hosts() -> None:
    with pytest.raises(HostError):
        told("start 0", f"error symlink {hexed('/etc/docker/certs.d')} .", "end 1")


def rootless(host: Any, *, socket: bool) -> None:
    """Make ann a user who runs a Docker of her own, beside root's."""
    for parent in (host.root, *host.root.parents[:3]):
        parent.chmod(0o755)
    run = host.at("/run/user/1234")
    run.mkdir(parents=True)
    os.mknod(run / "docker.sock", (stat.S_IFSOCK if socket else stat.S_IFREG) | 0o600)
    host.at("/home/ann/.config/docker").mkdir(parents=True)
    for path in (*host.at("/home/ann").rglob("*"), host.at("/home/ann"), run, *run.rglob("*")):
        os.chown(path, 1234, 1234)
    host.put("/etc/pam.d/other", "".join(f"{k} sufficient pam_permit.so\n" for k in PAM))
    host.put("/etc/pam.d/runuser", "".join(f"{k} sufficient pam_permit.so\n" for k in PAM))


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_a_users_symlink_keeps_nobody_from_restarting_roots_docker(
    make_host: Callable[..., Any],
) -> None:
    host = make_host("dash")
    rootless(host, socket=True)
    host.at("/home/ann/.config/docker/certs.d").symlink_to("/tmp")
    exchange = program.place(wanted())
    report = decode_place(host.run(exchange).stdout, exchange.nonce)
    docker, ann = report.runtimes
    assert (docker.name, docker.restart_due, docker.problem) == ("docker", True, None)
    assert docker.files[0].result == "changed"
    assert (ann.name, ann.user) == (PER_USER, "ann")
    assert ann.problem is not None and "is a symlink" in ann.problem.message
    assert list(host.at("/tmp").iterdir()) == []
    exchange = program.restart(wanted().runtimes[0])
    assert decode_restart(host.run(exchange).stdout, exchange.nonce).result == "restarted"


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_a_plain_file_in_the_place_of_a_socket_is_no_runtime(
    make_host: Callable[..., Any],
) -> None:
    host = make_host("dash")
    rootless(host, socket=False)
    exchange = program.place(wanted())
    report = decode_place(host.run(exchange).stdout, exchange.nonce)
    assert [one.name for one in report.runtimes] == ["docker"]
    exchange = program.place(wanted(PER_USER))
    report = decode_place(host.run(exchange).stdout, exchange.nonce)
    assert [(one.name, one.user) for one in report.runtimes] == [(PER_USER, "ann")]
