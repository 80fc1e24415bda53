"""Odd surroundings: no HOME, strange locales and streams, inventories of no text, a mad clock."""

from __future__ import annotations

import datetime
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from certkit.cli.main import app
from certkit.errors import CertkitError
from tests.ssh.lab import PROGRAM, Lab, lab_running, outcomes, wait_until

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    # Somebody's home may be called anything.
    directory = tmp_path_factory.mktemp("surroundings") / "Büro ⚙ x"
    directory.mkdir()
    with lab_running(directory, ["web-01", "web-02"]) as running:
        document = json.loads((directory / "hosts.yaml").read_text())
        document["hosts"]["web-01"]["vars"] = {"ort": "Köln", "\u65e5": "\u672c"}
        (directory / "hosts.yaml").write_text(json.dumps(document, ensure_ascii=False), "utf-8")
        yield running


PLAIN = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ENVIRONMENTS: dict[str, dict[str, str | None]] = {
    "no HOME": {"HOME": None},
    "HOME nowhere": {"HOME": "/nonexistent/x", "CERTKIT_STATE": None},
    "HOME read-only": {"HOME": "/proc", "CERTKIT_STATE": None, "XDG_STATE_HOME": "/proc/x"},
    "no TERM": {"TERM": None},
    "plain C": {**PLAIN},
    "Latin 1": {"PYTHONIOENCODING": "latin-1"},
    "no PATH": {"PATH": ""},
    "40 columns": {"COLUMNS": "40"},
    "one column": {"COLUMNS": "1"},
    "no column": {"COLUMNS": "0"},
    "a million columns": {"COLUMNS": "1000000"},
    "columns that are none": {"COLUMNS": "x"},
    "no TMPDIR": {"TMPDIR": "/nonexistent"},
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_environments(name: str, lab: Lab, tried: Counter[str]) -> None:
    changes = ENVIRONMENTS[name]
    environment = {key: value for key, value in lab.environment.items() if key not in changes}
    environment |= {key: value for key, value in changes.items() if value is not None}
    process = lab.start(lab.arguments("distribute"), env=environment, text=False)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, (out, err)
    assert b"Traceback" not in err and b"defect" not in err, err
    tried["runs"] += 1


WITHOUT = "nowhere.yaml"
COMMANDS: dict[str, tuple[list[str], int]] = {
    "distribute": ([], 0),
    "inspect": ([], 0),
    "distribute to nowhere": (["--inventory", WITHOUT], 2),
    "distribute --with-a-typo": (["--with-a-typo"], 2),
}


def kept(home: Path) -> dict[Path, bytes]:
    """Every file of a home but the journal, which tells of each run."""
    files = (path for path in home.rglob("*") if path.is_file() and path.name != "journal.jsonl")
    return {path: path.read_bytes() for path in files}


@pytest.mark.parametrize("how", ["2>&-", "2>/dev/full", "<&-", "<&- >&- 2>&-", ">&- 2>&-"])
@pytest.mark.parametrize("command", COMMANDS)
def test_streams(how: str, command: str, lab: Lab, tmp_path: Path, tried: Counter[str]) -> None:
    """What was to be done is done, and nothing is written where another file has the number."""
    lab.forget("web-01")
    more, expected = COMMANDS[command]
    words = [*lab.arguments("distribute"), *more]
    if command == "inspect":
        words = ["inspect", "--home", str(lab.home)]
    before = kept(lab.home)
    ended = tmp_path / "status"
    run = subprocess.run(
        ["sh", "-c", f'"$@" {how}; echo $? >"$0"', str(ended),
         sys.executable, "-c", PROGRAM, *words],
        env=lab.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=100, check=False,
    )  # fmt: skip
    # Each stream gets what is its own, or nothing; never what another one could not take.
    out_open, err_open = ">&- 2" not in how, "2>" not in how
    out = {"distribute": "done: 2 hosts", "inspect": lab.registry}.get(command, "")
    err = {"distribute to nowhere": WITHOUT, "distribute --with-a-typo": "typo"}.get(command, "")
    assert (out in run.stdout) if out and out_open else run.stdout == "", run
    assert (err in run.stderr) if err and err_open else run.stderr == "", run
    assert "Traceback" not in run.stderr and "defect" not in run.stderr, run
    # Nobody can be told what was done, which is not as asked.
    untold = expected == 0 and not out_open
    assert int(ended.read_text()) == (1 if untold else expected), run
    if command == "distribute":
        assert lab.certificate("web-01").read_bytes() == lab.trust
    assert before == kept(lab.home)
    for line in (lab.home / "journal.jsonl").read_text("utf-8").splitlines():
        json.loads(line)
    tried["runs"] += 1


def fifo(path: Path) -> None:
    os.mkfifo(path)
    threading.Thread(target=path.write_text, args=("hosts: [web-01]\n",), daemon=True).start()


TEXT = "hosts: [web-01]\n"
FILES: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "FIFO": (fifo, 0, ""),
    "directory": (Path.mkdir, 2, "is a directory"),
    "missing": (lambda path: None, 2, "does not exist"),
    "dangling link": (lambda path: path.symlink_to("nowhere"), 2, "does not exist"),
    "link to itself": (lambda path: path.symlink_to(path), 2, "symbolic links"),
    "/dev/zero": (lambda path: path.symlink_to("/dev/zero"), 2, ""),
    "/dev/null": (lambda path: path.symlink_to("/dev/null"), 2, ""),
    "empty": (lambda path: path.write_text(""), 2, ""),
    "100 MB": (lambda path: path.write_bytes(TEXT.encode() * 6_250_000), 2, "large"),
    "binary": (lambda path: path.write_bytes(bytes(range(256)) * 99), 2, ""),
    "UTF-16": (lambda path: path.write_text(TEXT, "utf-16"), 2, "UTF-"),
    "UTF-32": (lambda path: path.write_text(TEXT, "utf-32"), 2, "UTF-"),
    "Latin 1": (lambda path: path.write_bytes(b"hosts: [web-01] # \xfc\n"), 2, "UTF-8"),
    "BOM": (lambda path: path.write_text(TEXT, "utf-8-sig"), 2, "BOM"),
    "CRLF": (lambda path: path.write_bytes(TEXT.replace("\n", "\r\n").encode()), 2, "CRLF"),
    "CR": (lambda path: path.write_bytes(b"hosts:\r- web-01\r"), 2, ""),
    "deep": (lambda path: path.write_text("hosts: " + "[" * 20_000), 2, ""),
    "one line": (lambda path: path.write_text("hosts: [" + "a" * 5_000_000 + "]"), 2, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files(name: str, tmp_path: Path, tried: Counter[str]) -> None:
    make, status, said = FILES[name]
    path = tmp_path / "hosts.yaml"
    make(path)
    began = time.monotonic()
    result = CliRunner().invoke(app, ["inventory", "-i", str(path)])
    assert time.monotonic() - began < 20
    error = result.exception
    if status == 0:
        assert result.exit_code == 0 and "web-01" in result.output, (result.output, error)
    else:
        assert isinstance(error, CertkitError), (error, result.output)
        assert error.exit_code.value == status and said in error.message + error.hint, error
        assert len(error.message) < 500
    tried["files"] += 1


def test_a_clock_that_jumps(lab: Lab, monkeypatch: pytest.MonkeyPatch, tried: Counter[str]) -> None:
    """Between any two looks it goes an hour back or forth: bounds and seconds are not its."""
    monkeypatch.setenv("CERTKIT_STATE", str(lab.directory / "state"))
    again = lab.arguments("distribute", "-o", "json")
    assert CliRunner().invoke(app, again).exit_code == 0  # loads the modules
    lab.forget("web-01")
    true, jumps = time.time, itertools.cycle((0, 3600, -3600, 7200))

    def jumping() -> float:
        tried["looks at the clock"] += 1
        return true() + next(jumps)

    class Jumping(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Jumping:
            tried["looks at the calendar"] += 1
            return cls.fromtimestamp(jumping(), tz)

    monkeypatch.setattr(time, "time", jumping)
    for name, module in [*sys.modules.items()]:
        if name.startswith("certkit.") and getattr(module, "datetime", None) is datetime.datetime:
            monkeypatch.setattr(module, "datetime", Jumping)
    began = time.monotonic()
    result = CliRunner().invoke(app, again)
    took = time.monotonic() - began
    report = json.loads(result.stdout)
    assert outcomes(report) == {"web-01": "changed", "web-02": "unchanged"}, report
    assert lab.certificate("web-01").read_bytes() == lab.trust
    assert lab.restarts("web-01") == 1
    assert all(0 <= host["seconds"] <= took for host in report["hosts"])
    assert tried["looks at the clock"] > tried["looks at the calendar"] > 0


LONG: tuple[Sequence[str], ...] = (
    ("distribute",), ("status",), ("verify",), ("remove",), ("doctor", "--host", "web-02"),
    ("rotate", "start"),
)  # fmt: skip


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("words", LONG, ids=" ".join)
def test_ctrl_c(
    words: Sequence[str], times: int, lab: Lab, tmp_path: Path, tried: Counter[str]
) -> None:
    """One machine never answers: the run ends all the same, and its status says that it was cut."""
    document = json.loads((lab.directory / "hosts.yaml").read_text("utf-8"))
    hosts = lab.directory / "silent.yaml"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        # Once lets the login under way come to its end; twice does not wait for it.
        patience = {"handshake": 3 if times == 1 else 90}
        document["hosts"]["web-02"].update(port=silent.getsockname()[1], timeout=patience)
        hosts.write_text(json.dumps(document), "utf-8")
        arguments = [*words, *lab.arguments("x")[1:]]
        arguments[arguments.index("-i") + 1] = str(hosts)
        said = tmp_path / "said"
        with said.open("w") as file:
            process = lab.start(arguments, stderr=file)
        try:
            connection, _ = silent.accept()
        except TimeoutError:
            process.kill()
            raise AssertionError(process.communicate(), said.read_text()) from None
        with connection:
            process.send_signal(signal.SIGINT)
            if times == 2:
                # Two signals at one moment are one.
                wait_until(lambda: "again to leave now" in said.read_text(), process)
                process.send_signal(signal.SIGINT)
            began = time.monotonic()
            out, _ = process.communicate(timeout=60)
            took = time.monotonic() - began
    err = said.read_text()
    assert process.returncode == 130, (out, err)
    assert "Traceback" not in err and "defect" not in err, err
    assert took < 40
    tried["signals"] += times
