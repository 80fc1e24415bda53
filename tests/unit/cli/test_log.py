"""`certkit log` from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from certkit.home.journal import Journal
from tests.unit.cli.running import Command


@pytest.fixture
def certkit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    monkeypatch.setenv("CERTKIT_HOME", str(tmp_path / "H"))
    monkeypatch.delenv("CERTKIT_CA_PASSPHRASE", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("certkit.cli.words.on_terminal", lambda: False)
    command = Command(monkeypatch, capsys)
    assert command("init", "registry.lab:5000", "--no-passphrase").code == 0
    journal = Journal(tmp_path / "H" / "journal.jsonl")
    journal.append("distribute", registry="registry.lab:5000", hosts={"failed": "evil\x1b[2J"})
    return command


def test_words_and_json(certkit: Command) -> None:
    ran = certkit("log")
    assert ran.code == 0 and "authority and server certificate issued" in ran.out
    assert "distribute  registry.lab:5000" in ran.out
    assert "\x1b" not in ran.out
    ran = certkit("log", "registry.lab:5000", "--limit", "1", "-o", "json")
    assert ran.json["schema"] == "certkit.log/1"
    assert [entry["command"] for entry in ran.json["entries"]] == ["distribute"]
    assert certkit("log", "other.lab:5000").out.strip() == "The journal has no such entry."
    assert certkit("log", "--since", "1h").out.count("registry.lab:5000") >= 2


def test_wrong_usage(certkit: Command, tmp_path: Path) -> None:
    assert certkit("log", "--since", "yesterday").code == 2
    assert certkit("log", "--limit", "0").code == 2
    assert certkit("log", "--home", tmp_path / "nowhere").code == 3
