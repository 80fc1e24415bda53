"""Two operators at once; a home whose disk is full, or that cannot be written at all."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from certkit.home.home import Home
from tests.cores import FORKS
from tests.ssh.lab import PROGRAM, Lab, lab_running, outcomes
from tests.tiers import need

pytestmark = [pytest.mark.timeout(240), FORKS]

NAMES = ("web-01", "web-02")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with lab_running(tmp_path, NAMES) as running:
        yield running


def test_two_at_once_with_one_home(lab: Lab) -> None:
    both = [lab.start(lab.arguments("distribute", "-o", "json")) for _ in range(2)]
    reports = []
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, (out, err)
        reports.append(json.loads(out))
    assert {one for report in reports for one in outcomes(report).values()} <= {
        "changed",
        "unchanged",
    }
    for name in NAMES:
        assert lab.certificate(name).read_bytes() == lab.trust
        assert lab.restarts(name) == 1, "one of the two restarted a daemon again"
    lines = (lab.home / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line)["command"] for line in lines].count("distribute") == 2


def test_two_homes_for_one_registry(lab: Lab) -> None:
    """Each has an authority of its own: a host has one of the two, whole, and status tells."""
    other = lab.directory / "other"
    made = lab.start(["init", lab.registry, "--no-passphrase", "--home", str(other)])
    assert made.communicate(timeout=60) and made.returncode == 0
    rival = Home.open(other).sole_registry().bundle().pem
    both = [
        lab.start([*lab.arguments("distribute", "-o", "json", "--retries", "4"), *more])
        for more in ([], ["--home", str(other)])
    ]
    told = [process.communicate(timeout=150) for process in both]
    for process, (out, err) in zip(both, told, strict=True):
        assert process.returncode in (0, 1), (out, err)
        errors = [host["error"] for host in json.loads(out)["hosts"] if host["error"]]
        kinds = {error["kind"] for error in errors}
        # The restart of the rest is left out where the canary is the other's by then.
        assert not kinds or kinds - {"interrupted"} == {"conflict"}, errors
    trusted = {lab.certificate(name).read_bytes() for name in NAMES}
    assert trusted <= {lab.trust, rival}
    assert all(1 <= lab.restarts(name) <= 2 for name in NAMES)
    status, document = lab.report("status")
    assert status == (0 if trusted == {lab.trust} else 4), document


def test_a_second_init_of_one_home_waits_or_says_who(lab: Lab) -> None:
    home = lab.directory / "new"
    several = [
        lab.start(["init", f"registry-{n}.lab", "--no-passphrase", "--home", str(home)])
        for n in range(4)
    ]
    for process in several:
        _, err = process.communicate(timeout=100)
        assert process.returncode == 0 or (process.returncode == 3 and "lock" in err), err
    made = [path for path in (home / "registries").iterdir() if not path.name.startswith(".")]
    assert len(made) == [process.returncode for process in several].count(0)


@pytest.mark.parametrize("room", [0, 1, 200, 700, 1500])
def test_no_room_for_a_new_home(lab: Lab, room: int) -> None:
    """A limit on the size of files stands in for a full disk: a write is cut off, anywhere."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))

    home = lab.directory / f"small-{room}"
    words = ["init", lab.registry, "--no-passphrase", "--home", str(home)]
    process = lab.start(words, preexec_fn=limited)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (0, 3), err
    assert "Traceback" not in err and "defect" not in err, err
    if process.returncode == 3:
        assert "error: " in err
        assert not [one for one in home.glob("registries/*") if not one.name.startswith(".")]
    again = lab.start(words)
    _, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    assert Home.open(home).sole_registry().missing == ()
    assert not list(home.rglob(".certkit-new*"))


def in_namespace(script: str, *words: str, lab: Lab) -> subprocess.CompletedProcess[str]:
    """Run a script that may mount, seen by nobody else."""
    unshare = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if shutil.which("unshare") is None:
        need("ssh", "unshare (util-linux) is not installed")
    probe = [*unshare, "mount", "-t", "tmpfs", "none", "/mnt"]
    tried = subprocess.run(probe, capture_output=True, text=True, check=False)
    if tried.returncode:
        need("ssh", f"nothing can be mounted here: {tried.stderr.strip()}")
    return subprocess.run(
        [*unshare, "sh", "-c", script, "sh", *words],
        env=lab.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def certkit(*words: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, *words]


@pytest.mark.parametrize("size", ["4k", "8k", "12k", "16k", "24k"])
def test_a_full_disk_under_the_home(lab: Lab, size: str) -> None:
    """init on a disk that fills up in the middle; then the disk grows, and init is run again."""
    place = lab.directory / "disk"
    place.mkdir()
    words = certkit("init", lab.registry, "--no-passphrase", "--home", f"{place}/home")
    ran = in_namespace(
        """
        place=$1; size=$2; shift 2
        mount -t tmpfs -o size=$size,mode=700 none "$place" || exit 99
        "$@"; echo "first $?"
        find "$place/home" -type f
        mount -o remount,size=10m "$place"
        "$@"; echo "then $?"
        find "$place/home" -name '.certkit-new*'; echo end
        """,
        str(place),
        size,
        *words,
        lab=lab,
    )
    assert ran.returncode == 0, ran
    assert "Traceback" not in ran.stderr and "defect" not in ran.stderr, ran.stderr
    assert "first 3" in ran.stdout or "first 0" in ran.stdout, ran
    if "first 3" in ran.stdout:
        assert "No space left" in ran.stderr or "no space" in ran.stderr, ran.stderr
    first, _, then = ran.stdout.partition("then ")
    assert first and then.startswith("0\nend"), ran


@pytest.mark.parametrize(
    "command", ["renew", "rotate start", "passphrase", "distribute", "remove", "init"]
)
def test_a_disk_that_is_full_under_a_home(lab: Lab, command: str, tmp_path: Path) -> None:
    """Not a block is left: refused, or done all the same; with room the command ends well."""
    secret = tmp_path / "secret"
    secret.write_text("a passphrase\n")
    secret.chmod(0o600)
    place = lab.directory / "disk"
    place.mkdir()
    group, *step = command.split()
    words = [group, *step, *lab.arguments(group)[1:]]
    words[words.index("--home") + 1] = f"{place}/home"
    if command == "passphrase":
        words = [*words[:3], "--new-passphrase-file", str(secret)]
    elif command == "renew":
        words = words[:3]
    elif command == "init":
        words = ["init", "other.lab", "--no-passphrase", *words[1:3]]
    ran = in_namespace(
        """
        place=$1; home=$2; shift 2
        mount -t tmpfs -o size=2m,mode=700 none "$place" || exit 99
        cp -a "$home" "$place/home"
        cat /dev/zero >"$place/filler" 2>/dev/null
        "$@" >/dev/null; echo "first $?"
        rm "$place/filler"
        "$@" >/dev/null; echo "then $?"
        find "$place/home" -name '.certkit-new*' -o -name pending-change; echo end
        """,
        *(str(place), str(lab.home), *certkit(*words)),
        lab=lab,
    )
    assert ran.returncode == 0, ran
    assert "Traceback" not in ran.stderr and "defect" not in ran.stderr, ran.stderr
    first, _, then = ran.stdout.partition("then ")
    hosts_only = command in ("distribute", "remove")
    assert first == f"first {0 if hosts_only else 3}\n", ran
    # A journal's line may still fit into the last page of its file.
    assert hosts_only or "no space" in ran.stderr.lower(), ran.stderr
    assert then == "0\nend\n", ran


@pytest.mark.parametrize(
    "command", ["distribute", "remove", "status", "renew", "init", "rotate start", "passphrase"]
)
def test_a_read_only_home(lab: Lab, command: str, tmp_path: Path) -> None:
    group, *step = command.split()
    words = [group, *step, *lab.arguments(group)[1:]]
    if command == "passphrase":
        (tmp_path / "secret").write_text("a passphrase\n")
        (tmp_path / "secret").chmod(0o600)
        new = ("--new-passphrase-file", str(tmp_path / "secret"))
        words = ["passphrase", "--home", str(lab.home), *new]
    if command == "renew":
        words = ["renew", "--home", str(lab.home)]
    if command == "init":
        words = ["init", "other.lab", "--no-passphrase", "--home", str(lab.home)]
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
    before = sorted(path.read_bytes() for path in lab.home.rglob("*") if path.is_file())
    ran = in_namespace(script, str(lab.home), *certkit(*words), lab=lab)
    assert "Traceback" not in ran.stderr and "defect" not in ran.stderr, ran.stderr
    if command in ("renew", "init", "rotate start", "passphrase"):
        assert ran.returncode == 3, ran
        assert "Read-only file system" in ran.stderr
    else:
        # The hosts need nothing written here; what cannot be noted is told.
        assert ran.returncode == (4 if command == "status" else 0), ran
    if command in ("distribute", "remove"):
        assert "no line of this run" in ran.stderr
    if command == "distribute":
        assert all(lab.certificate(name).read_bytes() == lab.trust for name in NAMES)
    assert before == sorted(path.read_bytes() for path in lab.home.rglob("*") if path.is_file())
