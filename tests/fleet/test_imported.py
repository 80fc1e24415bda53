"""A company's certificates on real machines: asked for, served, trusted where they are not yet."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.conftest import Fleet
from tests.fleet.lab import EXAMPLE_IMAGE, REGISTRY_IMAGE, Machine
from tests.fleet.operator import ATTENTION, FAILED, Operator, Run, daemon_pid

REGISTRY = "registry.lab:5000"
IMAGE = f"{REGISTRY}/team/identidock:0.1"
TRUST = f"/etc/docker/certs.d/{REGISTRY}/ca.crt"
STORE = "/usr/local/share/ca-certificates/company.crt"

EXTENSIONS = """
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
"""


class Company:
    """A root and an issuing authority, made and run with OpenSSL alone."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir()
        (directory / "ext").write_text(EXTENSIONS)
        key = "-nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256"
        for name in ("root", "issuing"):
            self._types(f"req {key} -keyout {name}.key -out {name}.csr -subj /CN=Company-{name}")
        self._types("x509 -req -in root.csr -signkey root.key -days 900 -extfile ext -out root.crt")
        self._signs("issuing.csr", "root", "issuing.crt", "-extfile ext")
        self.root = directory / "root.crt"
        self.issuing = directory / "issuing.crt"
        self.chain = directory / "chain.crt"
        self.chain.write_bytes(self.issuing.read_bytes() + self.root.read_bytes())

    def signs(self, request: Path, name: str) -> Path:
        """Answer a request."""
        self._signs(str(request), "issuing", name, "-copy_extensions copy")
        return self._directory / name

    def _signs(self, request: str, by: str, out: str, more: str) -> None:
        self._types(
            f"x509 -req -in {request} -CA {by}.crt -CAkey {by}.key -CAcreateserial -days 300 "
            f"{more} -out {out}"
        )

    def _types(self, command: str) -> None:
        words = ["openssl", *command.split()]
        subprocess.run(words, cwd=self._directory, check=True, capture_output=True)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return Company(tmp_path_factory.mktemp("company") / "ca")


@pytest.fixture(scope="module")
def operator(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """A team with hosts, a machine for the registry, and nothing from certkit yet."""
    person = Operator(fleet.lab, tmp_path_factory.mktemp("operator"), REGISTRY)
    person.write_inventory(hosts(fleet))
    document = json.loads(person.inventory.read_text())
    machine = {"address": fleet.registry.address, "user": person.user}
    way = {"run": "container", "image": REGISTRY_IMAGE, "timeout": 30}
    document["registry_host"] = {"host": machine, **way}
    person.inventory.write_text(json.dumps(document, indent=1))
    yield person
    in_the_system(fleet).run(f"rm -f {STORE}; update-ca-certificates; systemctl restart docker")


def hosts(fleet: Fleet) -> tuple[Machine, Machine]:
    """One that knows nothing of the company, and one whose system comes to trust it."""
    return fleet.bookworm[0], fleet.trixie[0]


def in_the_system(fleet: Fleet) -> Machine:
    return hosts(fleet)[1]


def registry(person: Operator, *words: str, expect: int = 0) -> Run:
    known = str(person.lab.known_hosts())
    options = ("--known-hosts", known, "-o", "json")
    return person.types("registry", *words, *options, expect=expect, timeout=200)


def served(machine: Machine) -> str:
    """The serial number of what the registry serves."""
    return machine.run(
        "openssl s_client -connect 127.0.0.1:5000 -servername registry.lab </dev/null 2>/dev/null "
        "| openssl x509 -noout -serial"
    ).stdout.strip()


def document(run: Run) -> dict[str, Any]:
    return dict(json.loads(run.stdout))


def notes(run: Run, host: Machine) -> str:
    return " ".join(note for one in run.hosts[host.name]["runtimes"] for note in one["notes"])


def test_asked_for_answered_and_served_without_a_root(
    fleet: Fleet, operator: Operator, company: Company
) -> None:
    asked = document(operator.types("init", REGISTRY, "--csr", "-o", "json"))
    run = operator.fleet("distribute", expect=3)
    assert "waits for its answer" in run.stderr and "certkit import-signed" in run.stderr
    signed = company.signs(Path(asked["request"]), "signed.crt")
    run = operator.types("import-signed", str(signed), "--chain", str(company.issuing))
    assert "root above" in run.stdout
    [host] = registry(operator, "deploy").report["hosts"]
    assert host["outcome"] == "changed" and host["error"] is None
    status = document(registry(operator, "status"))
    assert (status["says"], status["trusted"]) == ("current", True)


def test_without_a_root_a_host_that_does_not_trust_it_is_told_apart(
    fleet: Fleet, operator: Operator, company: Company
) -> None:
    stranger, friend = hosts(fleet)
    friend.write(STORE, company.root.read_bytes(), 0o644)
    friend.run("update-ca-certificates && systemctl restart docker")
    before = daemon_pid(friend)
    run = operator.fleet("distribute", expect=FAILED)
    assert run.outcomes == {stranger.name: "failed", friend.name: "unchanged"}
    error = run.hosts[stranger.name]["error"]
    assert error["kind"] == "trust" and "--import-chain" in error["hint"]
    assert "trusts the registry's authority already" in notes(run, friend)
    assert daemon_pid(friend) == before
    for host in (stranger, friend):
        assert not host.exists("/etc/docker/certs.d")


def test_with_its_root_only_who_needs_it_gets_it(
    fleet: Fleet, operator: Operator, company: Company
) -> None:
    stranger, friend = hosts(fleet)
    [leaf] = operator.home.glob("registries/*/server.crt")
    run = operator.types("import-signed", str(leaf), "--import-chain", str(company.root))
    assert "knows the whole chain" in run.stdout
    check = operator.fleet("distribute", "--check", expect=ATTENTION)
    assert check.outcomes == {stranger.name: "would_change", friend.name: "unchanged"}
    run = operator.fleet("distribute")
    assert run.outcomes == {stranger.name: "changed", friend.name: "unchanged"}
    assert stranger.read(TRUST) == company.root.read_bytes()
    assert not friend.exists("/etc/docker/certs.d")
    stranger.run(["docker", "tag", EXAMPLE_IMAGE, IMAGE])
    stranger.run(["docker", "push", IMAGE])
    pulls(fleet)
    again = operator.fleet("distribute")
    assert set(again.outcomes.values()) == {"unchanged"}


def pulls(fleet: Fleet) -> None:
    for host in hosts(fleet):
        host.run(["docker", "rmi", "--force", IMAGE], check=False)
        host.run(["docker", "pull", IMAGE])


def test_verify_and_status_miss_nothing(fleet: Fleet, operator: Operator) -> None:
    run = operator.fleet("verify", "--image", "team/identidock:0.1")
    for host in run.hosts.values():
        [proof] = [proof for runtime in host["runtimes"] for proof in runtime["proofs"]]
        assert (proof["handshake"], proof["daemon"], proof["proven"]) == ("ok", "ok", True)
    run = operator.fleet("status")
    assert set(run.outcomes.values()) == {"unchanged"}
    friend = in_the_system(fleet)
    [runtime] = run.hosts[friend.name]["runtimes"]
    assert [one["kind"] for one in runtime["standing"]["findings"]] == ["system"]


def test_years_later_a_second_answer_goes_into_service(
    fleet: Fleet, operator: Operator, company: Company
) -> None:
    old = served(fleet.registry)
    operator.types("renew", "--if-due", "30d")
    due = document(operator.types("renew", "--if-due", "400d", "-o", "json", expect=ATTENTION))
    assert due["status"] == "due"
    asked = document(operator.types("renew", "--csr", "-o", "json"))
    signed = company.signs(Path(asked["request"]), "again.crt")
    taken = document(operator.types("import-signed", str(signed), "-o", "json"))
    assert (taken["status"], taken["new_root"]) == ("prepared", False)
    assert served(fleet.registry) == old
    [host] = registry(operator, "deploy", "--next").report["hosts"]
    assert (host["outcome"], host["error"]) == ("changed", None)
    assert served(fleet.registry) != old
    assert document(registry(operator, "status"))["says"] == "current"
    pulls(fleet)
    assert set(operator.fleet("distribute").outcomes.values()) == {"unchanged"}


def test_taken_off_again(fleet: Fleet, operator: Operator) -> None:
    stranger, friend = hosts(fleet)
    run = operator.fleet("remove", "--yes")
    assert run.outcomes == {stranger.name: "changed", friend.name: "unchanged"}
    assert not stranger.exists(TRUST)
