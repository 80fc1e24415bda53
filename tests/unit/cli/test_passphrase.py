"""`certkit passphrase` from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.running import Command


@pytest.fixture
def certkit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    for name in ("CERTKIT_CA_PASSPHRASE", "CERTKIT_CA_NEW_PASSPHRASE", "CERTKIT_INVENTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CERTKIT_HOME", str(tmp_path / "H"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("certkit.cli.words.on_terminal", lambda: False)
    for text in ("one", "two"):
        (tmp_path / text).write_text(f"{text}\n")
        (tmp_path / text).chmod(0o600)
    command = Command(monkeypatch, capsys)
    assert command("init", "registry.lab:5000", "--no-passphrase").code == 0
    return command


def test_set_change_remove(certkit: Command) -> None:
    ran = certkit("passphrase", "registry.lab:5000", "--passphrase-file", "one")
    assert ran.code == 0 and "now encrypted" in ran.out
    ran = certkit("passphrase", "--passphrase-file", "one", "--new-passphrase-file", "two")
    assert ran.code == 0 and "now encrypted" in ran.out
    ran = certkit("passphrase", "--passphrase-file", "one", "--no-passphrase")
    assert ran.code == 3 and "does not open" in ran.err
    ran = certkit("passphrase", "--passphrase-file", "two", "--no-passphrase", "-o", "json")
    assert ran.code == 0 and ran.json["encrypted"] is False and "warning" in ran.err
    ran = certkit("passphrase", "--no-passphrase")
    assert ran.code == 0 and "nothing to do" in ran.out


def test_from_the_environment(certkit: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CERTKIT_CA_PASSPHRASE", "one")
    assert certkit("passphrase").code == 0
    monkeypatch.setenv("CERTKIT_CA_NEW_PASSPHRASE", "two")
    assert certkit("passphrase").code == 0
    monkeypatch.setenv("CERTKIT_CA_PASSPHRASE", "two")
    assert certkit("passphrase", "--no-passphrase").code == 0


def test_wrong_usage(certkit: Command) -> None:
    assert certkit("passphrase").code == 2
    assert certkit("passphrase", "other.lab:5000", "--passphrase-file", "one").code == 2
    assert certkit("passphrase", "--new-passphrase-file", "one", "--no-passphrase").code == 2
