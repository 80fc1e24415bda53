"""Writing and reading in a home: modes whatever the umask, nothing torn, nothing followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from certkit.errors import ExitCode, HomeError
from certkit.home.disk.files import (
    TEMPORARY_PREFIX,
    check_directory,
    make_directory,
    read_file,
    sweep,
    write_atomic,
    write_directory,
)


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o277], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def listing(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.usefixtures("umask")
def test_modes_are_exact_under_any_umask(tmp_path: Path) -> None:
    make_directory(tmp_path / "home")
    write_atomic(tmp_path / "home" / "a.key", b"key", 0o600)
    write_atomic(tmp_path / "home" / "a.crt", b"crt", 0o644)
    write_directory(tmp_path / "home" / "r", {"b.key": (b"k", 0o600), "b.crt": (b"c", 0o644)})
    assert mode(tmp_path / "home") == mode(tmp_path / "home" / "r") == 0o700
    assert mode(tmp_path / "home" / "a.key") == mode(tmp_path / "home" / "r" / "b.key") == 0o600
    assert mode(tmp_path / "home" / "a.crt") == mode(tmp_path / "home" / "r" / "b.crt") == 0o644
    assert listing(tmp_path / "home") == ["a.crt", "a.key", "r"]


def test_a_planted_link_is_replaced_and_never_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "ca.key").symlink_to(victim)
    write_atomic(tmp_path / "ca.key", b"new", 0o600)
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "ca.key").is_symlink()


def test_a_planted_temporary_name_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    monkeypatch.setattr("certkit.home.disk.files.secrets.token_hex", lambda size: "known")
    (tmp_path / f"{TEMPORARY_PREFIX}ca.key-known").symlink_to(victim)
    with pytest.raises(HomeError, match="cannot write"):
        write_atomic(tmp_path / "ca.key", b"new", 0o600)
    assert victim.read_bytes() == b"precious"


def test_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(HomeError, match="symbolic link"):
        read_file(tmp_path / "link", 0o644)


def test_a_directory_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").mkdir()
    with pytest.raises(HomeError, match="not a plain file"):
        read_file(tmp_path / "ca.crt", 0o644)


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ca.crt", 0o600)
    with pytest.raises(HomeError, match="not a plain file"):
        read_file(tmp_path / "ca.crt", 0o644)


@pytest.mark.parametrize(
    ("actual", "allowed", "mends"),
    [(0o640, 0o600, "chmod 600 "), (0o604, 0o600, "chmod 600 "), (0o664, 0o644, "chmod 644 ")],
)
def test_lax_modes_are_refused_with_the_cure(
    actual: int, allowed: int, mends: str, tmp_path: Path
) -> None:
    path = tmp_path / "a file"
    path.write_bytes(b"x")
    path.chmod(actual)
    with pytest.raises(HomeError, match=f"has mode {actual:04o}") as caught:
        read_file(path, allowed)
    assert caught.value.hint == f"{mends}'{path}'"
    assert caught.value.exit_code is ExitCode.HOME_UNUSABLE
    path.chmod(allowed & 0o600)
    assert read_file(path, allowed) == b"x"


def test_somebody_elses_directory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(HomeError, match="belongs to user") as caught:
        check_directory(tmp_path)
    assert "chown" in caught.value.hint


def test_a_failed_write_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_atomic(tmp_path / "a", b"old", 0o600)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HomeError, match="No space left") as caught:
        write_atomic(tmp_path / "a", b"new", 0o600)
    with pytest.raises(HomeError, match="No space left"):
        write_directory(tmp_path / "d", {"x": (b"x", 0o600)})
    assert "free some space" in caught.value.hint
    assert listing(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_directory_with_content_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "ca.key").write_bytes(b"old")
    with pytest.raises(HomeError, match="not empty"):
        write_directory(tmp_path / "d", {"ca.key": (b"new", 0o600)})
    assert (tmp_path / "d" / "ca.key").read_bytes() == b"old"
    assert listing(tmp_path) == ["d"]


def test_sweep_takes_the_unfinished_only(tmp_path: Path) -> None:
    (tmp_path / f"{TEMPORARY_PREFIX}1").mkdir()
    (tmp_path / f"{TEMPORARY_PREFIX}1" / "ca.key").write_bytes(b"x")
    (tmp_path / f"{TEMPORARY_PREFIX}2").write_bytes(b"x")
    (tmp_path / f"{TEMPORARY_PREFIX}3").symlink_to("/")
    (tmp_path / "ca.key").write_bytes(b"x")
    assert len(sweep(tmp_path)) == 3
    assert listing(tmp_path) == ["ca.key"]
