"""Hosts that lie: their answers are data, bounded, and never reach a terminal as they came."""

from __future__ import annotations

import json
import random
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certkit.errors import CertkitError, HostError
from certkit.remote import deploy, examined, protocol, retire, survey
from certkit.remote.exchange import Exchange
from certkit.transport.connection import Answer
from certkit.transport.ssh import SSHConnection
from tests.faults.rounds import chance, examples, patience, rounds
from tests.faults.serving import served_lab
from tests.ssh.lab import Lab
from tests.tiers import need
from tests.unit.remote import test_retire as retiring
from tests.unit.remote.sandbox import Sandbox, why_not

pytestmark = pytest.mark.timeout(patience(120))

NONCE = "0123456789abcdef"
DECODERS: tuple[Callable[[bytes, str], object], ...] = (
    protocol.decode_place,
    protocol.decode_restart,
    protocol.decode_probe,
    survey.decode_survey,
    deploy.decode_deploy,
    deploy.decode_look,
    retire.decode_retire,
    examined.decode_examine,
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
    """Whether nothing in it can move a cursor, hide text or turn the direction of writing."""
    kinds = {unicodedata.category(mark) for mark in set(text) - {"\n"}}
    return not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A neighbour, and a host that is the registry's too."""
    with served_lab(tmp_path_factory.mktemp("hostile"), ["web-02", "web-01"]) as running:
        yield running


def typed(lab: Lab, *words: str) -> list[str]:
    """A group's command has its options behind both words."""
    group = 2 if words[0] == "registry" else 1
    return [*words[:group], *lab.arguments("x")[1:], *words[group:]]


@pytest.mark.parametrize("status", [0, 1])
def test_clients_that_print_anything(lab: Lab, status: int, tmp_path: Path) -> None:
    """One machine's docker and openssl, and the registry's reload, which is run there."""
    liars = [lab.scripts / "web-02" / name for name in ("docker", "openssl")]
    honest = [path.read_text() for path in liars]
    inventory = lab.directory / "hosts.yaml"
    sound = inventory.read_text()
    lab.forget("web-02")
    for path in liars:
        path.write_text(NASTY.format(status=status))
    document = json.loads(sound)
    document["registry_host"] |= {"reload_command": str(liars[0]), "timeout": 1}
    # Nobody can tell whether the daemon of such a client is well: that is waited for in vain.
    document["hosts"]["web-02"]["timeout"] = {"restart": 2}
    inventory.write_text(json.dumps(document))
    page, figures = tmp_path / "page.html", tmp_path / "figures.prom"
    try:
        for words in (
            ("distribute", "-vv"),
            ("registry", "deploy"),
            ("registry", "status"),
            ("verify", "-vv"),
            ("status", "--html", str(page), "--prometheus", str(figures)),
            ("doctor", "--host", "web-02"),
        ):
            process = lab.start(typed(lab, *words))
            out, err = process.communicate(timeout=100)
            assert process.returncode in (0, 1, 4), (words, process.returncode, err)
            assert "defect" not in out + err and "Traceback" not in err, (words, out, err)
            assert safe(out + err), words
            assert len(out + err) < 100_000, words
        _, out, _ = lab.run("status", "-o", "json")
        assert safe(out) and len(out) < 1_000_000
    finally:
        inventory.write_text(sound)
        for path, text in zip(liars, honest, strict=True):
            path.write_text(text)
    assert safe(page.read_text()) and safe(figures.read_text())
    # The neighbour was not harmed by any of it.
    assert lab.certificate("web-01").read_bytes() == lab.trust


@pytest.fixture(scope="module")
def transcripts(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[bytes, str]]:
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
        lab.forget("web-02")
        for words in (
            ["distribute"], ["registry", "deploy"], ["registry", "status"], ["verify"], ["status"],
            ["doctor", "--host", "web-02"], ["remove"],
        ):  # fmt: skip
            CliRunner().invoke(app, typed(lab, *words))
    finally:
        patch.undo()
    need("ssh", why_not() or None)
    heard.append(retirement(Sandbox(tmp_path_factory.mktemp("scratch") / "host", "dash", "gnu")))
    for decode in DECODERS:
        assert any(understood(decode, *answer) for answer in heard), decode
    return heard


def retirement(host: Sandbox) -> tuple[bytes, str]:
    """What it says of a daemon that did not pull without its insecure setting."""
    host.fake("dockerd", retiring.DOCKERD)
    host.fake("docker", retiring.DOCKER)
    host.put(retiring.FILE, retiring.BEFORE, 0o640)
    exchange = retire.retire(
        retiring.STATE.runtimes[0], "", (retiring.NAME,), retiring.BEFORE, retiring.AFTER
    )
    number = host.load(exchange)
    retiring.started(host, f'touch "$root/state/stray"\nrun {number}')
    return host.result(number).stdout, exchange.nonce


def understood(decode: Callable[[bytes, str], object], said: bytes, nonce: str) -> bool:
    with suppress(HostError):
        decode(said, nonce)
        return True
    return False


def texts(value: object) -> Iterator[str]:
    """Every text in a report."""
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from texts(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for pair in value.items():
            yield from texts(pair)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from texts(one)


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
    b"live clock note handshake due pull reference probed result served plan journal found "
    b"dir".split()
)
WORDS = (
    *b" - 0 -1 1e99 1b5b324a. zz. 00. eda080. docker root ../../etc changed NaN inf 0x1".split(
        b" "
    ),
    b"9" * 5000,
    b"ff" * 7_000 + b".",
    b"\xff\xfe",
    b"\x1b[2J",
    "\u0663 \u00bd".encode(),
    b"=9999-12-31T23:59:59-23:59",
)


def test_falsified_answers(transcripts: list[tuple[bytes, str]], tried: Counter[str]) -> None:
    """The real program's answers with lies in them: a report or a `HostError`, nothing else."""
    dice = chance("falsified")
    refused: Counter[str] = Counter()
    believed: Counter[str] = Counter()
    for _ in range(rounds(1000)):
        said, nonce = dice.choice(transcripts)
        lied = falsified(said, nonce, dice)
        for decode in DECODERS:
            try:
                report = decode(lied, nonce)
            except HostError as error:
                refused[decode.__name__] += 1
                assert safe(error.message + error.hint), lied
                assert "\n" not in error.message and len(error.message) < 2000
            else:
                believed[decode.__name__] += 1
                assert all(map(safe, texts(report))), (decode, lied)
        tried["answers"] += 1
    assert min(believed[decode.__name__] for decode in DECODERS) > 5, believed
    assert min(refused[decode.__name__] for decode in DECODERS) > 5, refused


@examples(200)
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
