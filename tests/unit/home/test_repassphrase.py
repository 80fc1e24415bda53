"""Setting, changing and removing the passphrase of an authority's key."""

from __future__ import annotations

from pathlib import Path

import pytest

from certkit.errors import HomeError, InputError
from certkit.home.home import Home
from certkit.home.passphrase import NEW_ENVIRONMENT, PassphraseSources
from certkit.home.repassphrase import Repassphrased, change_passphrase
from certkit.secret import Secret
from tests.unit.home.makers import make, snapshot

NOTHING = PassphraseSources()


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CERTKIT_CA_PASSPHRASE", raising=False)
    monkeypatch.delenv(NEW_ENVIRONMENT, raising=False)


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
