from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from tests.unit.cli.running import Command

HOSTS = """\
registry: reg.lab:5000
defaults: {user: deploy, password: hunter2, jump: bastion}
groups:
  web: {port: 2222, become: {password: hunter3}}
hosts:
  web[1:2]: {groups: web, vars: {api_token: hunter4}}
  bastion: {skip: true}
  "2001:db8::1": {connection: ssh, jump: none}
"""


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CERTKIT_INVENTORY", raising=False)
    (tmp_path / "hosts.yaml").write_text(HOSTS)
    (tmp_path / "hosts.yaml").chmod(0o600)
    return Command(monkeypatch, capsys)


def test_the_list(command: Command) -> None:
    ran = command("inventory")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].split() == [
        "HOST", "ADDRESS", "USER", "JUMP", "BECOME", "RUNTIMES", "GROUPS"
    ]  # fmt: skip
    assert lines[1].split() == ["web1", "web1:2222", "deploy", "bastion", "sudo", "auto", "web"]
    assert lines[3].split()[-1] == "skipped"
    assert "[2001:db8::1]:22" in lines[4]
    assert lines[-1] == "3 hosts from hosts.yaml (native), registry reg.lab:5000"
    assert "plain text" in ran.err


def test_limit_and_exclude(command: Command) -> None:
    assert "web2" not in command("inventory", "--limit", "web", "--exclude", "web2").out
    ran = command("inventory", "--limit", "wbe")
    assert ran.code == 2
    assert "did you mean 'web'" in ran.err
    assert ran.out == ""


def test_json(command: Command) -> None:
    ran = command("inventory", "-o", "json", "--user", "me", "--port", "7")
    document = ran.json
    assert document["schema"] == "certkit.inventory/1"
    assert (document["format"], document["registry"]) == ("native", "reg.lab:5000")
    nothing = {"restart": None, "wave": None, "max_fail": None, "parallel": None}
    assert document["settings"] == nothing
    web = document["hosts"][0]
    assert (web["name"], web["user"], web["port"]) == ("web1", "me", 7)
    assert web["jump"][0]["user"] == "deploy"
    assert web["become"]["method"] == "sudo"
    assert web["origins"]["user"] == "--user"
    assert web["vars"] == ["api_token"]


@pytest.mark.parametrize(
    "arguments",
    [(), ("-o", "json"), ("--host", "web1", "--explain"), ("--host", "web1", "-o", "json")],
)
def test_no_secret_is_ever_shown(command: Command, arguments: tuple[str, ...]) -> None:
    ran = command("inventory", *arguments)
    assert ran.code == 0
    assert "hunter" not in ran.out + ran.err


def test_explain(command: Command) -> None:
    ran = command("inventory", "--host", "web1", "--explain")
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in ran.out.splitlines()}
    assert rows["port"] == "2222 hosts.yaml:4 group web"
    assert rows["user"] == "deploy hosts.yaml:2 defaults"
    assert rows["password"] == "*** hosts.yaml:2 defaults"
    assert rows["service"] == "- built in"
    assert rows["jump"] == "deploy@bastion:22 hosts.yaml:2 defaults"
    assert rows["vars"] == "api_token not used"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--explain",), "--host NAME"),
        (("--host", "wbe1"), "did you mean 'web1'"),
        (("--host", "web1", "--limit", "web"), "exclude each other"),
        (("-i", "nowhere.yaml"), "hosts: [web01, web02]"),
    ],
)
def test_wrong_usage(command: Command, arguments: tuple[str, ...], why: str) -> None:
    ran = command("inventory", *arguments)
    assert ran.code == 2
    assert why in ran.err
    assert ran.out == ""


def test_the_inventory_of_the_environment(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").write_text("only.lab\n")
    monkeypatch.setenv("CERTKIT_INVENTORY", str(tmp_path / "other"))
    assert "only.lab" in command("inventory").out


def test_standard_input(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    data = json.dumps({"_meta": {"hostvars": {}}, "g": {"hosts": ["a", "b"]}}).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    ran = command("inventory", "-i", "-", "-o", "json")
    assert [host["name"] for host in ran.json["hosts"]] == ["a", "b"]


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        (("--limit", "@nosuch"), "after @ stands a file"),
        (("--limit", "~["), "after ~ stands a regular expression"),
        (("--limit", "web[01:99]"), "certkit inventory"),
        (("--limit", "web01,!web01"), "nothing is left"),
        (("--user", "a b"), "letters, digits"),
    ],
)
def test_each_refusal_says_what_to_write(
    flags: tuple[str, str], hint: str, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "hosts.yaml").write_text("hosts: [web01, web02]\n")
    ran = command("inventory", "-i", tmp_path / "hosts.yaml", *flags)
    assert ran.code == 2 and hint in ran.err.partition("hint: ")[2], ran.err


def test_the_names_of_the_schemas_are_told(command: Command) -> None:
    ran = command("schema")
    assert ran.code == 2 and "fleet, inventory, registry-status, rotation" in ran.err


def test_the_schema_is_served(command: Command) -> None:
    ran = command("schema", "inventory")
    assert ran.code == 0
    jsonschema.Draft202012Validator.check_schema(ran.json)
    ran = command("schema", "inventroy")
    assert ran.code == 2
    assert "did you mean 'inventory'" in ran.err


def test_an_unknown_runtime_is_refused_with_its_line(command: Command, tmp_path: Path) -> None:
    (tmp_path / "hosts.yaml").write_text(
        "registry: reg.lab\nhosts:\n  a:\n    runtime: docker\n  b:\n    runtime: podmann\n"
    )
    ran = command("inventory")
    assert (ran.code, ran.out) == (2, "")
    assert "hosts.yaml:6 host b: runtime 'podmann' is not known" in ran.err
    assert "did you mean podman?" in ran.err
    assert command("inventory", "--limit", "a").code == 0


def test_an_identity_file_that_is_not_there_is_told_once(command: Command, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("")
    (tmp_path / "hosts.yaml").write_text(
        "registry: reg.lab\ndefaults: {identity_file: nowhere}\n"
        "hosts:\n  web[1:3]: {}\n  own: {identity_file: there}\n"
    )
    ran = command("inventory")
    assert ran.code == 0
    assert ran.err.count("identity file") == 1
    assert "hosts.yaml:2" in ran.err and "nowhere is not there (web[1-3])" in ran.err
    [warning] = command("inventory", "-o", "json").json["warnings"]
    assert "nowhere" in warning
