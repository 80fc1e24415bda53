"""The restart phase: the real program against a stand-in for systemd that can fail and hang."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from certkit.errors import ErrorKind, HostError
from certkit.fleet.policy import judge
from certkit.names import RegistryReference
from certkit.remote import program
from certkit.remote.protocol import decode_place, decode_restart
from certkit.remote.report import RestartReport
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.state import HostState, RuntimeChoice

REFERENCE = "registry.lab:5000"
CA = f"/etc/docker/certs.d/{REFERENCE}/ca.crt"
GOOD = b"GOOD\n"
BAD = b"BAD\n"
PAM = ("auth", "account", "session", "password")


def wanted(bundle: bytes, **choice: Any) -> HostState:
    choice = {"runtimes": ("docker",), "timeout": 10, **choice}
    return desired_state([RegistryReference.parse(REFERENCE)], bundle, RuntimeChoice(**choice))


def place(host: Any, state: HostState) -> Any:
    exchange = program.place(state)
    return decode_place(host.run(exchange).stdout, exchange.nonce)


def restart(host: Any, state: HostState, user: str = "") -> RestartReport:
    exchange = program.restart(state.runtimes[0], user)
    done = host.run(exchange)
    assert done.stderr == b""
    return decode_restart(done.stdout, exchange.nonce)


def test_restarted_and_no_longer_due(host: Any) -> None:
    place(host, wanted(GOOD))
    report = restart(host, wanted(GOOD))
    assert (report.name, report.user, report.result) == ("docker", "", "restarted")
    assert 0 <= report.seconds < 30
    assert not place(host, wanted(GOOD)).runtimes[0].restart_due
    assert "restart docker" in host.at("/state/log").read_text().splitlines()


def test_failed_start_is_rolled_back(host: Any) -> None:
    place(host, wanted(GOOD))
    restart(host, wanted(GOOD))
    place(host, wanted(BAD))
    report = restart(host, wanted(BAD))
    assert report.result == "rolled_back"
    assert host.at(CA).read_bytes() == GOOD
    assert host.at("/state/running").exists()
    assert len(report.journal) == 20
    assert report.journal[-1].startswith("line 30")
    assert "\033" not in "".join(report.journal)
    # What came back is still certkit's own, so that the next change needs no force.
    after = place(host, wanted(b"BETTER\n"))
    assert after.runtimes[0].files[0].result == "changed"
    assert restart(host, wanted(b"BETTER\n")).result == "restarted"


def test_new_file_is_removed_by_the_rollback(host: Any) -> None:
    place(host, wanted(BAD))
    assert restart(host, wanted(BAD)).result == "rolled_back"
    assert not host.at(CA).exists()
    assert not host.at(CA).parent.exists()
    again = place(host, wanted(GOOD)).runtimes[0]
    assert (again.files[0].result, again.restart_due) == ("changed", True)


def test_rollback_over_two_changes_returns_to_what_the_daemon_ran_on(host: Any) -> None:
    place(host, wanted(GOOD))
    restart(host, wanted(GOOD))
    place(host, wanted(b"NEVER TRIED\n"))
    place(host, wanted(BAD))
    assert restart(host, wanted(BAD)).result == "rolled_back"
    assert host.at(CA).read_bytes() == GOOD


def test_forced_foreign_file_comes_back_and_is_foreign_again(host: Any) -> None:
    host.put(CA, b"THEIRS\n")
    exchange = program.place(wanted(BAD), force=True)
    host.run(exchange)
    assert restart(host, wanted(BAD)).result == "rolled_back"
    assert host.at(CA).read_bytes() == b"THEIRS\n"
    assert place(host, wanted(GOOD)).runtimes[0].files[0].result == "foreign"


def test_hanging_restart_is_bounded_and_rolled_back(host: Any) -> None:
    place(host, wanted(GOOD))
    restart(host, wanted(GOOD))
    host.state("hang")
    place(host, wanted(BAD))
    report = restart(host, wanted(BAD, timeout=3))
    assert (report.result, report.reason) == ("rolled_back", "hung")
    assert host.at(CA).read_bytes() == GOOD
    assert report.seconds < 40


def test_broken_for_another_reason_is_told(host: Any) -> None:
    place(host, wanted(GOOD))
    restart(host, wanted(GOOD))
    host.state("broken")
    place(host, wanted(b"NEW\n"))
    report = restart(host, wanted(b"NEW\n"))
    assert (report.result, report.restored) == ("rollback_failed", True)
    assert host.at(CA).read_bytes() == GOOD
    assert report.journal


def test_a_daemon_that_a_cut_restart_left_down_is_started(host: Any) -> None:
    place(host, wanted(GOOD))
    restart(host, wanted(GOOD))
    # As kill -9 leaves it between the end of the old daemon and the start of the new one.
    host.at("/var/lib/certkit/begun.docker").touch()
    host.at("/state/running").unlink()
    seen = place(host, wanted(GOOD)).runtimes[0]
    assert (seen.daemon, seen.restart_due, seen.restart_begun) == (False, True, True)
    assert judge(seen, "changed", due=True).restart and judge(seen, "safe", due=True).restart
    assert not judge(seen, "never", due=True).restart
    assert restart(host, wanted(GOOD)).result == "restarted"
    assert host.at("/state/running").exists()
    assert not place(host, wanted(GOOD)).runtimes[0].restart_due


def test_a_daemon_that_no_start_brings_back_is_started_by_the_next_run(host: Any) -> None:
    place(host, wanted(GOOD))
    restart(host, wanted(GOOD))
    host.state("broken")
    place(host, wanted(b"NEW\n"))
    assert restart(host, wanted(b"NEW\n")).result == "rollback_failed"
    seen = place(host, wanted(GOOD)).runtimes[0]
    assert (seen.daemon, seen.restart_due, seen.restart_begun) == (False, True, True)
    host.at("/state/broken").unlink()
    # Trust that is placed while it is down goes back as any other.
    assert place(host, wanted(BAD)).runtimes[0].files[0].result == "changed"
    assert restart(host, wanted(BAD)).result == "rolled_back"
    assert host.at(CA).read_bytes() == GOOD
    assert host.at("/state/running").exists()
    assert left(host) == (False, False)


def stuck(host: Any) -> None:
    """Nothing below /etc/docker can be written any more, while /state/stuck is there."""
    for tool in ("cp", "mv", "rm"):
        host.fake(
            tool,
            "#!/bin/sh\nfor last; do :; done\ncase $last in /etc/docker/*)\n"
            f'  [ ! -f /state/stuck ] || exit 1 ;;\nesac\nexec /usr/bin/{tool} "$@"\n',
        )
    host.state("stuck")


def test_what_could_not_be_put_back_is_by_the_next_run(make_host: Callable[..., Any]) -> None:
    host = make_host("dash")
    place(host, wanted(GOOD))
    restart(host, wanted(GOOD))
    place(host, wanted(BAD))
    stuck(host)
    report = restart(host, wanted(BAD))
    assert (report.result, report.restored) == ("rollback_failed", False)
    assert host.at(CA).read_bytes() == BAD
    host.at("/state/stuck").unlink()
    assert place(host, wanted(BAD)).runtimes[0].restart_begun
    assert restart(host, wanted(BAD)).result == "rolled_back"
    assert host.at(CA).read_bytes() == GOOD
    assert host.at("/state/running").exists()
    assert left(host) == (False, False)


def test_a_daemon_that_runs_on_what_could_not_be_put_back_stays_due(
    make_host: Callable[..., Any],
) -> None:
    host = make_host("dash")
    place(host, wanted(GOOD))
    restart(host, wanted(GOOD))
    new = b"NEW\n"
    place(host, wanted(new))
    stuck(host)
    # The first start fails, and the second one works.
    host.state("flaky")
    report = restart(host, wanted(new))
    assert (report.result, report.restored) == ("stuck", False)
    assert host.at(CA).read_bytes() == new
    assert host.at("/state/running").exists()
    assert left(host) == (True, False)
    host.at("/state/stuck").unlink()
    host.state("flaky")
    seen = place(host, wanted(new)).runtimes[0]
    assert (seen.daemon, seen.restart_due, seen.files[0].result) == (True, True, "same")
    assert restart(host, wanted(new)).result == "rolled_back"
    assert host.at(CA).read_bytes() == GOOD
    assert left(host) == (False, False)


def left(host: Any) -> tuple[bool, bool]:
    """Whether the host says that a restart is due, and that one was begun."""
    memory = host.at("/var/lib/certkit")
    return (memory / "due/docker").exists(), (memory / "begun.docker").exists()


@pytest.mark.parametrize("due", [False, True])
def test_a_daemon_that_was_started_since_is_left_stopped(host: Any, due: bool) -> None:
    """By hand, or by a reboot; the mark of the restart that was cut short goes when it is seen."""
    place(host, wanted(GOOD))
    if not due:
        restart(host, wanted(GOOD))
    host.at("/var/lib/certkit/begun.docker").touch()
    exchange = program.place(wanted(GOOD), check=True)
    looked = decode_place(host.run(exchange).stdout, exchange.nonce).runtimes[0]
    assert (looked.daemon, looked.restart_due, looked.restart_begun) == (True, due, False)
    assert left(host) == (due, True)  # a look writes nothing
    place(host, wanted(GOOD))
    assert left(host) == (due, False)
    # Weeks later:
    host.at("/state/running").unlink()
    seen = place(host, wanted(GOOD)).runtimes[0]
    assert not judge(seen, "changed", due=seen.restart_due).restart
    assert restart(host, wanted(GOOD)).reason == "stopped"
    assert not host.at("/state/running").exists()


def test_the_mark_of_a_restart_under_way_stays(host: Any) -> None:
    place(host, wanted(GOOD))
    restart(host, wanted(GOOD))
    host.at("/var/lib/certkit/begun.docker").touch()
    number = host.load(exchange := program.place(wanted(GOOD)))
    host.steps(
        "cd var/lib/certkit; exec 8>>lock; ! command -v flock >/dev/null || flock 8\n"
        f'ln -s "1 $(cat /proc/sys/kernel/random/boot_id) ann" lock.link; cd "$root"; run {number}'
    )
    assert decode_place(host.result(number).stdout, exchange.nonce).runtimes[0].daemon
    assert left(host) == (False, True)


def test_a_daemon_that_comes_up_before_its_turn_is_not_restarted(host: Any) -> None:
    place(host, wanted(GOOD))
    restart(host, wanted(GOOD))
    host.at("/var/lib/certkit/begun.docker").touch()
    exchange = program.restart(wanted(GOOD).runtimes[0], due=True)
    report = decode_restart(host.run(exchange).stdout, exchange.nonce)
    assert (report.result, report.reason) == ("refused", "done")
    assert host.at("/state/log").read_text().splitlines().count("restart docker") == 1
    assert left(host) == (False, False)


def test_stopped_daemon_is_left_stopped(host: Any) -> None:
    place(host, wanted(GOOD))
    host.at("/state/running").unlink()
    report = restart(host, wanted(GOOD))
    assert (report.result, report.reason) == ("refused", "stopped")
    assert not host.at("/state/running").exists()
    assert "restart docker" not in host.at("/state/log").read_text()


def test_restart_without_a_change_puts_nothing_back(host: Any) -> None:
    place(host, wanted(GOOD))
    restart(host, wanted(GOOD))
    assert restart(host, wanted(GOOD)).result == "restarted"
    host.state("broken")
    assert restart(host, wanted(GOOD)).result == "rollback_failed"
    assert host.at(CA).read_bytes() == GOOD


def test_restart_command_of_the_operator(host: Any) -> None:
    state = wanted(GOOD, restart_command='echo "it\'s $((40 + 2))" >/state/mine')
    place(host, state)
    assert restart(host, state).result == "restarted"
    assert host.at("/state/mine").read_text() == "it's 42\n"


def test_a_restart_command_that_fails_is_no_dead_daemon(host: Any) -> None:
    state = wanted(GOOD, restart_command="echo trying; false")
    place(host, state)
    report = restart(host, state)
    assert (report.result, report.reason, report.restored) == ("rolled_back", "command", True)
    assert "trying" in report.journal
    assert not host.at(CA).exists()
    again = restart(host, state)
    assert (again.result, again.reason, again.restored) == ("rolled_back", "command", None)


def test_what_is_no_longer_due_is_not_restarted_again(host: Any) -> None:
    place(host, wanted(GOOD))
    for expected in (("restarted", ""), ("refused", "done")):
        exchange = program.restart(wanted(GOOD).runtimes[0], due=True)
        report = decode_restart(host.run(exchange).stdout, exchange.nonce)
        assert (report.result, report.reason) == expected
    assert host.at("/state/log").read_text().splitlines().count("restart docker") == 1


def test_a_daemon_started_by_a_script_keeps_no_pipe_open_and_dies_when_told(
    make_host: Callable[..., Any],
) -> None:
    host = make_host("dash")
    state = wanted(GOOD, restart_command="sh -c 'echo $$ >/state/pid; exec sleep 50' >/state/out &")
    place(host, state)
    exchange = program.restart(state.runtimes[0])
    number = host.load(exchange)
    host.steps(
        f"run {number}\n"
        # Nobody waits for what the script leaves behind.
        "until [ -s state/pid ]; do sleep 0.05; done\n"
        "grep SigIgn proc/$(cat state/pid)/status >state/ignored\n"
        "ls -l proc/$(cat state/pid)/fd >state/fds",
        timeout=40,
    )
    assert decode_restart(host.result(number).stdout, exchange.nonce).result == "restarted"
    ignored = int(host.at("/state/ignored").read_text().split()[1], 16)
    assert ignored & (1 << 0 | 1 << 12 | 1 << 14) == 0
    assert "lock" not in host.at("/state/fds").read_text()
    assert ".out" not in host.at("/state/fds").read_text()


@pytest.mark.parametrize("tool", ["openrc", "sysv", "service"])
def test_other_service_managers(host: Any, tool: str) -> None:
    host.at("/run/systemd/system").rmdir()
    script = '#!/bin/sh\necho "$0 $*" >>/state/log\n[ "$1" != status ] || [ -f /state/running ]\n'
    host.put("/etc/init.d/docker", script, 0o755)
    called = "/etc/init.d/docker restart"
    if tool == "openrc":
        host.fake("rc-service", script)
        called = "/fake/rc-service docker restart"
        host.fake("rc-service", script.replace('"$1" != status', '"$2" != status'))
    elif tool == "service":
        host.fake("service", script)
        called = "/fake/service docker restart"
    elif host.userland == "gnu":
        host.fake("service", '#!/bin/sh\nexec "/etc/init.d/$1" "$2"\n')
    place(host, wanted(GOOD))
    assert restart(host, wanted(GOOD)).result == "restarted"
    assert called in host.at("/state/log").read_text()


def test_snap(make_host: Callable[..., Any]) -> None:
    host = make_host("dash")
    host.at("/var/snap/docker/12").mkdir(parents=True)
    host.at("/var/snap/docker/current").symlink_to("12")
    host.put("/snap/bin/docker", host.at("/fake/docker").read_bytes(), 0o755)
    host.fake(
        "snap",
        '#!/bin/sh\necho "$*" >>/state/log\n'
        "echo 'Service  Startup  Current  Notes'; echo 'docker.dockerd  enabled  active   -'\n",
    )
    state = wanted(GOOD, runtimes=("docker-snap",))
    report = place(host, state).runtimes[0]
    assert (report.name, report.daemon) == ("docker-snap", True)
    assert host.at(f"/var/snap/docker/12/etc/docker/certs.d/{REFERENCE}/ca.crt").exists()
    assert restart(host, state).result == "restarted"
    assert "restart docker" in host.at("/state/log").read_text()


def test_no_manager(make_host: Callable[..., Any]) -> None:
    host = make_host("dash")
    host.at("/run/systemd/system").rmdir()
    place(host, wanted(GOOD))
    with pytest.raises(HostError) as caught:
        restart(host, wanted(GOOD))
    assert caught.value.kind is ErrorKind.DAEMON
    assert "restart_command" in caught.value.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
@pytest.mark.parametrize("way", ["runuser", "setpriv", "su"])
def test_rootless_is_placed_and_restarted_as_its_user(
    make_host: Callable[..., Any], way: str
) -> None:
    host = make_host("dash")
    for parent in (host.root, *host.root.parents[:3]):
        parent.chmod(0o755)
    host.at("/fake/dockerd").unlink()
    host.at("/run/user/1234/systemd").mkdir(parents=True)
    os.mknod(host.at("/run/user/1234/docker.sock"), stat.S_IFSOCK | 0o600)
    host.at("/home/ann").mkdir(parents=True)
    for path in (host.at("/home/ann"), *host.at("/run/user/1234").rglob("*"), host.at("/state")):
        os.chown(path, 1234, 1234)
    host.state("log")
    host.at("/state/log").chmod(0o666)
    host.fake(
        "systemctl",
        "#!/bin/sh\n"
        'echo "$(id -u) $XDG_RUNTIME_DIR $DOCKER_HOST $*" >>/state/log\n'
        'case "$*" in *is-active*) echo active;; esac\n',
    )
    # The ways before the one under test: files that PATH lookups skip, or that fail.
    host.put("/empty", "", 0o644)
    host.put("/etc/pam.d/other", "".join(f"{k} sufficient pam_permit.so\n" for k in PAM))
    for name in ("runuser", "su"):
        host.put(f"/etc/pam.d/{name}", "".join(f"{k} sufficient pam_permit.so\n" for k in PAM))
    hide = "" if way == "runuser" else "mount --bind empty usr/sbin/runuser\n"
    if way == "su":
        host.fake("setpriv", "#!/bin/sh\nexit 1\n")
    state = wanted(GOOD, runtimes=("auto",))
    number = host.load(exchange := program.place(state))
    host.steps(f"{hide}run {number}")
    (runtime,) = decode_place(host.result(number).stdout, exchange.nonce).runtimes
    assert (runtime.name, runtime.user) == ("docker-rootless", "ann")
    path = f"/home/ann/.config/docker/certs.d/{REFERENCE}/ca.crt"
    assert runtime.files[0].path == path
    assert host.at(path).read_bytes() == GOOD
    assert (host.at(path).stat().st_uid, host.at(path).stat().st_gid) == (1234, 1234)
    assert host.at("/home/ann/.local/state/certkit/due/docker-rootless").exists()
    rootless = replace(state.runtimes[1])
    number = host.load(exchange := program.restart(rootless, "ann"))
    host.steps(f"{hide}run {number}")
    report = decode_restart(host.result(number).stdout, exchange.nonce)
    assert (report.name, report.user, report.result) == ("docker-rootless", "ann", "restarted")
    told = "1234 /run/user/1234 unix:///run/user/1234/docker.sock --user restart docker"
    assert told in host.at("/state/log").read_text().splitlines()
