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


@pytest.mark.parametrize(("words", "port"), [((), 1), (("-i", "others.yaml"), 3)])
def test_it_looks_at_the_registry_of_the_inventory(
    command: Command, tmp_path: Path, words: tuple[str, ...], port: int
) -> None:
    """A closed port of this machine stands for the registry; its name tells which one it is."""
    for file, number in (("hosts.yaml", 1), ("others.yaml", 3)):
        assert command("init", f"localhost:{number}", "--no-passphrase").code == 0
        (tmp_path / file).write_text(f"registry: localhost:{number}\nhosts: [web1]\n")
    ran = command("doctor", *words, "-o", "json")
    assert ran.code == 4, ran.err
    assert ran.json["registry"] == f"localhost:{port}"
    (tmp_path / "hosts.yaml").unlink()
    assert "the home has 3 registries" in command("doctor").err
