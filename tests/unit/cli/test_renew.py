"""`certkit renew` from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from certkit.home.renewal.waiting import NEXT
from tests.unit.cli.running import Command
from tests.unit.cli.serving import serve


@pytest.fixture
def certkit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    for name in ("CERTKIT_CA_PASSPHRASE", "CERTKIT_INVENTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CERTKIT_HOME", str(tmp_path / "H"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("certkit.cli.words.on_terminal", lambda: False)
    command = Command(monkeypatch, capsys)
    assert command("init", "registry.lab:5000", "--no-passphrase").code == 0
    return command


def test_made_and_then_served(
    certkit: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    directory = tmp_path / "H" / "registries" / "registry.lab_5000"
    ran = certkit("renew")
    assert ran.code == 0 and "still in service" in ran.out and not ran.err
    assert "certkit renew registry.lab:5000 --served" in ran.out
    assert "certkit registry deploy registry.lab:5000 -i hosts.yaml --next" in ran.out
    assert "ls -l" not in ran.out
    assert "PRIVATE KEY" not in ran.out
    ran = certkit("renew", "-o", "json")
    assert ran.code == 0 and ran.json["status"] == "unchanged"
    assert ran.json["schema"] == "certkit.renew/1"
    serve(monkeypatch, directory / "server.crt")
    ran = certkit("renew", "--served")
    assert ran.code == 1 and "the old one" in ran.err and "restart the registry" in ran.err
    new = (directory / NEXT).read_bytes()
    serve(monkeypatch, directory / NEXT)
    ran = certkit("renew", "registry.lab:5000", "--served", "-ojson")
    assert ran.code == 0 and ran.json["status"] == "promoted"
    assert (directory / "server.crt").read_bytes() == new
    assert certkit("renew", "--served").code == 2


def test_quiet_while_nothing_is_due(certkit: Command) -> None:
    ran = certkit("renew", "--if-due", "30d")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    ran = certkit("renew", "--if-due", "400d")
    assert ran.code == 0 and "Made a new certificate" in ran.out
    assert certkit("renew", "--if-due", "soon").code == 2


def test_whoever_asks_for_json_gets_one_document(certkit: Command) -> None:
    for words, status in (
        (("--if-due", "30d"), "not_due"),
        (("--if-due", "30d", "--deploy"), "not_due"),
        (("--discard",), "nothing"),
        ((), "prepared"),
        (("--discard",), "discarded"),
    ):
        ran = certkit("renew", *words, "-o", "json")
        assert (ran.code, ran.json["status"]) == (0, status)
        assert ran.json["schema"] == "certkit.renew/1"
        assert ran.json["registry"] == "registry.lab:5000"


def test_a_passphrase_is_needed_and_nobody_can_be_asked(certkit: Command, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("one\n")
    (tmp_path / "one").chmod(0o600)
    assert certkit("passphrase", "--passphrase-file", "one").code == 0
    ran = certkit("renew", "--if-due", "30d")
    assert ran.code == 0
    ran = certkit("renew")
    assert ran.code == 3 and "--passphrase-file" in ran.err and "CERTKIT_CA_PASSPHRASE" in ran.err
    assert certkit("renew", "--passphrase-file", "one").code == 0


def test_a_new_alias_is_told(
    certkit: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    directory = tmp_path / "H" / "registries" / "registry.lab_5000"
    assert certkit("renew", "--alias", "registry.lab").code == 0
    serve(monkeypatch, directory / NEXT)
    ran = certkit("renew", "--served")
    assert ran.code == 0 and "certkit distribute registry.lab:5000" in ran.out


def test_discarded(certkit: Command) -> None:
    assert certkit("renew").code == 0
    assert "Thrown away" in certkit("renew", "--discard").out
    assert "No new certificate" in certkit("renew", "--discard").out


@pytest.mark.parametrize(
    "flags",
    [
        ["--served", "--discard"],
        ["--served", "--san", "b.lab"],
        ["--discard", "--if-due", "30d"],
        ["--san", "example.com"],
        ["--days", "900"],
        ["--reuse-key", "--key-type", "p384"],
    ],
)
def test_wrong_usage(certkit: Command, flags: list[str]) -> None:
    assert certkit("renew", *flags).code == 2
