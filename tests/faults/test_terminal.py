"""Any terminal, and none: Ctrl-C at every question, 40 columns, no colours, a closed stdout."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.cores import FORKS
from tests.ssh.lab import PROGRAM, Lab, lab_running, wait_until

pytestmark = [pytest.mark.timeout(180), FORKS]

MOVES = re.compile(r"\x1b\[[0-9;?]*[A-Za-ln-z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# What counts for more than the terminal itself.
FORCED = ("NO_COLOR", "COLUMNS", "LINES")
# Any of 8, 16, 256 or all colours, of letters or of what is behind them.
HUE = re.compile(r"\x1b\[([0-9;]*;)?(3|4|9|10)[0-8][0-9;]*m")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_running(tmp_path_factory.mktemp("terminal"), ["web-01", "web-02"]) as running:
        yield running


@pytest.fixture(autouse=True)
def _as_it_was(lab: Lab) -> Iterator[None]:
    """One test that fails leaves no slow machine and no lock to the next one."""
    yield
    for name, machine in lab.machines.items():
        lab.release(name)
        lab.at(name, "containers").unlink(missing_ok=True)
        machine.wait_until_idle()


class Terminal:
    """A command on a terminal of its own, which is also its controlling one.

    When the block is left, the command and whatever it has started are gone.
    """

    def __init__(
        self, lab: Lab, arguments: Sequence[str], columns: int = 80, **environment: str
    ) -> None:
        self._ours, self._theirs = pty.openpty()
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.before = termios.tcgetattr(self._theirs)

        def controlling() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.seen = ""
        # A read may end in the middle of a letter.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        wanted = {"TERM": "xterm-256color", **environment}
        self.process = lab.start(
            arguments,
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            text=False,
            start_new_session=True,
            preexec_fn=controlling,
            env={key: value for key, value in lab.environment.items() if key not in FORCED}
            | wanted,
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        # It leads a process group of its own, which may still have members when it is gone.
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)
        os.close(self._ours)
        os.close(self._theirs)

    def read(self, until: str = "", seconds: float = 60) -> str:
        """Read until this is seen, or until the command has ended."""
        deadline = time.monotonic() + seconds
        while not until or until not in self.seen:
            assert time.monotonic() < deadline, self.seen
            # Asked first: what it says as the last thing is there when it has ended.
            ended = self.process.poll() is not None
            if select.select([self._ours], [], [], 0.1)[0]:
                self.seen += self._decoder.decode(os.read(self._ours, 65536))
            elif ended:
                break
        return self.seen

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def end(self, seconds: float = 60) -> int:
        """Read to the end; the exit status. The terminal is as it was found."""
        self.read(seconds=seconds)
        status = self.process.wait(30)
        echo = termios.ECHO | termios.ICANON
        assert termios.tcgetattr(self._theirs)[3] & echo == self.before[3] & echo
        assert "Traceback" not in self.seen and "defect" not in self.seen, self.seen
        return status


def test_ctrl_c_at_a_passphrase(lab: Lab, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Terminal(lab, ["init", "other.lab:5000", "--home", str(home)]) as terminal:
        terminal.read("assphrase")
        terminal.type("secret\x03")
        assert terminal.end() == 130
    assert "secret" not in terminal.seen
    assert not list(home.glob("registries/*"))


def test_ctrl_c_at_the_question_leaves_every_daemon_alone(lab: Lab) -> None:
    for name in lab.machines:
        lab.forget(name)
        lab.put(name, "containers", "one\n")
    with Terminal(lab, lab.arguments("distribute")) as terminal:
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
        lab.hold(name)
    with Terminal(lab, lab.arguments("distribute", "--wave", "1")) as terminal:
        wait_until(lambda: lab.restarts("web-01") + lab.restarts("web-02") > 0, terminal.process)
        terminal.type("\x03")
        terminal.read("again to leave now")
        if times == 1:
            for name in lab.machines:
                lab.release(name)
        else:
            terminal.type("\x03")
        # The second one does not wait for the restart, which has 60 s.
        assert terminal.end(30) == 130
    for name in lab.machines:
        lab.release(name)
        lab.machines[name].wait_until_idle()
        assert lab.certificate(name).read_bytes() == lab.trust
    assert sum(lab.restarts(name) for name in lab.machines) == 1
    assert lab.run("distribute", "--resume")[0] == 0
    assert [lab.restarts(name) for name in lab.machines] == [1, 1]


def words_of(lab: Lab, command: str) -> list[str]:
    if command == "inspect":
        return ["inspect", "--home", str(lab.home)]
    if command == "inventory":
        return ["inventory", "-i", str(lab.directory / "hosts.yaml")]
    return lab.arguments(*command.split())


def drawn(terminal: Terminal) -> tuple[list[str], list[str]]:
    """What was drawn over itself, and the lines that stand at the end; both without colours."""
    text = COLOUR.sub("", terminal.seen).replace("\r\n", "\n")
    lines = [MOVES.sub("", line).split("\r") for line in text.split("\n")]
    return [piece for line in lines for piece in line[:-1]], [line[-1] for line in lines]


ROW = re.compile(r"\S {2,}\S")


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("command", ["distribute", "status", "verify", "inventory"])
def test_no_table_and_no_bar_is_wider_than_the_terminal(
    lab: Lab, command: str, columns: int
) -> None:
    """Else its rows break, and a bar is drawn below itself. Sentences and commands may be wider."""
    # Whichever of these tests comes first.
    assert lab.run("distribute")[0] == 0
    with Terminal(lab, words_of(lab, command), columns) as terminal:
        # There is no registry, so verify proves nothing.
        assert terminal.end() == (1 if command == "verify" else 0)
    over, lines = drawn(terminal)
    rows = [line for line in lines if ROW.search(line)]
    assert bool(rows) == (columns == 80), lines
    assert any(re.match(r"web-(01|\[01-02\])( |:|$)", line) for line in lines), lines
    assert bool(over) == (command != "inventory")
    for line in (*rows, *over):
        assert len(line) <= columns, line


@pytest.mark.parametrize("columns", [40, 80])
def test_labels_stand_above_their_texts_on_a_narrow_terminal(lab: Lab, columns: int) -> None:
    with Terminal(lab, words_of(lab, "inspect"), columns) as terminal:
        assert terminal.end() == 0
    [label] = [line for line in drawn(terminal)[1] if line.startswith("  authority's key")]
    assert (label == "  authority's key") == (columns == 40)


@pytest.mark.parametrize("command", ["status", "distribute --check"])
def test_colours_only_where_they_are_wanted(lab: Lab, command: str) -> None:
    seen = {}
    for mode in ({}, {"NO_COLOR": "1"}, {"TERM": "dumb"}):
        with Terminal(lab, words_of(lab, command), **mode) as terminal:
            terminal.end()
        seen["".join(mode)] = terminal.seen
    assert HUE.search(seen[""]), "nothing would be seen of the others"
    assert not HUE.search(seen["NO_COLOR"])
    assert "\x1b" not in seen["TERM"]


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
