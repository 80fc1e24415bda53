"""Back-ups: there and back, nothing replaced, nothing half restored, whatever is damaged."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from certkit.errors import HomeError, InputError
from certkit.home.backup.archive import (
    ENVIRONMENT,
    MANIFEST,
    age,
    back_up,
    passphrase_for_backup,
    read_backup,
)
from certkit.home.backup.restore import restore
from certkit.home.home import Home
from certkit.home.keys.passphrase import PassphraseSources
from certkit.home.renewal.promotion import promote
from certkit.home.renewal.renew import RenewalWish, prepare
from certkit.secret import Secret
from tests.unit.home.killing import steps_of
from tests.unit.home.makers import PLAIN, make, snapshot
from tests.unit.pki.chains import NOW

WORD = Secret("a long passphrase")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(age, "WORK_FACTOR", 4)
    monkeypatch.delenv(ENVIRONMENT, raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make(tmp_path / "home").home


def test_there_and_back(home: Home, tmp_path: Path) -> None:
    make(home.path, "other.lab:5000")
    waiting = prepare(home, home.registry("other.lab:5000"), RenewalWish(), PLAIN, NOW)
    promote(home, waiting.files, waiting.sha256, NOW)
    journal = home.journal.path.read_bytes()
    done = back_up(home, tmp_path / "b.age", WORD, NOW)
    sealed = done.path.read_bytes()
    assert done.path.stat().st_mode & 0o777 == 0o600
    assert done.sha256 == hashlib.sha256(sealed).hexdigest()
    assert b"registry" not in sealed and b"PRIVATE" not in sealed
    restored = restore(done.path, lambda: WORD, tmp_path / "new" / "place")
    assert snapshot(tmp_path / "new" / "place") == snapshot(home.path)
    assert restored.registries == ("other.lab:5000", "registry.lab:5000")
    assert restored.files == done.files
    assert restored.home.journal.path.read_bytes().startswith(journal)
    assert [e["command"] for e in restored.home.journal.entries()][-1] == "restore"
    assert [e["command"] for e in home.journal.entries()][-1] == "backup"
    for directory in (tmp_path / "new" / "place").rglob("*"):
        assert not directory.is_dir() or directory.stat().st_mode & 0o777 == 0o700


def test_it_is_a_plain_tar_inside(home: Home, tmp_path: Path) -> None:
    back_up(home, tmp_path / "b.age", WORD, NOW)
    plain = age.decrypt((tmp_path / "b.age").read_bytes(), WORD, "b")
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        names = archive.getnames()
    assert "registries/registry.lab_5000/ca.key" in names and "lock" not in names


def test_nothing_is_replaced(home: Home, tmp_path: Path) -> None:
    (tmp_path / "b.age").write_bytes(b"precious")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for path in (tmp_path / "b.age", tmp_path / "link", tmp_path):
        with pytest.raises(InputError, match="exists"):
            back_up(home, path, WORD, NOW)
    with pytest.raises(InputError, match="inside the home"):
        back_up(home, home.path / "registries" / "b.age", WORD, NOW)
    with pytest.raises(InputError, match="cannot write"):
        back_up(home, tmp_path / "missing" / "b.age", WORD, NOW)
    assert (tmp_path / "b.age").read_bytes() == b"precious"
    back_up(home, tmp_path / "c.age", WORD, NOW)
    before = snapshot(home.path)
    with pytest.raises(InputError, match="not empty"):
        restore(tmp_path / "c.age", lambda: WORD, home.path)
    assert snapshot(home.path) == before
    (tmp_path / "empty").mkdir(mode=0o700)
    restore(tmp_path / "c.age", lambda: WORD, tmp_path / "empty")


def test_what_does_not_read_back_gets_no_name(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(age, "decrypt", lambda *_: b"something else")
    with pytest.raises(HomeError, match="does not read back"):
        back_up(home, tmp_path / "b.age", WORD, NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_without_links_the_name_is_taken_all_the_same(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    back_up(home, tmp_path / "b.age", WORD, NOW)
    assert read_backup(tmp_path / "b.age", lambda: WORD)


def test_a_lax_or_strange_home_is_not_backed_up(home: Home, tmp_path: Path) -> None:
    link = home.path / "registries" / "link"
    link.symlink_to("/etc")
    with pytest.raises(HomeError, match="not a plain file"):
        back_up(home, tmp_path / "b.age", WORD, NOW)
    link.unlink()
    home.sole_registry().path("trust.crt").chmod(0o666)
    with pytest.raises(HomeError, match="lets others in"):
        back_up(home, tmp_path / "b.age", WORD, NOW)
    assert not (tmp_path / "b.age").exists()


def repack(path: Path, change: Any) -> None:
    """Seal a back-up again whose content somebody has changed."""
    contents = {name: data for name, (data, _) in read_backup(path, lambda: WORD).items()}
    manifest = {
        "schema": "certkit.backup/1",
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "mode": "0600"}
            for name, data in contents.items()
        },
    }
    extra: list[tarfile.TarInfo] = []
    change(contents, manifest, extra)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in {MANIFEST: json.dumps(manifest).encode(), **contents}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in extra:
            archive.addfile(member)
    path.write_bytes(age.encrypt(packed.getvalue(), WORD))


CA = "registries/registry.lab_5000/ca.crt"


def listed(name: str) -> Any:
    def change(contents: Any, manifest: Any, _: Any) -> None:
        contents[name] = b"x"
        manifest["files"][name] = {"sha256": hashlib.sha256(b"x").hexdigest(), "mode": "0600"}

    return change


def linked(_: Any, manifest: Any, extra: Any) -> None:
    member = tarfile.TarInfo("link")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    extra.append(member)


BAD = {
    "a changed file": lambda c, m, e: c.update({CA: c[CA] + b"\n"}),
    "a file more": lambda c, m, e: c.update({"more": b"x"}),
    "a file less": lambda c, m, e: c.pop(CA),
    "up": listed("../up"),
    "absolute": listed("/tmp/up"),
    "twice slashed": listed("a//b"),
    "dot": listed("./a"),
    "a link": linked,
    "another version": lambda c, m, e: m.update({"schema": "certkit.backup/9"}),
    "a lax mode": lambda c, m, e: m["files"][CA].update({"mode": "0666"}),
    "no list": lambda c, m, e: m.pop("files"),
    "a list of another kind": lambda c, m, e: m.update({"files": list(c)}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_changed_back_up_restores_nothing(home: Home, tmp_path: Path, name: str) -> None:
    path = back_up(home, tmp_path / "b.age", WORD, NOW).path
    repack(path, BAD[name])
    with pytest.raises(InputError, match="no back-up of a home"):
        restore(path, lambda: WORD, tmp_path / "new")
    assert {path.name for path in tmp_path.iterdir()} == {"home", "b.age"}


def test_a_home_that_cannot_be_used_is_not_put_in_place(home: Home, tmp_path: Path) -> None:
    path = back_up(home, tmp_path / "b.age", WORD, NOW).path
    other = make(tmp_path / "other").files.read("server.key")

    def swap(contents: Any, manifest: Any, _: Any) -> None:
        name = "registries/registry.lab_5000/server.key"
        contents[name] = other
        manifest["files"][name]["sha256"] = hashlib.sha256(other).hexdigest()

    repack(path, swap)
    with pytest.raises(HomeError, match="is not its certificate's"):
        restore(path, lambda: WORD, tmp_path / "new")
    assert not (tmp_path / "new").exists() and not list(tmp_path.glob(".certkit*"))


def test_wrong_files(home: Home, tmp_path: Path) -> None:
    path = back_up(home, tmp_path / "b.age", WORD, NOW).path
    with pytest.raises(HomeError, match="does not open"):
        restore(path, lambda: Secret("other"), tmp_path / "new")
    with pytest.raises(InputError, match="cannot read"):
        restore(tmp_path / "missing", lambda: WORD, tmp_path / "new")
    (tmp_path / "junk").write_bytes(age.encrypt(b"no tar", WORD))
    with pytest.raises(InputError, match="no back-up"):
        restore(tmp_path / "junk", lambda: WORD, tmp_path / "new")


def test_kill_before_every_operation_of_a_restore(home: Home, tmp_path: Path) -> None:
    path = back_up(home, tmp_path / "b.age", WORD, NOW).path
    whole = snapshot(home.path)
    target = tmp_path / "there" / "new"
    states = set()
    for _ in steps_of(tmp_path / "there", lambda: restore(path, lambda: WORD, target)):
        found = snapshot(target) if target.exists() else {}
        assert found in ({}, whole)
        states.add(bool(found))
        shutil.rmtree(tmp_path / "there", ignore_errors=True)
    assert states == {False, True}


def test_kill_before_every_operation_of_a_back_up(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "out" / "b.age"
    path.parent.mkdir()
    states = set()
    for _ in steps_of(path.parent, lambda: back_up(home, path, WORD, NOW)):
        states.add(path.exists())
        if path.exists():
            assert read_backup(path, lambda: WORD)
            path.unlink()
    assert False in states


def test_where_the_passphrase_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError) as caught:
        passphrase_for_backup(PassphraseSources(environment=ENVIRONMENT), new=True)
    assert "--passphrase-file" in caught.value.hint and ENVIRONMENT in caught.value.hint
    answers = ["one", "one", "one", "two", ""]
    asking = PassphraseSources(ask=lambda _: answers.pop(0), environment=ENVIRONMENT)
    assert passphrase_for_backup(asking, new=True) == Secret("one")
    for text in ("differ", "empty"):
        with pytest.raises(InputError, match=text):
            passphrase_for_backup(asking, new=True)
    monkeypatch.setenv(ENVIRONMENT, "given")
    assert passphrase_for_backup(asking, new=False) == Secret("given")
