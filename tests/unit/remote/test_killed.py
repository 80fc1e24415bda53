"""A phase is killed at every write and before every command; then the next run finishes the job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from certkit.names import RegistryReference
from certkit.remote import deploy as phase
from certkit.remote import program
from certkit.remote.deployment import Deployment
from certkit.remote.retire import retire
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.daemon_json import without
from certkit.runtimes.state import HostState, RuntimeChoice
from tests.unit.remote.killing import moments
from tests.unit.remote.test_deploy import CERTIFICATE, KEY, SHELF, container, furnish
from tests.unit.remote.test_deploy import wanted as unit
from tests.unit.remote.test_retire import AFTER, BEFORE, DOCKER, DOCKERD, FILE, NAME

REFERENCE = NAME.text
pytestmark = pytest.mark.timeout(300)

FOLDER = f"certs.d/{REFERENCE}"
OLD = b"OLD\n" * 20
NEW = b"NEW\n" * 20
BAD = b"BAD\n" * 20

_KEEP = "mkdir -p snap keep; cp -a etc/docker keep/docker; cp -a var/lib/certkit keep/state\n"
_AFRESH = (
    "rm -rf etc/docker var/lib/certkit state/failed; touch state/running\n"
    "cp -a keep/docker etc/docker; cp -a keep/state var/lib/certkit\n"
)


def wanted(bundle: bytes) -> HostState:
    choice = RuntimeChoice(("docker",), timeout=10)
    return desired_state([RegistryReference.parse(REFERENCE)], bundle, choice)


def played(
    host: Any,
    tried: Counter[str],
    number: int,
    afresh: str,
    follow: str,
    folder: str = "etc/docker",
    daemons: Mapping[str, Sequence[str]] | None = None,
) -> list[Path]:
    """Kill the exchange at every moment, then run `follow`; what both left is in each directory."""
    found = moments(host, number, afresh, daemons)
    tried["moments"] += len(found)
    rounds = [
        f"k={k}; mkdir snap/$k\n{afresh}{moment}"
        f"cp io/{number}.status snap/{k}/status; cp -a {folder} snap/{k}/seen\n"
        f"{follow}cp -a {folder} snap/{k}/then; cp -a state snap/{k}/state\n"
        f"cp -a var/lib/certkit snap/{k}/memory\n"
        for k, moment in enumerate(found)
    ]
    for start in range(0, len(rounds), 8):
        host.steps("".join(rounds[start : start + 8]), timeout=100)
    snaps = [host.at(f"/snap/{k}") for k in range(len(found))]
    statuses = Counter((snap / "status").read_text() for snap in snaps)
    # What polls a daemon may come to its end before the call that has been counted; where there are
    # few moments, each is met.
    assert statuses["0\n"] <= len(snaps) // 8 and set(statuses) <= {"137\n", "0\n"}, statuses
    return snaps


def certificate(snap: Path, moment: str) -> bytes:
    """What is there, alone in its directory."""
    folder = snap / moment / FOLDER
    if moment == "then":
        assert [one.name for one in folder.iterdir()] == ["ca.crt"], snap.name
    return (folder / "ca.crt").read_bytes()


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_placing(shell: str, make_host: Callable[..., Any], tried: Counter[str]) -> None:
    host = make_host(shell)
    host.run(program.place(wanted(OLD)))
    host.at("/var/lib/certkit/due/docker").unlink()
    number = host.load(program.place(wanted(NEW)))
    host.steps(_KEEP)
    snaps = played(host, tried, number, _AFRESH, f"run {number}\n")
    for snap in snaps:
        assert certificate(snap, "seen") in (OLD, NEW), snap.name
        assert certificate(snap, "then") == NEW, snap.name
        path = f"etc/docker/{FOLDER}/ca.crt"
        assert (snap / "memory/previous" / path).read_bytes() == OLD, snap.name
        assert (snap / "memory/record" / path).read_bytes() == NEW, snap.name
        assert (snap / "memory/due/docker").exists(), snap.name
    # The new file, the intent and what is due: each is opened, then written.
    assert len(snaps) >= 6


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
@pytest.mark.parametrize("before", ["new", "gone"])
def test_placing_where_nothing_is(
    shell: str, before: str, make_host: Callable[..., Any], tried: Counter[str]
) -> None:
    """Without a record either, that is written at once: no file can be mistaken meanwhile."""
    host = make_host(shell)
    if before == "gone":
        host.run(program.place(wanted(OLD)))
        host.run(program.restart(wanted(OLD).runtimes[0]))
        host.at(f"/etc/docker/{FOLDER}/ca.crt").unlink()
    else:
        host.at("/var/lib/certkit").mkdir()
    number = host.load(program.place(wanted(NEW)))
    host.steps(_KEEP)
    for snap in played(host, tried, number, _AFRESH, f"run {number}\n"):
        seen = snap / "seen" / FOLDER / "ca.crt"
        assert not seen.exists() or seen.read_bytes() == NEW, snap.name
        assert certificate(snap, "then") == NEW, snap.name
        path = f"etc/docker/{FOLDER}/ca.crt"
        assert (snap / "memory/record" / path).read_bytes() == NEW, snap.name
        assert before == "gone" or not (snap / "memory/intent" / path).exists(), snap.name
        assert (snap / "memory/absent" / path).exists(), snap.name
        assert (snap / "memory/due/docker").exists(), snap.name


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
@pytest.mark.parametrize(("new", "stands"), [(NEW, NEW), (BAD, OLD)], ids=["good", "rolled back"])
def test_restarting(
    shell: str, new: bytes, stands: bytes, make_host: Callable[..., Any], tried: Counter[str]
) -> None:
    """The daemon runs in the end, whenever its restart was cut: also where that has stopped it."""
    host = make_host(shell)
    state = wanted(OLD)
    for exchange in (program.place(state), program.restart(state.runtimes[0])):
        host.run(exchange)
    host.run(program.place(wanted(new)))
    place = host.load(program.place(wanted(new)))
    again = host.load(program.restart(wanted(new).runtimes[0]))
    number = host.load(program.restart(wanted(new).runtimes[0]))
    host.steps(_KEEP)
    memory = "var/lib/certkit"
    # As the operator's side does: what is due, or was begun, is restarted.
    follow = (
        f"run {place}\n[ ! -e {memory}/due/docker ] && [ ! -e {memory}/begun.docker ] ||"
        f" run {again}\n"
    )
    daemons = {"systemctl": ("restart", "reset-failed")}
    snaps = played(host, tried, number, _AFRESH, follow, daemons=daemons)
    for snap in snaps:
        assert certificate(snap, "seen") in (OLD, new), snap.name
        assert certificate(snap, "then") == stands, snap.name
        assert (snap / "state/running").exists(), f"{snap.name}: it was left down"
        assert not (snap / "memory/due/docker").exists(), snap.name
        assert not (snap / "memory/begun.docker").exists(), snap.name
        path = f"etc/docker/{FOLDER}/ca.crt"
        assert (snap / "memory/record" / path).read_bytes() == stands, snap.name
    assert len(snaps) >= 2


@pytest.mark.parametrize(("stray", "stands"), [(False, AFTER), (True, BEFORE)])
def test_retiring(
    stray: bool, stands: bytes, make_host: Callable[..., Any], tried: Counter[str]
) -> None:
    """An insecure setting: whole after each, and nothing of it left beside the file or below."""
    host = make_host("dash")
    host.fake("dockerd", DOCKERD)
    host.fake("docker", DOCKER.replace("$(cat", "$(/usr/bin/cat"))
    host.put(FILE, BEFORE, 0o640)
    host.at("/var/lib/certkit").mkdir(parents=True, mode=0o700)
    if stray:
        # Without the setting no pull goes through: the old file comes back.
        host.state("stray")
    runtime = wanted(NEW).runtimes[0]
    whole = host.load(retire(runtime, "", (NAME,), BEFORE, AFTER))
    rest = host.load(retire(runtime, "", (NAME,), AFTER, AFTER))
    assert without(BEFORE, {REFERENCE}).content == AFTER
    start = (
        "rm -f var/run/docker.pid\n"
        'chroot "$root" /usr/bin/env -i PATH=/usr/bin:/bin /fake/dockerd >/dev/null 2>&1 &\n'
        "daemon=$!\nuntil [ -s var/run/docker.pid ]; do sleep 0.02; done\n"
    )
    afresh = f'[ -z "${{daemon-}}" ] || kill -9 $daemon\n{_AFRESH}{start}'
    follow = (
        f"if cmp -s etc/docker/daemon.json keep/docker/daemon.json; then run {whole}\n"
        f"elif [ -e var/lib/certkit/retired ]; then run {rest}; fi\n"
    )
    host.steps(_KEEP)
    snaps = played(host, tried, whole, afresh, follow)
    for snap in snaps:
        assert (snap / "seen/daemon.json").read_bytes() in (BEFORE, AFTER), snap.name
        assert (snap / "then/daemon.json").read_bytes() == stands, snap.name
        assert (snap / "then/daemon.json").stat().st_mode & 0o777 == 0o640, snap.name
        assert [one.name for one in (snap / "then").iterdir()] == ["daemon.json"], snap.name
        assert [one.name for one in (snap / "memory").iterdir()] == ["lock"], snap.name
    # What a moment leaves is the one or the other.
    assert {(snap / "seen/daemon.json").read_bytes() for snap in snaps} == {BEFORE, AFTER}
    assert len(snaps) >= 6


_REGISTRY_AFRESH = (
    "rm -rf srv/certs var/lib/certkit state/c-* state/serving\n"
    "cp -a keep/certs srv/certs; cp -a keep/certkit var/lib/certkit; cp -a keep/state/. state\n"
)
_DAEMONS = {
    "docker": ("rename", "stop", "rm", "restart", "run"),
    "systemctl": ("restart",),
}


def registry(host: Any, old: Deployment) -> Any:
    """A host whose registry serves the old pair, and that knows of no other."""
    furnish(host)
    # Polls are counted, not timed, until a registry counts as ended.
    host.fake("sleep", "#!/bin/sh\nexec /usr/bin/sleep 0.02\n")
    # What a stand-in calls is no moment of the program's.
    for name in ("openssl", "docker", "systemctl"):
        text = host.at(f"/fake/{name}").read_text()
        host.fake(name, text.replace("#!/bin/sh\n", "#!/bin/sh\nPATH=/usr/bin:/bin\n"))
    for step in ("deploy", "settle"):
        host.run(phase.deploy(old, step))
    host.at("/keep").mkdir()
    return host


def cut_before_its_container(host: Any, new: Deployment) -> None:
    """Have the new pair placed, and nothing more."""
    docker = host.at("/fake/docker").read_text()
    host.fake("docker", docker.replace("'rename '*)", "'rename '*) kill -9 -1; exit 1;"))
    host.run(phase.deploy(new))
    host.fake("docker", docker)


def pair(
    folder: Path, certificate: str = Path(CERTIFICATE).name, key: str = Path(KEY).name
) -> tuple[bytes, bytes]:
    return (folder / certificate).read_bytes(), (folder / key).read_bytes()


@pytest.mark.parametrize(
    ("make", "key", "placed", "step", "least"),
    [
        (unit, "new\n", False, "deploy", 10),
        (container, "new\n", True, "deploy", 3),
        (container, "BAD\n", True, "deploy", 9),
        (container, "new\n", False, "settle", 3),
    ],
    ids=["placed and restarted", "container replaced", "rolled back", "settled"],
)
def test_deploying(
    make: Callable[..., Deployment],
    key: str,
    placed: bool,
    step: phase.Step,
    least: int,
    make_host: Callable[..., Any],
    tried: Counter[str],
) -> None:
    """The old pair or the new one; a pair that cannot be loaded goes back, its container too."""
    specs = (["s1"], ["s2"]) if make is container else ([], [])
    old, new = (
        make(leaf, *spec, key=text)
        for leaf, spec, text in zip(("a" * 64, "b" * 64), specs, ("old\n", key), strict=True)
    )
    stands = old if key == "BAD\n" else new
    whole = [(one.certificate.content, one.key.content) for one in (old, new)]
    host = registry(make_host("dash"), old)
    if step == "settle":
        host.run(phase.deploy(new))
    elif placed:
        cut_before_its_container(host, new)
    number = host.load(phase.deploy(new, step))
    again = host.load(phase.deploy(new))
    settle = host.load(phase.deploy(new, "settle"))
    host.steps("mkdir snap; cp -a srv/certs var/lib/certkit state keep\n")
    follow = f"cp -a var/lib/certkit snap/$k/known; run {again}\n"
    if step == "settle":
        follow += f"! grep -q 'result changed' io/{again}.out || run {settle}\n"
    snaps = played(host, tried, number, _REGISTRY_AFRESH, follow, "srv/certs", _DAEMONS)
    shelf = SHELF.removeprefix("/var/lib/certkit/")
    halves = 0
    for snap in snaps:
        if pair(snap / "seen") not in whole:
            # Two files are two renames: of what lies between them, the host knows that it must end.
            assert pair(snap / "seen") == (old.certificate.content, new.key.content), snap.name
            assert (snap / "known" / shelf / "due").exists(), snap.name
            halves += 1
        assert pair(snap / "then") == (stands.certificate.content, stands.key.content), snap.name
        assert len(list((snap / "then").iterdir())) == 2, snap.name
        memory = snap / "memory" / shelf
        if step == "deploy" and stands is new:
            # Until the operator has seen it from outside, there is a way back.
            assert pair(memory, "old.1", "old.2") == whole[0], snap.name
        else:
            assert [path.name for path in memory.iterdir()] == ["record"], snap.name
            assert (memory / "record").read_bytes() == stands.certificate.content, snap.name
        assert (snap / "state/serving").read_text() == f"{stands.want}\n", snap.name
        containers = {path.name: path.read_text() for path in (snap / "state").glob("c-*")}
        assert containers.pop("c-registry", "\n") == f"{stands.spec}\n", snap.name
        assert not containers or (step == "deploy" and stands is new), snap.name
    assert len(snaps) >= least
    assert halves <= 1
