"""`certkit backup` and `certkit restore` from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from certkit.home.backup import age
from tests.unit.cli.running import Command


@pytest.fixture
def certkit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    for name in ("CERTKIT_CA_PASSPHRASE", "CERTKIT_BACKUP_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(age, "WORK_FACTOR", 4)
    monkeypatch.setenv("CERTKIT_HOME", str(tmp_path / "H"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("certkit.cli.words.on_terminal", lambda: False)
    (tmp_path / "pass").write_text("one\n")
    (tmp_path / "pass").chmod(0o600)
    command = Command(monkeypatch, capsys)
    assert command("init", "registry.lab:5000", "--no-passphrase").code == 0
    return command


def test_there_and_back(certkit: Command, tmp_path: Path) -> None:
    ran = certkit("backup", "b.age", "--passphrase-file", "pass")
    assert ran.code == 0 and "and read it back" in ran.out and not ran.err
    ran = certkit("restore", "b.age", "--passphrase-file", "pass", "--home", tmp_path / "new")
    assert ran.code == 0 and "registry.lab:5000" in ran.out
    assert certkit("inspect", "--home", tmp_path / "new").code == 0
    assert certkit("init", "registry.lab:5000", "--home", tmp_path / "new").code == 0


def test_json_and_environment(
    certkit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTKIT_BACKUP_PASSPHRASE", "two")
    ran = certkit("backup", "b.age", "-o", "json")
    assert ran.json["schema"] == "certkit.backup/1" and len(ran.json["sha256"]) == 64
    ran = certkit("restore", "b.age", "-o", "json", "--home", tmp_path / "new")
    assert ran.json["registries"] == ["registry.lab:5000"]


def test_wrong_usage(certkit: Command, tmp_path: Path) -> None:
    assert certkit("backup").code == 2
    ran = certkit("backup", "b.age")
    assert ran.code == 2 and "CERTKIT_BACKUP_PASSPHRASE" in ran.err
    assert certkit("backup", "pass", "--passphrase-file", "pass").code == 2
    assert certkit("backup", "b.age", "--passphrase-file", "pass").code == 0
    ran = certkit("restore", "b.age", "--passphrase-file", "pass")
    assert ran.code == 2 and "not empty" in ran.err
    ran = certkit("restore", "b.age", "--home", tmp_path / "new")
    assert ran.code == 2 and "--passphrase-file" in ran.err
    (tmp_path / "junk").write_text("junk")
    for file, says in (("missing", "cannot read missing"), ("junk", "is not a file that age")):
        ran = certkit("restore", file, "--home", tmp_path / "new")
        assert ran.code == 2 and says in ran.err, "and not that a passphrase is wanted"
    assert certkit("backup", "c.age", "--home", tmp_path / "nowhere").code == 3


def test_a_wrong_passphrase_is_three(certkit: Command, tmp_path: Path) -> None:
    assert certkit("backup", "b.age", "--passphrase-file", "pass").code == 0
    (tmp_path / "pass").write_text("another\n")
    ran = certkit("restore", "b.age", "--passphrase-file", "pass", "--home", tmp_path / "new")
    assert ran.code == 3 and "does not open" in ran.err
    assert not (tmp_path / "new").exists()
