"""What is told to be run next works when copied, wherever home and inventory are."""

from __future__ import annotations

import json
import shlex
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from tests.unit.cli.running import Ran
from tests.unit.operations.conftest import NAME, Person

HOME, HOSTS = "my home", "the hosts.yaml"
SCHEMA = json.loads((files("certkit") / "schemas/fleet.schema.json").read_text("utf-8"))


@pytest.fixture
def where(person: Person, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Where a person has two registries, of which the inventory names one."""
    monkeypatch.delenv("CERTKIT_HOME")
    (person.directory / "hosts.yaml").rename(person.directory / HOSTS)
    for name in (person.reference, "other.lab"):
        person.types("init", name, "--no-passphrase", "--home", HOME)
    serve(person, "server")
    return ("--home", HOME, "-i", HOSTS)


def serve(person: Person, pair: str) -> None:
    [files] = (person.directory / HOME / "registries").glob(f"{NAME}_*")
    person.registry.serve(files / f"{pair}.crt", files / f"{pair}.key")


def findings(ran: Ran) -> list[dict[str, Any]]:
    jsonschema.Draft202012Validator(SCHEMA).validate(ran.json)
    [host] = ran.json["hosts"]
    [runtime] = host["runtimes"]
    found: list[dict[str, Any]] = runtime["standing"]["findings"]
    return [one for one in found if one["attention"]]


def test_a_cure_of_status(person: Person, where: tuple[str, ...]) -> None:
    ran = person.types("status", *where, "-o", "json", expect=4)
    [missing] = findings(ran)
    assert missing["cure"] == f"certkit distribute --home '{HOME}' -i '{HOSTS}'"
    shown = person.types("status", *where, expect=4).out
    assert f"\n  {missing['cure']}\n" in shown and f"next: {missing['cure']}\n" in shown
    [line, _] = person.types("status", *where, "-o", "jsonl", expect=4).out.splitlines()
    assert missing["cure"] in line
    assert missing["cure"] in person.types("status", *where, "-o", "junit", expect=4).out
    person.types(*shlex.split(missing["cure"])[1:])
    assert findings(person.types("status", *where, "-o", "json")) == []


def test_a_cure_of_the_doctor(person: Person, where: tuple[str, ...]) -> None:
    ran = person.types("doctor", *where, "--host", "build-01", "-o", "json", expect=4)
    [cure] = [one["cure"] for one in ran.json["findings"] if one["code"] == "missing"]
    assert cure == f"certkit distribute --home '{HOME}' -i '{HOSTS}' --limit build-01"
    assert cure in person.types("doctor", *where, "--host", "build-01", expect=4).out
    person.types(*shlex.split(cure)[1:])
    ran = person.types("doctor", *where, "--host", "build-01", "-o", "json", expect=4)
    assert "missing" not in [one["code"] for one in ran.json["findings"]]


def test_the_hint_of_a_host(person: Person, where: tuple[str, ...]) -> None:
    ran = person.types("verify", *where, "-o", "json", expect=1)
    [host] = ran.json["hosts"]
    assert f"certkit distribute --home '{HOME}' -i '{HOSTS}'" in host["error"]["hint"]


def test_what_is_next(person: Person, where: tuple[str, ...]) -> None:
    shown = person.types("distribute", person.reference, *where).out
    verify = f"certkit verify {person.reference} --home '{HOME}' -i '{HOSTS}'"
    assert f"next: {verify}\n" in shown
    person.types(*shlex.split(verify)[1:])


def test_what_is_served_and_not_yet_current(person: Person, where: tuple[str, ...]) -> None:
    person.types("renew", person.reference, "--home", HOME)
    serve(person, "server-next")
    verdict = person.types("registry", "status", *where, "-o", "json", expect=4).json["verdict"]
    # Of the two registries, renew does not ask the inventory which one is meant.
    renew = f"certkit renew --served {person.reference} --home '{HOME}' -i '{HOSTS}'"
    assert verdict.endswith(f": {renew}")
    assert verdict in person.types("registry", "status", *where, expect=4).out
    person.types(*shlex.split(renew)[1:])
    person.types("registry", "status", *where)
