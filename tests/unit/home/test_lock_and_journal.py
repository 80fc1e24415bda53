"""One writer at a time, and a record that survives."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from certkit.errors import ExitCode, HomeError
from certkit.home.disk.lock import locked
from certkit.home.journal import Journal
from certkit.secret import Secret

HOLD = """
import sys, time
from pathlib import Path
from certkit.home.disk.lock import locked
with locked(Path(sys.argv[1]), "certkit distribute"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_one_is_told_who_holds_it_and_death_releases(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(HomeError) as caught, locked(lock, "certkit init"):
            pass
        assert f"locked by certkit distribute (process {holder.pid})" in caught.value.message
        assert caught.value.exit_code is ExitCode.HOME_UNUSABLE
        holder.send_signal(signal.SIGKILL)
    with locked(lock, "certkit init"):
        assert stat.S_IMODE(lock.stat().st_mode) == 0o600
    with locked(lock, "certkit init"):
        pass


def test_a_planted_lock_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(HomeError, match="cannot lock"), locked(tmp_path / "lock", "x"):
        pass
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    assert list(journal.entries()) == []
    journal.append("init", registry="registry.lab:5000", what="made")
    journal.append("distribute", registry="registry.lab:5000", hosts={"build-01": "changed"})
    first, second = journal.entries()
    assert first["command"] == "init" and first["user"] and first["time"].endswith("Z")
    assert second["hosts"] == {"build-01": "changed"}
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600


def test_a_torn_line_swallows_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("init")
    with journal.path.open("ab") as file:
        file.write(b'{"time": "2026')
    journal.append("distribute")
    assert [entry["command"] for entry in journal.entries()] == ["init", "distribute"]


def test_secrets_do_not_get_in(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    with pytest.raises(TypeError):
        journal.append("init", passphrase=Secret("hunter2"))
    with pytest.raises(ValueError, match="private key"):
        journal.append("init", key="-----BEGIN PRIVATE KEY-----")
    assert list(journal.entries()) == []


def test_many_writers_do_not_mix(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")

    def write(number: int) -> None:
        for _ in range(20):
            journal.append("distribute", number=number, padding="x" * 5000)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = journal.path.read_text().splitlines()
    assert len(lines) == 160
    assert all(json.loads(line)["command"] == "distribute" for line in lines)


def test_a_read_only_place_is_told(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        journal = Journal(tmp_path / "missing" / "journal.jsonl")
    else:
        tmp_path.chmod(0o500)
        journal = Journal(tmp_path / "journal.jsonl")
    with pytest.raises(HomeError, match="cannot write"):
        journal.append("init")
