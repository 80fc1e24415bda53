"""The steps of a rotation as somebody types them: documents, exit statuses, and the walk."""

from __future__ import annotations

import json
import shutil
import socket
from importlib.resources import files
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from tests.unit.cli.running import Ran
from tests.unit.operations.conftest import NAME, Person

# This machine's own, with the name looked up as the host's /etc/hosts has it.
OPENSSL = f"""\
#!/bin/sh
for word; do
  shift
  case $word in {NAME}:*) word=127.0.0.1:${{word#*:}} ;; esac
  set -- "$@" "$word"
done
exec {shutil.which("openssl")} "$@"
"""
SCHEMAS = files("certkit") / "schemas"


def schema(name: str) -> Any:
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))


def step(person: Person, *words: str, expect: int = 0) -> Ran:
    """Type a step, and hold what it prints to the schemas."""
    ran = person.types("rotate", *words, "-o", "json", expect=expect)
    jsonschema.Draft202012Validator(schema("rotation")).validate(ran.json)
    for one in ran.json["runs"]:
        jsonschema.Draft202012Validator(schema("fleet")).validate(one)
    assert ran.json["command"] == f"rotate {words[0]}"
    return ran


def commands(ran: Ran) -> list[str]:
    return [one["command"] for one in ran.json["runs"]]


def lacks(ran: Ran) -> str | None:
    [host] = ran.json["hosts"]
    return host["lacks"]


def test_every_step_prints_one_document_however_it_ends(person: Person) -> None:
    jsonschema.Draft202012Validator.check_schema(schema("rotation"))
    person.types("init", person.reference, "--no-passphrase")
    person.serve()
    person.types("distribute")
    old = person.trust.read_bytes()
    assert step(person, "status").json["phase"] == "idle"

    in_the_way = person.trust.parent / "client.cert"
    in_the_way.write_text("")
    unproven = step(person, "start", expect=4)
    assert commands(unproven) == ["distribute"] and lacks(unproven)
    assert f"build-01: {lacks(unproven)}" in unproven.err
    assert "certkit rotate start" in unproven.err
    in_the_way.unlink()
    started = step(person, "start")
    assert (started.json["phase"], lacks(started)) == ("started", None)
    assert started.json["next"] == "certkit rotate switch"
    assert step(person, "status", expect=4).json["runs"] == []

    both = person.trust.read_bytes()
    person.trust.write_bytes(old)
    refused = step(person, "switch", expect=1)
    assert lacks(refused) == "does not trust the new authority"
    assert "build-01" in refused.json["error"]["message"]
    assert refused.json["error"]["message"] in refused.err
    person.trust.write_bytes(both)

    by_hand = step(person, "switch", expect=4)
    assert "certkit rotate switch --served" in by_hand.err
    assert step(person, "switch", "--served", expect=1).json["error"]
    person.serve("server-next")
    assert step(person, "switch", "--served").json["phase"] == "switched"
    assert commands(step(person, "switch")) == []

    finished = step(person, "finish")
    assert (finished.json["phase"], lacks(finished)) == ("finished", None)
    assert commands(finished) == ["distribute"]
    assert person.trust.read_bytes().count(b"BEGIN") == 1
    assert step(person, "status").json["next"] == "certkit status"

    lines = person.types("rotate", "finish", "-o", "jsonl").out.splitlines()
    host, last = map(json.loads, lines)
    assert host["name"] == "build-01" and last["summary"]["phase"] == "finished"
    suites = ElementTree.fromstring(person.types("rotate", "finish", "-o", "junit").out)
    names = [one.get("name") for one in suites.iter("testsuite")]
    assert names == ["certkit distribute", "certkit rotate finish"]
    assert suites.get("failures") == "0"


def test_a_host_that_is_off_fails_the_step(person: Person) -> None:
    person.types("init", person.reference, "--no-passphrase")
    person.host.close()
    ran = step(person, "start", "--retries", "0", expect=1)
    assert "Not done on build-01" in ran.err and "certkit rotate start" in ran.err
    assert lacks(ran) == "has proven nothing" and commands(ran) == ["distribute"]
    suites = ElementTree.fromstring(
        person.types("rotate", "start", "--retries", "0", "-o", "junit", expect=1).out
    )
    [failure] = suites.iter("failure")
    assert failure.get("message") == "has proven nothing"


def test_a_failed_restart_leaves_nobody_unread(person: Person) -> None:
    """The failure budget ends the restarts; what the hosts trust is looked at all the same."""
    person.types("init", person.reference, "--no-passphrase")
    person.serve()
    inventory = json.loads((person.directory / "hosts.yaml").read_text())
    [entry] = inventory["hosts"].values()
    entry |= {"restart": "always", "restart_command": "false"}
    (person.directory / "hosts.yaml").write_text(json.dumps(inventory))
    ran = step(person, "start", "--yes", expect=1)
    [host] = ran.json["hosts"]
    assert host["proven_at"] and host["lacks"] != "has proven nothing"
    assert "was not tried" not in ran.err


def has_registry_host(person: Person) -> None:
    """Let the inventory say that certkit places the pair's files, and nothing else, on the host."""
    inventory = json.loads((person.directory / "hosts.yaml").read_text())
    pair = {name: str(person.directory / f"pair/{name}") for name in ("certificate", "key")}
    inventory["registry_host"] = {"host": person.host.name, "run": "files", **pair}
    (person.directory / "hosts.yaml").write_text(json.dumps(inventory))


def test_a_registry_that_somebody_else_reloads(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certkit.registry.sight._WAIT", 0.1)
    (person.directory / "pair").mkdir()
    has_registry_host(person)
    person.types("init", person.reference, "--no-passphrase")
    person.serve()
    step(person, "start")
    waits = step(person, "switch", expect=4)
    assert "reload it" in waits.err and "certkit rotate switch --served" in waits.err
    assert waits.json["phase"] == "started"
    person.serve("server-next")
    assert step(person, "switch").json["phase"] == "switched"
    waits = step(person, "abort", expect=4)
    assert "reload it" in waits.err and "certkit rotate abort --served" in waits.err
    person.serve("server")
    assert step(person, "abort", "--served").json["phase"] == "aborted"


def add_dead_host(person: Person) -> None:
    """Name a host that nobody can reach."""
    inventory = json.loads((person.directory / "hosts.yaml").read_text())
    inventory["hosts"]["gone"] = {**inventory["hosts"][person.host.name], "port": 1}
    (person.directory / "hosts.yaml").write_text(json.dumps(inventory))


def test_a_host_that_leaves_the_inventory_is_not_forgotten(person: Person) -> None:
    inventory = (person.directory / "hosts.yaml").read_text()
    add_dead_host(person)
    person.types("init", person.reference, "--no-passphrase")
    person.serve()
    step(person, "start", "--retries", "0", expect=1)
    without = json.loads(inventory)
    without["hosts"]["bastion"] = {"address": "127.0.0.9", "skip": True}
    (person.directory / "hosts.yaml").write_text(json.dumps(without))
    refused = step(person, "switch", expect=1)
    assert "gone has left the inventory" in refused.err and "--waive HOST" in refused.err
    assert "skip: bastion" in refused.err
    assert {one["name"]: one["lacks"] is None for one in refused.json["hosts"]} == {
        "build-01": True,
        "gone": False,
    }
    by_hand = step(person, "switch", "--waive", "gone", expect=4)
    assert "certkit rotate switch --served" in by_hand.err
    [waived] = [one["name"] for one in by_hand.json["hosts"] if one["waived"]]
    assert waived == "gone"


def test_where_it_stands_without_an_inventory_and_what_is_next_with_another(person: Person) -> None:
    person.types("init", person.reference, "--no-passphrase")
    person.serve()
    step(person, "start")
    (person.directory / "hosts.yaml").rename(person.directory / "other.yaml")
    lost = step(person, "status", expect=4).json
    assert [(one["name"], one["lacks"]) for one in lost["hosts"]] == [("build-01", None)]
    assert lost["next"] == "certkit rotate switch"
    options = ("--home", str(person.directory / "home/../home"), "-i", "other.yaml")
    shown = person.types("rotate", "status", person.reference, *options, expect=4).out
    assert f"certkit rotate switch {person.reference} {' '.join(options)}" in shown
    by_hand = step(person, "switch", *options, expect=4).err
    assert f"certkit rotate switch --served {' '.join(options)}" in by_hand
    told = step(person, "status", *options, expect=4).json["next"]
    assert told == f"certkit rotate switch {' '.join(options)}"


def test_back_to_a_compromised_authority_without_a_dead_host(person: Person) -> None:
    add_dead_host(person)
    person.types("init", person.reference, "--no-passphrase")
    person.serve()
    fast = ("--retries", "0")
    step(person, "start", *fast, "--compromised", expect=1)
    step(person, "switch", *fast, expect=4)
    person.serve("server-next")
    step(person, "switch", *fast, "--served")
    back = ("abort", *fast, "--back-to-compromised")
    assert "no host web" in person.types("rotate", *back, "--waive", "web", expect=2).err
    assert step(person, "status", expect=4).json["phase"] == "switched"
    held = step(person, *back, expect=1)
    assert held.json["phase"] == "aborting" and "--waive" in held.err
    by_hand = step(person, *back, "--waive", "gone", expect=4)
    assert [one["name"] for one in by_hand.json["hosts"] if one["waived"]] == ["gone"]
    assert "gone" in person.types("log").out
    assert person.trust.read_bytes().count(b"BEGIN") == 2
    person.serve("server")
    assert step(person, *back, "--served", expect=1).json["phase"] == "aborted"
    assert person.trust.read_bytes().count(b"BEGIN") == 1


def test_a_name_that_only_the_hosts_know(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = socket.getaddrinfo

    def unknown(name: Any, *rest: Any, **more: Any) -> Any:
        if name == NAME:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ask(name, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    (person.host.directory / "bin/openssl").write_text(OPENSSL)
    person.types("init", person.reference, "--no-passphrase")
    person.serve()
    person.types("renew")
    person.serve("server-next")
    assert "--from HOST" in person.types("renew", "--served", expect=1).err
    person.types("renew", "--served", "--from", "build-01")
    step(person, "start")
    step(person, "switch", expect=4)
    person.serve("server-next")
    refused = step(person, "switch", "--served", expect=1)
    assert "--from HOST" in refused.err
    assert step(person, "switch", "--served", "--from", "build-01").json["phase"] == "switched"
    step(person, "abort", expect=4)
    person.serve("server")
    has_registry_host(person)
    assert step(person, "abort", "--served").json["phase"] == "aborted"


def test_the_walk_from_nothing_to_the_end(person: Person) -> None:
    """With options on `rotate` itself, keys that are encrypted, and a registry run by hand."""
    given = ["--home", str(person.directory / "home"), "-i", str(person.directory / "hosts.yaml")]
    (person.directory / "secret").touch(0o600)
    (person.directory / "secret").write_text("the first one\n")
    person.types("init", person.reference, "--passphrase-file", "secret")
    person.serve()
    person.types("distribute")

    no = person.converses(["rotate", *given], [("put it on every host? (yes or no)", "no")])
    assert no.code == 4 and not (person.files / "rollover.json").exists()

    def put_into_service() -> str:
        person.serve("server-next")
        return "yes"

    begun = person.converses(
        ["rotate", *given],
        [
            ("put it on every host? (yes or no)", "yes"),
            ("New passphrase for the new authority's key", "the second one"),
            ("The same again", "the second one"),
            ("into service? (yes or no)", "no"),
        ],
    )
    assert begun.code == 4 and person.trust.read_bytes().count(b"BEGIN") == 2
    ended = person.converses(
        ["rotate", *given],
        [
            ("into service? (yes or no)", "yes"),
            ("Passphrase of", "the second one"),
            ("Is it in service now? (yes or no)", put_into_service),
            ("old authority off the hosts? (yes or no)", "yes"),
        ],
    )
    assert ended.code == 0, ended.out
    assert "the second one" not in begun.out + ended.out
    assert person.types("rotate", "status").out.count("finished") == 1
    assert person.trust.read_bytes().count(b"BEGIN") == 1


def test_the_walk_needs_somebody_to_ask_and_options_behind_a_step(person: Person) -> None:
    person.types("init", person.reference, "--no-passphrase")
    assert "nobody to ask" in person.types("rotate", expect=2).err
    misplaced = person.types("rotate", "-i", "hosts.yaml", "start", expect=2)
    assert "certkit rotate start --option" in misplaced.err
    assert "nobody to ask" in person.types("rotate", person.reference, expect=2).err
    assert "No such command 'swich'" in person.types("rotate", "swich", expect=2).err
    assert "certkit rotate" in person.types("rotate", "--help").out
