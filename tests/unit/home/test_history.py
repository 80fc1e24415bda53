"""Choosing entries of the journal, and their words."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from certkit.errors import InputError
from certkit.home.history import Entry, history_json, parse_since, read_history
from certkit.home.home import Home
from tests.unit.home.makers import make
from tests.unit.pki.chains import NOW


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = make(tmp_path / "home", aliases=["alias.lab:5000"]).home
    home.journal.path.unlink()
    for day, registry in ((1, "registry.lab:5000"), (2, "gone.lab:5000"), (3, "alias.lab:5000")):
        entry = {
            "time": f"2026-03-0{day}T10:00:00Z",
            "command": "distribute",
            "user": "ann",
            "registry": registry,
            "what": f"day {day}",
            "hosts": {"changed": ["build-01", "build-02"], "failed": "web[1-9]"},
            "certificates": [{"sha256": "ab" * 32, "not_after": "2027-01-01T00:00:00Z"}],
            "result": 0,
        }
        with home.journal.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
    return home


def days(entries: tuple[Entry, ...]) -> list[str]:
    return [str(entry.values["what"]) for entry in entries]


def test_chosen(home: Home) -> None:
    assert days(read_history(home, None, None, None)) == ["day 1", "day 2", "day 3"]
    assert days(read_history(home, None, None, 2)) == ["day 2", "day 3"]
    # By any of its names; and one that is gone from the home by its own.
    assert days(read_history(home, "alias.lab:5000", None, None)) == ["day 1", "day 3"]
    assert days(read_history(home, "gone.lab:5000", None, None)) == ["day 2"]
    second = datetime(2026, 3, 2, 10, tzinfo=timezone.utc)
    assert days(read_history(home, None, second, None)) == ["day 2", "day 3"]
    assert days(read_history(home, None, second + timedelta(seconds=1), 9)) == ["day 3"]
    for limit in (0, -1):
        with pytest.raises(InputError):
            read_history(home, None, None, limit)


def test_words(home: Home) -> None:
    entry = read_history(home, None, None, 1)[0]
    assert entry.headline == "2026-03-03T10:00:00Z  ann  distribute  alias.lab:5000  day 3"
    details = dict(entry.details)
    assert details["changed"] == "build-01, build-02" and details["failed"] == "web[1-9]"
    assert "2027-01-01" in details["certificate"] and details["result"] == "0"
    assert history_json((entry,))["entries"][0]["hosts"]["failed"] == "web[1-9]"


def test_strange_entries_are_shown_all_the_same() -> None:
    entry = Entry({"time": 5, "hosts": ["a"], "certificates": ["x", None], "more": {"a": [1]}})
    assert entry.headline == ""
    assert dict(entry.details) == {"hosts": "a", "certificate": "x", "more": "a 1"}


def test_since() -> None:
    assert parse_since("7d", NOW) == NOW - timedelta(days=7)
    assert parse_since("2026-03-01", NOW) == datetime(2026, 3, 1, tzinfo=timezone.utc)
    assert parse_since("2026-03-01T08:00:00Z", NOW).hour == 8
    for text in ("yesterday", "", "2026-13-01"):
        with pytest.raises(InputError, match="--since"):
            parse_since(text, NOW)
