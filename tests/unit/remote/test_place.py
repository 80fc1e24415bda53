"""The place phase: the real program, under every shell, on a scratch host."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from certkit.errors import ErrorKind, HostError
from certkit.names import RegistryReference
from certkit.remote import program
from certkit.remote.protocol import decode_place
from certkit.remote.report import PlaceReport
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.state import HostState, RuntimeChoice

A = b"-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n"
B = A.replace(b"QUFB", b"QkJC") + b"\n# two empty lines and no newline at the end\n\n\nx"
REFERENCE = "registry.lab:5000"
CA = f"/etc/docker/certs.d/{REFERENCE}/ca.crt"


def state(
    bundle: bytes = A, *references: str, runtimes: tuple[str, ...] = ("docker",)
) -> HostState:
    return desired_state(
        [RegistryReference.parse(text) for text in references or (REFERENCE,)],
        bundle,
        RuntimeChoice(runtimes),
    )


def place(host: Any, wanted: HostState, **options: bool) -> PlaceReport:
    exchange = program.place(wanted, **options)
    done = host.run(exchange)
    assert done.stderr == b""
    return decode_place(done.stdout, exchange.nonce)


def refused(host: Any, wanted: HostState, **options: bool) -> HostError:
    with pytest.raises(HostError) as caught:
        place(host, wanted, **options)
    return caught.value


def results(report: PlaceReport) -> list[tuple[str, tuple[str, ...]]]:
    return [(file.result, file.reason) for one in report.runtimes for file in one.files]


def litter(host: Any) -> list[str]:
    return [name for name in host.tree("etc") if ".certkit-" in name]


@pytest.fixture
def strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("strict_umask")
def test_fresh_then_same(host: Any) -> None:
    report = place(host, state())
    (docker,) = report.runtimes
    assert (docker.name, docker.version, docker.daemon) == ("docker", "26.1.5", True)
    assert (docker.running, docker.live_restore, docker.restart_due) == (0, False, True)
    assert docker.files[0].path == CA
    assert docker.files[0].previous is None
    assert results(report) == [("changed", ("content",))]
    assert report.epoch > 1_700_000_000
    assert host.at(CA).read_bytes() == A
    assert host.at(CA).stat().st_mode & 0o777 == 0o644
    assert host.at(CA).parent.stat().st_mode & 0o777 == 0o755
    before = host.tree()
    again = place(host, state())
    assert results(again) == [("same", ())]
    assert again.runtimes[0].restart_due
    assert host.tree() == before
    assert not litter(host)


def test_content_with_odd_ends_arrives_byte_for_byte(host: Any) -> None:
    odd = "häß \\n $(x) `y` 'q' \"d\" \t end\r\n\n  indented\n|bar\nend-x\n".encode() + bytes(
        range(1, 256)
    )
    place(host, state(odd))
    assert host.at(CA).read_bytes() == odd
    assert results(place(host, state(odd))) == [("same", ())]


def test_changed_content_reports_and_backs_up_what_was_there(host: Any) -> None:
    place(host, state(A))
    report = place(host, state(B))
    assert results(report) == [("changed", ("content",))]
    assert report.runtimes[0].files[0].previous == A
    assert host.at(CA).read_bytes() == B
    # A restart is still due, so what a rollback wants is what the daemon last ran on: no file.
    assert host.at(f"/var/lib/certkit/absent{CA}").exists()


def test_changed_mode_and_owner(host: Any) -> None:
    place(host, state())
    host.at("/var/lib/certkit/due/docker").unlink()
    host.at(CA).chmod(0o600)
    report = place(host, state())
    assert results(report) == [("changed", ("mode",))]
    assert not report.runtimes[0].restart_due
    assert host.at(CA).stat().st_mode & 0o777 == 0o644
    if os.geteuid() == 0:
        os.chown(host.at(CA), 1234, 1234)
        assert results(place(host, state())) == [("changed", ("owner",))]
        assert host.at(CA).stat().st_uid == 0


def test_foreign_is_told_and_left_unless_forced(host: Any) -> None:
    host.put(CA, b"theirs\n")
    before = host.tree()
    report = place(host, state(A, REFERENCE, "10.0.0.1:5000"))
    assert results(report) == [("foreign", ("content",)), ("would_change", ("content",))]
    assert report.runtimes[0].files[0].previous == b"theirs\n"
    assert host.tree() == before
    forced = place(host, state(), force=True)
    assert results(forced) == [("changed", ("content",))]
    assert host.at(f"/var/lib/certkit/previous{CA}").read_bytes() == b"theirs\n"


def test_a_file_equal_to_the_wanted_one_is_adopted(host: Any) -> None:
    host.put(CA, A)
    assert results(place(host, state())) == [("same", ())]
    assert results(place(host, state(B))) == [("changed", ("content",))]


def test_check_writes_nothing_at_all(host: Any) -> None:
    before = host.tree()
    assert results(place(host, state(), check=True)) == [("would_change", ("content",))]
    assert host.tree() == before


def test_never_restart_leaves_no_marker(host: Any) -> None:
    report = place(host, state(), restarts=False)
    assert not report.runtimes[0].restart_due


def test_never_restart_keeps_what_an_earlier_run_left_due(host: Any) -> None:
    place(host, state())
    assert place(host, state(B), restarts=False).runtimes[0].restart_due
    assert place(host, state(B), check=True).runtimes[0].restart_due


@pytest.mark.parametrize("way", ["symlink", "lax", "theirs"])
def test_a_state_directory_of_others_is_refused(host: Any, way: str) -> None:
    where = host.at("/var/lib/certkit")
    if way == "symlink":
        host.at("/tmp/theirs").mkdir()
        where.symlink_to("/tmp/theirs")
    else:
        where.mkdir(mode=0o700)
        if way == "lax":
            where.chmod(0o777)
        elif os.geteuid() == 0:
            os.chown(where, 1234, 1234)
        else:
            pytest.skip("giving a directory away needs root")
    before = host.tree()
    error = refused(host, state())
    assert error.kind is ErrorKind.CONFLICT and "/var/lib/certkit" in error.message
    assert error.hint
    assert host.tree() == before


def test_a_state_directory_that_others_read_is_closed(host: Any) -> None:
    host.at("/var/lib/certkit").mkdir(mode=0o755)
    assert results(place(host, state())) == [("changed", ("content",))]
    assert host.at("/var/lib/certkit").stat().st_mode & 0o777 == 0o700


def test_a_stopped_daemon_is_not_due(host: Any) -> None:
    host.at("/state/running").unlink()
    report = place(host, state())
    assert (report.runtimes[0].daemon, report.runtimes[0].restart_due) == (False, False)
    assert results(report) == [("changed", ("content",))]


def test_the_clock_is_the_daemons_or_else_what_date_says(host: Any) -> None:
    host.state("time", "2001-02-03T04:05:06.789012345+01:00")
    assert place(host, state()).epoch == 981169506
    for odd in ("<no value>", "2026-11-30T16:40:00+0100", "2026-11-30T16:40:00Z (UTC)", "2026-11"):
        host.state("time", odd)
        assert abs(place(host, state()).epoch - time.time()) < 300
    host.at("/state/running").unlink()
    assert abs(place(host, state()).epoch - time.time()) < 300


def test_what_a_failed_run_was_about_to_replace_stays_certkits(host: Any) -> None:
    """Somebody takes the file away, the new one fails to come, and the old one is put back."""
    place(host, state(A))
    host.at(CA).unlink()
    host.fake("mv", "#!/bin/sh\necho 'mv: Read-only file system' >&2; exit 1\n")
    assert refused(host, state(B)).kind is ErrorKind.READ_ONLY
    host.at("/fake/mv").unlink()
    host.put(CA, A)
    assert results(place(host, state(B))) == [("changed", ("content",))]
    assert host.at(CA).read_bytes() == B


def test_a_second_file_that_fails_leaves_no_empty_directory(host: Any) -> None:
    host.fake("mv", '#!/bin/sh\ncase "$*" in *other*) exit 1 ;; esac\nexec /bin/mv "$@"\n')
    refused(host, state(A, REFERENCE, "other.lab:5000"))
    assert host.at(CA).read_bytes() == A
    assert not host.at("/etc/docker/certs.d/other.lab:5000").exists()


def test_bad_places(host: Any) -> None:
    host.put("/etc/docker/certs.d", "a file")
    error = refused(host, state())
    assert error.kind is ErrorKind.CONFLICT
    assert "/etc/docker/certs.d" in error.message
    host.at("/etc/docker/certs.d").unlink()
    host.at("/elsewhere").mkdir()
    host.at("/etc/docker/certs.d").symlink_to("/elsewhere")
    assert "symlink" in refused(host, state(), force=True).message
    host.at("/etc/docker/certs.d").unlink()
    host.at(CA).parent.mkdir(parents=True)
    host.at(CA).symlink_to("/etc/passwd")
    assert "symlink" in refused(host, state(), force=True).message
    host.at(CA).unlink()
    host.at(CA).mkdir()
    assert "should be a file" in refused(host, state(), force=True).message


def test_nothing_installed(host: Any) -> None:
    host.at("/fake/dockerd").unlink()
    before = host.tree()
    error = refused(host, state())
    assert (error.kind, "docker" in error.message) == (ErrorKind.DAEMON, True)
    assert place(host, state(runtimes=("auto",))).runtimes == ()
    assert host.tree() == before


def test_podman_beside_docker_and_what_shadows_it(host: Any) -> None:
    host.fake("podman", "#!/bin/sh\ncase $1 in version) echo 4.3.1;; esac\n")
    host.at(f"/root/.config/containers/certs.d/{REFERENCE}").mkdir(parents=True)
    host.put(f"/etc/docker/certs.d/{REFERENCE}/client.key", "k")
    report = place(host, state(A, runtimes=("auto",)))
    docker, podman = report.runtimes
    assert (docker.name, podman.name, podman.version) == ("docker", "podman", "4.3.1")
    assert (podman.daemon, podman.restart_due) == (None, False)
    assert podman.files[0].path == f"/etc/containers/certs.d/{REFERENCE}/ca.crt"
    assert any("/root/.config" in note and "in place of" in note for note in podman.notes)
    assert any("not read for this registry any more" in note for note in podman.notes)
    assert any("client.key has no partner" in note for note in docker.notes)


def test_docker_24_build_note(host: Any) -> None:
    host.state("version", "24.0.9\n")
    assert any("docker build" in note for note in place(host, state()).runtimes[0].notes)
    host.at("/var/lib/certkit/due/docker").unlink()
    assert not place(host, state(B)).runtimes[0].notes


def test_read_only(host: Any) -> None:
    exchange = program.place(state())
    number = host.load(exchange)
    host.steps(f"mount --bind etc etc && mount -o remount,bind,ro etc\nrun {number}")
    with pytest.raises(HostError) as caught:
        decode_place(host.result(number).stdout, exchange.nonce)
    assert caught.value.kind is ErrorKind.READ_ONLY
    assert "/etc/docker" in caught.value.message


def test_noise_around_the_answer(make_host: Callable[..., Any]) -> None:
    host = make_host()
    exchange = program.place(state())
    done = host.run(exchange, stdin=b"an unused password\n" + exchange.stdin)
    noisy = b"Welcome!\nno newline" + done.stdout.replace(b"\n", b"\r\n") + b"bye\xff\n"
    assert results(decode_place(noisy, exchange.nonce)) == [("changed", ("content",))]


@pytest.mark.parametrize("where", ["etc/docker", "var/lib"])
@pytest.mark.parametrize(
    "limit",
    [f"nr_inodes={n}" for n in (1, 2, 3, 4, 6, 9, 12, 15)] + ["size=4k", "size=8k", "size=12k"],
)
def test_full_disk_leaves_the_old_file_whole(
    make_host: Callable[..., Any], where: str, limit: str
) -> None:
    host = make_host("dash")
    place(host, state(A))
    old = program.place(state(B * 300))
    first, second = host.load(old), host.load(program.place(state(B * 300)))
    host.steps(
        f"mkdir keep; cp -a {where}/. keep\n"
        f"mount -t tmpfs -o size=1m none {where}; cp -a keep/. {where}\n"
        f"mount -o remount,{limit} {where}\n"
        f"run {first}\n"
        "rm -rf seen; cp -a etc/docker seen\n"
        f"mount -o remount,size=1m,nr_inodes=1000 {where}\n"
        f"run {second}\n"
        "rm -rf then; cp -a etc/docker then"
    )
    seen = host.at(f"/seen/certs.d/{REFERENCE}")
    try:
        decode_place(host.result(first).stdout, old.nonce)
        assert (seen / "ca.crt").read_bytes() == B * 300
    except HostError as error:
        assert error.kind is ErrorKind.DISK_FULL, error.message
        assert (seen / "ca.crt").read_bytes() == A
    assert [one.name for one in seen.iterdir()] == ["ca.crt"]
    then = host.at(f"/then/certs.d/{REFERENCE}")
    assert (then / "ca.crt").read_bytes() == B * 300
    assert [one.name for one in then.iterdir()] == ["ca.crt"]
