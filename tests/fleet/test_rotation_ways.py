"""The less trodden ways through a rotation: by hand, with secrets, a host gone, after a leak."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.fleet.conftest import Fleet
from tests.fleet.lab import PASSWORD_USER, REGISTRY_IMAGE, Lab, Machine, Spec
from tests.fleet.operator import (
    ATTENTION,
    BAD_INPUT,
    FAILED,
    Operator,
    starts_registry,
    wait_for_registry,
)
from tests.fleet.rotating import (
    IMAGE,
    PAIR,
    Pulls,
    known,
    operating,
    rotate,
    served,
    stands,
    trusted,
    write_inventory,
)

HOME_UNUSABLE = 3
PASSPHRASE = "correct horse battery staple"
PODMAN_TRUST = "/etc/containers/certs.d/registry.lab:5000/ca.crt"


pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def operator(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """Somebody whose authority's key has a passphrase."""
    directory = tmp_path_factory.mktemp("ways")
    secret = directory / "passphrase"
    secret.touch(0o600)
    secret.write_text(PASSPHRASE)
    return operating(fleet, directory, "--passphrase-file", str(secret))


def pulls(machine: Machine, engine: str = "docker") -> str:
    """Pull once; answers what was said against it."""
    machine.run(f"{engine} rmi --force {IMAGE}", check=False)
    done = machine.run([engine, "pull", "--quiet", IMAGE], check=False)
    return "" if done.returncode == 0 else done.stderr


@contextlib.contextmanager
def another_registry(lab: Lab, machine: Machine, home: Path) -> Iterator[str]:
    """Run a second registry, which still has the old pair; answers how /etc/hosts names it."""
    pair = home.parent.parent.parent / "old-pair"
    pair.mkdir()
    for name in ("server.crt", "server.key"):
        (pair / name).write_bytes((home / name.replace(".", "-old.")).read_bytes())
    machine.load_image(lab.registry_image)
    container = starts_registry(machine, REGISTRY_IMAGE, pair)
    try:
        yield f"{machine.address} registry"
    finally:
        machine.run(["docker", "rm", "--force", "--volumes", container])
        machine.run(f"docker rmi --force {REGISTRY_IMAGE}; rm -rf /srv/certs-5000")


def test_by_hand_with_secrets_and_a_host_that_is_off(
    lab: Lab, fleet: Fleet, operator: Operator
) -> None:
    """No registry_host, a passphrase, a sudo password, Podman, and a host left out on record."""
    [podman] = lab.boot([Spec("podman-rotated", "trixie", docker=False, podman=True)])
    asking, gone, plain = fleet.bookworm[0], fleet.bookworm[1], fleet.trixie[0]
    password = operator.directory / "become"
    password.touch(0o600)
    password.write_text(lab.password)
    become = ("--become-password-file", str(password))
    secret = ("--passphrase-file", str(operator.directory / "passphrase"))
    never = ("--restart", "never")
    said: list[str] = []

    def step(*words: str, expect: int = 0) -> str:
        ran = rotate(operator, *words, *become, expect=expect)
        said.extend((ran.stdout, ran.stderr))
        return ran.stderr

    hosts = (podman, asking, gone, plain)
    patience = {"timeout": {"connect": 2}}
    operator.write_inventory(hosts, {asking.name: {"user": PASSWORD_USER}, gone.name: patience})
    old_keys = [path.read_bytes() for path in operator.home.glob("registries/*/*.key")]
    leaf = served(fleet.registry)
    operator.fleet("distribute", *never, *become)
    try:
        gone.poweroff()
        refused = step("start", *never, expect=BAD_INPUT)
        assert "--passphrase-file" in refused
        stands(operator, "idle")
        step("start", *never, *secret, "--retries", "0", expect=FAILED)
        assert podman.read(PODMAN_TRUST).count(b"BEGIN CERTIFICATE") == 2
        report = stands(operator, "started")
        assert [one["name"] for one in report["hosts"] if one["lacks"]] == [gone.name]

        refused = step("switch", *secret, "--retries", "0", expect=FAILED)
        assert f"{gone.name} has proven nothing" in refused and "--waive" in refused
        assert stands(operator, "started")["offered"] is None
        waived = ("switch", "--waive", gone.name, "--retries", "0")
        assert "--passphrase-file" in step(*waived, expect=HOME_UNUSABLE)
        by_hand = step(*waived, *secret, expect=ATTENTION)
        assert "server-next.crt" in by_hand and "certkit rotate switch --served" in by_hand
        [state] = [one for one in stands(operator, "started")["hosts"] if one["waived"]]
        assert state["name"] == gone.name
        journal = operator.types("log", "-o", "json").stdout
        assert "does not wait for these" in journal and gone.name in journal

        assert "does not serve" in step("switch", "--served", expect=FAILED)
        assert served(fleet.registry) == leaf
        [directory] = operator.home.glob("registries/*")
        for name, mode in (("server.crt", 0o644), ("server.key", 0o600)):
            content = (directory / name.replace(".", "-next.")).read_bytes()
            fleet.registry.write(f"{PAIR}/{name}", content, mode)
        fleet.registry.run("docker restart registry")
        wait_for_registry(fleet.registry)
        step("switch", "--served")
        stands(operator, "switched")
        assert served(fleet.registry) != leaf
        assert [pulls(podman, "podman"), pulls(asking), pulls(plain)] == ["", "", ""]

        with another_registry(lab, fleet.trixie[1], directory) as address:
            names = asking.read("/etc/hosts").decode()
            asking.set_hosts(names.replace(f"{fleet.registry.address} registry", address))
            refused = step("finish", *never, "--retries", "0", expect=FAILED)
            asking.set_hosts(names)
        assert f"{asking.name} is served another certificate" in refused
        assert f"{asking.name} did not reach the new certificate" in refused
        assert f"{gone.name} has proven nothing" in refused
        stands(operator, "switched")
        finish = ("finish", "--waive", gone.name, "--destroy-old-key", *never, "--retries", "0")
        step(*finish, expect=FAILED)
        kept = [path.read_bytes() for path in operator.home.rglob("*") if path.is_file()]
        assert len(old_keys) == 2 and not set(old_keys) & set(kept)
        assert [pulls(podman, "podman"), pulls(asking), pulls(plain)] == ["", "", ""]
        report = stands(operator, "finished")
        assert [one["name"] for one in report["hosts"] if one["lacks"]] == [gone.name]
    finally:
        gone.poweron()
    # That is what leaving it out cost, and this is the cure.
    assert "x509" in pulls(gone)
    assert report["next"] == "certkit rotate finish"
    step("finish", *never)
    assert pulls(gone) == ""
    assert trusted(gone) == 1 and podman.read(PODMAN_TRUST) == gone.read(
        "/etc/docker/certs.d/registry.lab:5000/ca.crt"
    )
    said += [path.read_text() for path in operator.directory.rglob("*.jsonl")]
    assert not any(PASSPHRASE in text or lab.password in text for text in said)
    podman.poweroff()


def test_after_a_leak_there_is_no_overlap(fleet: Fleet, operator: Operator) -> None:
    write_inventory(operator, fleet)
    operator.types("registry", "deploy", *known(operator))
    secret = ("--passphrase-file", str(operator.directory / "passphrase"))
    never = ("--restart", "never")
    operator.fleet("distribute", *never)
    told = rotate(operator, "start", "--compromised", *never, *secret)
    assert "no overlap" in told.stderr and "certkit rotate switch" in told.stderr
    assert {trusted(one) for one in fleet.hosts} == {1}
    assert stands(operator, "started")["next"] == "certkit rotate switch"
    for one in fleet.hosts:
        assert "x509" in pulls(one)
    back = rotate(operator, "abort", *never, expect=BAD_INPUT)
    assert "compromised" in back.stderr
    rotate(operator, "switch", *secret)
    with Pulls(fleet.hosts) as going_on:
        rotate(operator, "finish", *never)
        going_on.succeed(2)
    assert going_on.failures() == {}
    assert stands(operator, "finished")["compromised"] is True
    operator.fleet("verify")


def converse(person: Operator, words: Sequence[str], answers: Sequence[tuple[str, str]]) -> str:
    """Run certkit on a terminal, and type each answer once its question stands there."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        person.command(*words),
        cwd=person.directory,
        env={**person.environment, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as certkit:
        os.close(theirs)
        seen, read = "", 0
        waiting = list(answers)
        try:
            while select.select([ours], [], [], 100)[0] and (chunk := os.read(ours, 4096)):
                seen += chunk.decode(errors="replace")
                while waiting and waiting[0][0] in seen[read:]:
                    question, answer = waiting.pop(0)
                    read = seen.index(question, read) + len(question)
                    os.write(ours, f"{answer}\n".encode())
        except OSError:
            pass  # How Linux says that the terminal's other side is closed.
        else:
            certkit.kill()  # It waits for an answer that nobody has.
        certkit.wait(timeout=60)
    os.close(ours)
    assert certkit.returncode == 0 and not waiting, seen
    return seen


def test_walking_through_it_on_a_terminal(fleet: Fleet, operator: Operator) -> None:
    write_inventory(operator, fleet)
    document = json.loads(operator.inventory.read_text())
    document["restart"] = "never"
    operator.inventory.write_text(json.dumps(document))
    (operator.directory / ".ssh").mkdir(mode=0o700, exist_ok=True)
    fleet.lab.known_hosts(operator.directory / ".ssh" / "known_hosts")
    before = served(fleet.registry)
    seen = converse(
        operator,
        ["rotate"],
        [
            ("put it on every host?", "yes"),
            ("New passphrase for the new authority's key", "another one"),
            ("The same again", "another one"),
            ("certificate into service?", "yes"),
            ("Passphrase of", "another one"),
            ("Take the old authority off the hosts?", "yes"),
        ],
    )
    assert "another one" not in seen
    stands(operator, "finished")
    assert served(fleet.registry) != before
    for one in fleet.hosts:
        assert pulls(one) == "" and trusted(one) == 1
    operator.fleet("verify")
