"""Any terminal, and none: Ctrl-C at every question, 40 columns, no colours, a closed stdout."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.ssh.lab import PROGRAM, Lab, lab_running

pytestmark = pytest.mark.timeout(180)

MOVES = re.compile(r"\x1b\[[0-9;?]*[A-Za-ln-z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_running(tmp_path_factory.mktemp("terminal"), ["web-01", "web-02"]) as running:
        yield running


class Terminal:
    """A command on a terminal of its own, which is also its controlling one."""

    def __init__(
        self, lab: Lab, arguments: Sequence[str], columns: int = 80, **environment: str
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.before = termios.tcgetattr(theirs)

        def controlling() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.seen = ""
        self.process = lab.start(
            arguments,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            text=False,
            start_new_session=True,
            preexec_fn=controlling,
            env={**lab.environment, "TERM": "xterm-256color", **environment},
        )
        self._theirs = theirs

    def read(self, until: str = "", seconds: float = 60) -> str:
        """Read until this is seen, or until the command has ended."""
        deadline = time.monotonic() + seconds
        while not until or until not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self._ours], [], [], 0.1)[0]:
                self.seen += os.read(self._ours, 65536).decode(errors="replace")
            elif self.process.poll() is not None:
                break
        return self.seen

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def end(self, seconds: float = 60) -> int:
        """Read to the end; the exit status. The terminal is as it was found."""
        self.read(seconds=seconds)
        status = self.process.wait(10)
        echo = termios.ECHO | termios.ICANON
        assert termios.tcgetattr(self._theirs)[3] & echo == self.before[3] & echo
        os.close(self._ours)
        os.close(self._theirs)
        assert "Traceback" not in self.seen and "defect" not in self.seen, self.seen
        return status


def test_ctrl_c_at_a_passphrase(lab: Lab, tmp_path: Path) -> None:
    home = tmp_path / "home"
    terminal = Terminal(lab, ["init", "other.lab:5000", "--home", str(home)])
    terminal.read("assphrase")
    terminal.type("secret\x03")
    assert terminal.end() == 130
    assert "secret" not in terminal.seen
    assert not list(home.glob("registries/*"))


def test_ctrl_c_at_the_question_leaves_every_daemon_alone(lab: Lab) -> None:
    for name in lab.machines:
        lab.forget(name)
        lab.put(name, "containers", "one\n")
    terminal = Terminal(lab, lab.arguments("distribute"))
    terminal.read("[y/N]")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert [lab.restarts(name) for name in lab.machines] == [0, 0]
    for name in lab.machines:
        lab.at(name, "containers").unlink()
        assert lab.certificate(name).read_bytes() == lab.trust
    # What the answer kept from being restarted is still due, and no longer asked about.
    assert lab.run("distribute")[0] == 0
    assert [lab.restarts(name) for name in lab.machines] == [1, 1]


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_in_a_restart(lab: Lab, times: int) -> None:
    for name in lab.machines:
        lab.forget(name)
        lab.put(name, "slow")
    terminal = Terminal(lab, lab.arguments("distribute", "--wave", "1"))
    deadline = time.monotonic() + 60
    while lab.restarts("web-01") + lab.restarts("web-02") == 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for _ in range(times):
        terminal.type("\x03")
        time.sleep(0.5)
    assert terminal.end() == 130
    for name in lab.machines:
        lab.at(name, "slow").unlink()
        lab.machines[name].wait_until_idle()
        assert lab.certificate(name).read_bytes() == lab.trust
    assert sum(lab.restarts(name) for name in lab.machines) == 1
    assert lab.run("distribute", "--resume")[0] == 0
    assert [lab.restarts(name) for name in lab.machines] == [1, 1]


def drawn(terminal: Terminal) -> list[str]:
    """The lines as they stand at the end, without colours; progress is drawn over itself."""
    text = COLOUR.sub("", terminal.seen)
    return [MOVES.sub("", line).split("\r")[-1] for line in text.replace("\r\n", "\n").split("\n")]


@pytest.mark.parametrize("command", ["distribute", "status", "verify", "inspect", "inventory"])
def test_forty_columns(lab: Lab, command: str) -> None:
    words = ["inspect", "--home", str(lab.home)] if command == "inspect" else lab.arguments(command)
    if command == "inventory":
        words = ["inventory", "-i", str(lab.directory / "hosts.yaml")]
    terminal = Terminal(lab, words, columns=40)
    # There is no registry, so verify proves nothing.
    assert terminal.end() in (0, 1, 4)
    text = " ".join("\n".join(drawn(terminal)).split())
    assert ("registry.lab" if command == "inspect" else "web-") in text


def test_no_color_and_dumb(lab: Lab) -> None:
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        terminal = Terminal(lab, lab.arguments("status"), **environment)
        assert terminal.end() in (0, 4)
        if "TERM" in environment:
            assert "\x1b" not in terminal.seen
        else:
            assert not re.search(r"\x1b\[[0-9;]*3[0-9]", terminal.seen)


READERS: tuple[tuple[str, ...], ...] = (
    ("--help",),
    ("--version",),
    ("schema", "fleet"),
    ("doctor", "--explain", "x509: certificate signed by unknown authority"),
    ("inspect", "--home", "HOME"),
    ("inventory", "-i", "HOSTS"),
    ("log", "--home", "HOME"),
    ("rotate", "status", "--home", "HOME", "-i", "HOSTS"),
    ("inventory", "-i", "HOSTS", "-o", "json"),
)


@pytest.mark.parametrize("words", READERS, ids=" ".join)
@pytest.mark.parametrize("how", ["| head -c 1", ">&-", ">/dev/full"])
def test_a_standard_output_that_is_no_use(lab: Lab, words: Sequence[str], how: str) -> None:
    places = {"HOME": str(lab.home), "HOSTS": str(lab.directory / "hosts.yaml")}
    command = [sys.executable, "-c", PROGRAM, *(places.get(word, word) for word in words)]
    run = subprocess.run(
        ["sh", "-c", f'{{ "$@"; echo "status $?" >&3; }} 3>&2 {how}', "sh", *command],
        env=lab.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said: Any = run.stdout + run.stderr
    assert "Traceback" not in said and "Exception ignored" not in said, said
    assert "defect" not in said, said
    status = re.search(r"status (\d+)", said)
    assert status and int(status[1]) in (0, 1, 4), said
    assert not list(lab.home.rglob(".certkit-new*"))
