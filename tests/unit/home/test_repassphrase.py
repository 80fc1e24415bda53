"""Setting, changing and removing the passphrase of an authority's key."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from certkit.errors import HomeError, InputError
from certkit.home.home import Home
from certkit.home.keys.keyfile import decode_key
from certkit.home.keys.passphrase import NEW_ENVIRONMENT, PassphraseSources
from certkit.home.repassphrase import Repassphrased, change_passphrase
from certkit.home.rotation import steps as rotation
from certkit.secret import Secret
from tests.unit.home.killing import steps_of
from tests.unit.home.makers import make, snapshot
from tests.unit.pki.chains import NOW

NOTHING = PassphraseSources()


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CERTKIT_CA_PASSPHRASE", raising=False)
    monkeypatch.delenv(NEW_ENVIRONMENT, raising=False)


@pytest.fixture(autouse=True)
def cheap_guesses(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a guess takes is the business of `test_keyfile`."""
    monkeypatch.setattr("certkit.home.keys.keyfile.ITERATIONS", 1000)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make(tmp_path / "home").home


def from_file(directory: Path, text: str) -> PassphraseSources:
    path = directory / f"pass-{text}"
    path.write_text(text)
    path.chmod(0o600)
    return PassphraseSources(path, environment=NEW_ENVIRONMENT)


def change(home: Home, current: PassphraseSources, new: PassphraseSources) -> Repassphrased:
    return change_passphrase(home, home.sole_registry(), current, new)


def test_set_change_and_remove(home: Home, tmp_path: Path) -> None:
    files = home.sole_registry()
    public = files.authority.public_key()
    first, second = from_file(tmp_path, "first"), from_file(tmp_path, "second")
    done = change(home, NOTHING, first)
    assert done.changed and done.after.strong and "encrypted" in done.sentence
    assert files.authority_key(Secret("first")).public_key() == public
    done = change(home, first, second)
    assert done.before.strong and done.after.strong
    assert files.authority_key(Secret("second")).public_key() == public
    with pytest.raises(HomeError, match="does not open"):
        files.authority_key(Secret("first"))
    done = change(home, second, PassphraseSources(refused=True))
    assert not done.after.encrypted and "plain" in done.sentence
    assert files.authority_key(None).public_key() == public
    assert [entry["command"] for entry in home.journal.entries()] == ["init"] + ["passphrase"] * 3
    assert b"first" not in home.journal.path.read_bytes()


def test_while_plain_the_usual_source_gives_the_new_one(home: Home, tmp_path: Path) -> None:
    change(home, from_file(tmp_path, "first"), NOTHING)
    assert home.sole_registry().authority_key(Secret("first"))


def test_removing_nothing_changes_nothing(home: Home) -> None:
    before = snapshot(home.path)
    done = change(home, NOTHING, PassphraseSources(refused=True))
    assert not done.changed and "nothing to do" in done.sentence
    assert snapshot(home.path) == before


def test_a_wrong_passphrase_changes_nothing(home: Home, tmp_path: Path) -> None:
    change(home, NOTHING, from_file(tmp_path, "first"))
    before = snapshot(home.path)
    with pytest.raises(HomeError, match="does not open"):
        change(home, from_file(tmp_path, "wrong"), from_file(tmp_path, "second"))
    with pytest.raises(HomeError, match="no passphrase was given"):
        change(home, NOTHING, from_file(tmp_path, "second"))
    assert snapshot(home.path) == before


def test_nobody_to_ask_names_the_flags(home: Home, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        change(home, NOTHING, PassphraseSources(environment=NEW_ENVIRONMENT))
    assert "--new-passphrase-file" in caught.value.hint
    change(home, NOTHING, from_file(tmp_path, "first"))
    with pytest.raises(InputError, match="no new passphrase"):
        change(home, from_file(tmp_path, "first"), NOTHING)
    with pytest.raises(InputError, match="empty") as caught:
        change(home, from_file(tmp_path, "first"), PassphraseSources(ask=lambda _: ""))
    assert "plain with --no-passphrase" in caught.value.hint


def test_asked_on_a_terminal(home: Home) -> None:
    answers = ["one", "one", "one", "two", "two"]
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return answers.pop(0)

    both = PassphraseSources(ask=ask), PassphraseSources(ask=ask, environment=NEW_ENVIRONMENT)
    change(home, *both)
    assert home.sole_registry().authority_key(Secret("one"))
    change(home, *both)
    assert home.sole_registry().authority_key(Secret("two"))
    assert len(asked) == 5 and not answers


def test_the_present_passphrase_is_asked_for_although_the_new_one_is_given(
    home: Home, tmp_path: Path
) -> None:
    change(home, NOTHING, from_file(tmp_path, "first"))
    change(home, PassphraseSources(ask=lambda _: "first"), from_file(tmp_path, "second"))
    assert home.sole_registry().authority_key(Secret("second"))


def rotating(home: Home, passphrase: Secret | None = None) -> None:
    rotation.start(home, home.sole_registry(), passphrase, NOW)


def plain_keys(home: Home) -> set[str]:
    """The names of the authority's keys that anybody who reads them can use."""
    directory = home.sole_registry().directory
    return {
        path.relative_to(directory).as_posix()
        for path in directory.rglob("ca*.key")
        if b"ENCRYPTED" not in path.read_bytes()
    }


def to_the_end(home: Home, passphrase: PassphraseSources) -> None:
    """Through the rotation that has started, so that the old authority is in the archive."""
    files = home.sole_registry()
    rotation.offer(home, files, passphrase, (), NOW)
    state = rotation.read_rotation(files)
    rotation.switch(home, files, state.offered, NOW)
    rotation.finish(home, home.sole_registry(), (), NOW)


def test_a_rotation_under_way_and_the_archive_leave_no_key_plain(
    home: Home, tmp_path: Path
) -> None:
    rotating(home)
    to_the_end(home, NOTHING)
    rotating(home)
    assert len(plain_keys(home)) == 3
    done = change(home, NOTHING, from_file(tmp_path, "first"))
    assert not plain_keys(home) and "ca-next.key" in done.sentence
    (entry,) = (one for one in home.journal.entries() if one["command"] == "passphrase")
    assert "ca-next.key" in entry["what"] and "another passphrase" not in entry["what"]
    first = from_file(tmp_path, "first")
    change(home, first, from_file(tmp_path, "second"))
    rotation.offer(home, home.sole_registry(), from_file(tmp_path, "second"), (), NOW)
    files = home.sole_registry()
    rotation.switch(home, files, rotation.read_rotation(files).offered, NOW)
    change(home, from_file(tmp_path, "second"), first)
    assert files.authority_key(Secret("first"))
    assert decode_key(files.path("ca-old.key").read_bytes(), Secret("first"), "old")


def test_a_key_of_the_rotation_with_a_passphrase_of_its_own(home: Home, tmp_path: Path) -> None:
    first, second = from_file(tmp_path, "first"), from_file(tmp_path, "second")
    change(home, NOTHING, first)
    rotating(home, Secret("its own"))
    before = snapshot(home.path)
    with pytest.raises(HomeError, match=r"ca-next\.key has another passphrase"):
        change(home, first, second)
    assert snapshot(home.path) == before
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return "its own"

    assert first.file is not None
    change(home, PassphraseSources(first.file, ask=ask), second)
    assert len(asked) == 1 and "ca-next.key" in asked[0]
    key = home.sole_registry().path("ca-next.key").read_bytes()
    assert decode_key(key, Secret("second"), "next")


def test_the_new_key_may_have_the_new_passphrase_already(home: Home, tmp_path: Path) -> None:
    rotating(home, Secret("first"))
    change(home, NOTHING, from_file(tmp_path, "first"))
    assert not plain_keys(home)


def test_a_forgotten_archived_key_is_named_and_stays(home: Home, tmp_path: Path) -> None:
    change(home, NOTHING, from_file(tmp_path, "forgotten"))
    rotating(home)
    to_the_end(home, NOTHING)
    (archived,) = home.path.rglob("archive/rotated-*/ca.key")
    before = archived.read_bytes()
    done = change(home, NOTHING, from_file(tmp_path, "first"))
    assert archived.read_bytes() == before and not plain_keys(home)
    assert str(archived) in done.warnings[0]


def test_kill_minus_nine_changes_all_keys_or_none(home: Home, tmp_path: Path) -> None:
    rotating(home)
    begun = tmp_path / "begun"
    shutil.copytree(home.path, begun)
    first = from_file(tmp_path, "first")
    for _ in steps_of(home.path, lambda: change(home, NOTHING, first)):
        assert len(plain_keys(Home.open(home.path))) in (0, 2)
        change(Home.open(home.path), NOTHING, first)
        assert not plain_keys(home)
        shutil.rmtree(home.path)
        shutil.copytree(begun, home.path)
