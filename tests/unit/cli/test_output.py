"""Standard output that cannot be written: told once, in words, and nothing else goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from certkit.cli.render.output import StandardStream

PROGRAM = "import sys; from certkit.cli.main import main; sys.argv[0] = 'certkit'; main()"
COMMANDS = (
    ["inspect"],
    ["inventory"],
    ["doctor", "--explain", "x509: certificate signed by unknown authority"],
    ["rotate", "status"],
    ["log"],
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("output")
    (directory / "hosts.yaml").write_text("registry: registry.lab:5000\nhosts: [web01]\n")
    made = run(directory, 'exec "$@"', ["init", "registry.lab:5000", "--no-passphrase"])
    assert made.returncode == 0, made.stderr
    return directory


def run(place: Path, script: str, words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-c", PROGRAM, *words],
        cwd=place,
        env={"PATH": "/usr/bin:/bin", "HOME": str(place), "CERTKIT_HOME": str(place / "H")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_what_cannot_be_written_is_told(place: Path, words: list[str]) -> None:
    for form, script, why in (
        ("table", 'exec "$@" >&-', "it is closed"),
        ("json", 'exec "$@" >/dev/full', "No space left on device"),
    ):
        ran = run(place, script, [*words, "-o", form])
        assert ran.returncode == 1, ran.stderr
        assert f"error: standard output could not be written: {why}" in ran.stderr
        assert "defect" not in ran.stderr and "Traceback" not in ran.stderr


@pytest.mark.parametrize("words", [["--help"], ["status", "--help"], ["--version"]])
@pytest.mark.parametrize("where", [">&-", ">/dev/full"])
def test_help_that_nobody_gets_is_told_alike(place: Path, words: list[str], where: str) -> None:
    ran = run(place, f'exec "$@" {where}', words)
    assert ran.returncode == 1, ran.stderr
    assert ran.stderr.startswith("error: standard output could not be written: "), ran.stderr
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_a_wrong_option_is_never_told_on_standard_output(place: Path, where: str) -> None:
    """Somebody's program is to read a document there."""
    ran = run(place, f'exec "$@" {where}', ["status", "-o", "json", "--typo"])
    assert ran.returncode == 2 and ran.stdout == "" and ran.stderr == ""


def test_a_pipe_that_does_not_wait_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """ssh and node leave such pipes behind; their fill is no reason to end."""
    theirs, ours = os.pipe()
    os.set_blocking(ours, False)
    heard: list[bytes] = []

    def read() -> None:
        while chunk := os.read(theirs, 4096):
            heard.append(chunk)

    text = "".join(f"{number} ü\n" for number in range(60_000))
    reader = threading.Thread(target=read)
    with open(ours, "w", encoding="utf-8") as stream:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", stream)
        output = StandardStream("stdout")
        threading.Timer(0.2, reader.start).start()
        for _ in range(2):
            output.write(text)
    reader.join(30)
    os.close(theirs)
    assert b"".join(heard).decode() == text * 2
    assert output.lost() == ""


def test_a_reader_that_leaves_has_what_it_wanted(place: Path) -> None:
    ran = run(place, '{ "$@"; echo "ended $?" >&2; } | true', ["inspect", "-o", "json"])
    assert "ended 0" in ran.stderr
    assert "error" not in ran.stderr and "Exception" not in ran.stderr
