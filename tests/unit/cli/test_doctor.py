"""``certkit doctor``: which hosts it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.running import Command


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CERTKIT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CERTKIT_INVENTORY", raising=False)
    (tmp_path / "hosts.yaml").write_text("registry: reg.lab:5000\nhosts: {web1: {}}\n")
    run = Command(monkeypatch, capsys)
    assert run("init", "reg.lab:5000", "--no-passphrase").code == 0
    return run


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("--host", "nosuch"), "--host"),
        (("--host", "web1", "--host", "nosuch"), "--host"),
        (("--limit", "web1", "--host", "nosuch"), "--host"),
        (("--limit", "nosuch", "--host", "web1"), "--limit"),
        (("--limit", "nosuch"), "--limit"),
    ],
)
def test_a_host_that_nobody_knows_is_told_by_its_own_option(
    command: Command, words: tuple[str, ...], option: str
) -> None:
    ran = command("doctor", *words)
    assert ran.code == 2
    assert f"{option} 'nosuch' matches no host" in ran.err
