"""Several files as one step: all of it or nothing, wherever the kill comes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from certkit.errors import HomeError
from certkit.home.disk.change import CHANGE, change_files, finish_change, is_change_pending
from certkit.home.home import Home
from tests.unit.home.killing import steps_of
from tests.unit.home.makers import make, snapshot

WRITES = {
    "trust.crt": (b"new trust\n", 0o644),
    "more.key": (b"new key\n", 0o600),
    "archive/old/server.crt": (b"old\n", 0o644),
}


def test_it_writes_removes_and_leaves_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    directory = make(home).files.directory
    change_files(directory, WRITES, ["server.crt", "never-there"])
    assert (directory / "trust.crt").read_bytes() == b"new trust\n"
    assert (directory / "more.key").stat().st_mode & 0o777 == 0o600
    assert (directory / "archive").stat().st_mode & 0o777 == 0o700
    assert not (directory / "server.crt").exists()
    assert not finish_change(directory) and not is_change_pending(directory)
    assert not list(home.rglob(".certkit-new-*"))


def test_kill_before_every_operation(tmp_path: Path) -> None:
    whole, home, done = tmp_path / "whole", tmp_path / "home", tmp_path / "done"
    make(whole)
    shutil.copytree(whole, done)
    directory = Home.open(done).sole_registry().directory
    change_files(directory, WRITES, ["registry.json.old", "server.key"])
    before, after = snapshot(whole), snapshot(done)
    shutil.copytree(whole, home)
    target = home / directory.relative_to(done)

    def change() -> None:
        with Home.open(home).lock("test"):
            change_files(target, WRITES, ["registry.json.old", "server.key"])

    outcomes = []
    for _ in steps_of(home, change):
        with Home.open(home).lock("test"):
            pass
        found = snapshot(home)
        assert found in (before, after)
        outcomes.append(found == after)
        shutil.rmtree(home)
        shutil.copytree(whole, home)
    # Nothing until it is decided, everything from then on.
    assert outcomes == sorted(outcomes)
    assert outcomes.count(False) > 5 and outcomes.count(True) > 5
    assert snapshot(home) == after


def test_opening_the_home_finishes_it(tmp_path: Path) -> None:
    directory = make(tmp_path / "home").files.directory
    change_files(directory, {"a": (b"1", 0o600)})
    # A decided change as a kill leaves it.
    shutil.copytree(directory, tmp_path / "copy")
    (tmp_path / "copy" / "a").unlink()
    pending = directory / CHANGE
    pending.mkdir(0o700)
    for name, text in {
        "0": "2",
        "plan.json": '{"schema": "certkit.change/1", "write": [{"name": "a", "from": "0", '
        '"mode": 384}], "remove": ["server.crt"]}',
    }.items():
        (pending / name).write_text(text)
        (pending / name).chmod(0o600)
    Home.open(tmp_path / "home")
    assert (directory / "a").read_bytes() == b"2" and not (directory / "server.crt").exists()
    assert not pending.exists()


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", f"{CHANGE}/x", ""])
def test_names_stay_inside(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a name inside"):
        change_files(tmp_path, {name: (b"", 0o600)})


def test_a_damaged_plan_is_told(tmp_path: Path) -> None:
    directory = make(tmp_path / "home").files.directory
    (directory / CHANGE).mkdir(0o700)
    plan = directory / CHANGE / "plan.json"
    for text in ("{", '{"schema": "certkit.change/9"}', '{"schema": "certkit.change/1"}'):
        plan.write_text(text)
        plan.chmod(0o600)
        with pytest.raises(HomeError):
            Home.open(tmp_path / "home")
