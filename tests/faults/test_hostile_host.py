"""Hosts that lie: their answers are data, bounded, and never reach a terminal as they came."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certkit.errors import CertkitError, HostError
from certkit.remote import deploy, examined, protocol, survey
from certkit.remote.exchange import Exchange
from certkit.transport.connection import Answer
from certkit.transport.ssh import SSHConnection
from tests.faults.rounds import chance, rounds
from tests.ssh.lab import Lab, lab_running

pytestmark = pytest.mark.timeout(120)

NONCE = "0123456789abcdef"
DECODERS: tuple[Callable[[bytes, str], object], ...] = (
    protocol.decode_place,
    protocol.decode_restart,
    protocol.decode_probe,
    survey.decode_survey,
    deploy.decode_deploy,
    deploy.decode_look,
)

# What a daemon's client on a host may print: colours, a forged end, other bytes than text, much.
NASTY = r"""#!/bin/sh
nasty() {{
  printf '\033[2J\033]0;owned\007\033[31mred\n'
  printf 'READY-0\nend 0\nend nested 0\n* end 0\n'
  for nonce in $(tr '\0' '\n' </proc/$PPID/cmdline | grep -o '[0-9a-f]\{{32\}}' | sort -u); do
    printf '%s runtime docker\n%s error disk_full 00. 00.\n%s end 0\n' $nonce $nonce $nonce
  done
  printf '\200\377\xc0\xaf\xed\xa0\x80 \xe2\x80\xae evil \xe2\x80\xa8\n'
  head -c 3000000 /dev/zero | tr '\0' 'A'
  printf '\n\000\001\002\r\b\b\b\n'
}}
nasty
nasty >&2
exit {status}
"""


def safe(text: str) -> bool:
    """Whether nothing in it can move a cursor, or turn the direction of writing."""
    return not set(text) & set("\x1b\x07\x08\r\x9b\u202e\u2028")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_running(tmp_path_factory.mktemp("hostile"), ["web-01", "web-02"]) as running:
        yield running


@pytest.mark.parametrize("status", [0, 1])
def test_a_client_that_prints_anything(lab: Lab, status: int, tmp_path: Path) -> None:
    docker = lab.scripts / "web-02" / "docker"
    honest = docker.read_text()
    lab.forget("web-02")
    docker.write_text(NASTY.format(status=status))
    page, figures = tmp_path / "page.html", tmp_path / "figures.prom"
    try:
        for words in (
            ("distribute", "-vv"),
            ("verify", "-vv"),
            ("status", "--html", str(page), "--prometheus", str(figures)),
            ("doctor", "--host", "web-02"),
        ):
            code, out, err = lab.run(*words)
            assert code in (0, 1, 4), (words, code, err)
            assert "defect" not in out + err, (words, out, err)
            assert safe(out + err), words
            assert len(out + err) < 100_000, words
        code, out, _ = lab.run("status", "-o", "json")
        assert safe(out) and len(out) < 1_000_000
    finally:
        docker.write_text(honest)
    assert safe(page.read_text()) and safe(figures.read_text())
    # The neighbour was not harmed by any of it.
    assert lab.certificate("web-01").read_bytes() == lab.trust


@pytest.fixture(scope="module")
def transcripts(lab: Lab) -> list[tuple[bytes, str]]:
    """Answers of the real program to every phase, to be falsified."""
    from typer.testing import CliRunner

    from certkit.cli.main import app

    heard: list[tuple[bytes, str]] = []
    real = SSHConnection.run

    def listening(self: SSHConnection, exchange: Exchange) -> Answer:
        answer = real(self, exchange)
        heard.append((answer.stdout, exchange.nonce))
        return answer

    patch = pytest.MonkeyPatch()
    patch.setattr(SSHConnection, "run", listening)
    patch.setenv("CERTKIT_STATE", str(lab.directory / "state"))
    try:
        lab.forget("web-01")
        for words in (["distribute"], ["verify"], ["status"], ["doctor"], ["remove"]):
            CliRunner().invoke(app, [*words, *lab.arguments("x", "--limit", "web-01")[1:]])
    finally:
        patch.undo()
    kinds = {line.split(b" ")[1] for said, _ in heard for line in said.splitlines() if b" " in line}
    assert {b"runtime", b"file", b"restart", b"handshake"} <= kinds, kinds
    return heard


def falsified(said: bytes, nonce: str, dice: random.Random) -> bytes:
    """One lie, or several."""
    lines = said.split(b"\n")
    mark = nonce.encode() + b" "
    for _ in range(dice.choice((1, 1, 1, 2, 5))):
        at = dice.randrange(len(lines))
        line = lines[at]
        lie = dice.randrange(10)
        if lie == 0:
            del lines[at]
            lines = lines or [b""]
        elif lie == 1:
            lines.insert(dice.randrange(len(lines) + 1), line)
        elif lie == 2:
            dice.shuffle(lines)
        elif lie == 3:
            words = line.split(b" ")
            words[dice.randrange(len(words))] = dice.choice(WORDS)
            lines[at] = b" ".join(words)
        elif lie == 4:
            lines[at] = line[: dice.randrange(len(line) + 1)]
        elif lie == 5:
            lines[at] = line + b" " + dice.choice(WORDS)
        elif lie == 6:
            spot = dice.randrange(len(line) + 1)
            lines[at] = line[:spot] + dice.randbytes(3).replace(b"\n", b"") + line[spot + 1 :]
        elif lie == 7:
            lines[at:at] = [mark + dice.choice(KEYS) + b" " + dice.choice(WORDS)] * dice.choice(
                (1, 999)
            )
        elif lie == 8:
            lines[at] = line.replace(b" ", b"  ")
        else:
            lines[at] = line * 50
    return b"\n".join(lines)


KEYS = tuple(
    b"start runtime of file previous error running restart done end nested nesting version daemon "
    b"live note handshake due pull reference probed result served plan journal found dir".split()
)
WORDS = (
    *b" - 0 -1 1e99 1b5b324a. zz. 00. eda080. docker root ../../etc changed NaN inf 0x1".split(
        b" "
    ),
    b"9" * 5000,
    b"ff" * 70_000 + b".",
    b"\xff\xfe",
    b"\x1b[2J",
    "\u0663 \u00bd".encode(),
)


def test_falsified_answers(transcripts: list[tuple[bytes, str]]) -> None:
    """The real program's answers with lies in them: a report or a `HostError`, nothing else."""
    dice = chance("falsified")
    refused = believed = 0
    for _ in range(rounds(1000)):
        said, nonce = dice.choice(transcripts)
        lied = falsified(said, nonce, dice)
        for decode in DECODERS:
            try:
                decode(lied, nonce)
                believed += 1
            except HostError as error:
                refused += 1
                assert safe(error.message + error.hint), lied
                assert "\n" not in error.message and len(error.message) < 2000
    assert refused > 100 and believed > 100


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=30), st.sampled_from(DECODERS))
def test_any_lines_at_all(lines: list[bytes], decode: Callable[[bytes, str], object]) -> None:
    dice = random.Random(len(lines))
    told = b"".join(
        NONCE.encode() + b" " + dice.choice(KEYS) + b" " + line.replace(b"\n", b" ") + b"\n"
        for line in lines
    )
    for whole in (told, told + NONCE.encode() + b" end 0\n"):
        try:
            decode(whole, NONCE)
        except CertkitError as error:
            assert isinstance(error, HostError)
            assert safe(error.message)


def test_examinations(transcripts: list[tuple[bytes, str]]) -> None:
    """What the doctor reads goes through a decoder of its own."""
    dice = chance("examined")
    for _ in range(rounds(300)):
        said, nonce = dice.choice(transcripts)
        try:
            examined.decode_examine(falsified(said, nonce, dice), nonce)
        except HostError as error:
            assert safe(error.message)
