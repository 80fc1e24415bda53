"""Encoding and decoding: round trips, and a host that lies."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certkit.errors import ErrorKind, HostError, InputError
from certkit.remote import program, protocol, retire
from certkit.remote.encode import Lines, symbolic
from certkit.remote.failures import _FAILURES, failure
from certkit.remote.framing import clean, unhex

NONCE = "0123456789abcdef"
FOLDER = Path(program.__file__).parent / "program"


def answer(*lines: str) -> bytes:
    return "".join(f"{NONCE} {line}\n" for line in lines).encode()


def hexed(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").hex() + "."


@given(st.binary().filter(lambda content: b"\0" not in content))
def test_blobs_are_lines_that_join_to_the_content(content: bytes) -> None:
    lines = Lines()
    assert lines.add_blob(content) == 1
    assert lines.add_blob(content) == 1
    encoded = lines.to_bytes()
    assert encoded.startswith(b"blob\n|")
    assert encoded.endswith(b"\nblob-end\n")
    inner = encoded[len(b"blob\n") : -len(b"\nblob-end\n")].split(b"\n")
    assert all(line.startswith(b"|") for line in inner)
    assert b"\n".join(line[1:] for line in inner) == content


@given(st.text())
def test_fields_stay_on_their_line_or_are_refused(value: str) -> None:
    lines = Lines()
    try:
        lines.add("key", value)
    except InputError:
        return
    assert lines.to_bytes() == f"key {value}\n".encode()
    assert lines.to_bytes().count(b"\n") == 1


@given(
    path=st.text(min_size=1).filter(lambda text: "\0" not in text),
    previous=st.none() | st.binary(),
    running=st.integers(0, 10**9),
    user=st.from_regex(r"[a-z]{0,8}", fullmatch=True),
    noise=st.binary(),
)
def test_place_round_trip(
    path: str, previous: bytes | None, running: int, user: str, noise: bytes
) -> None:
    path = "/certs.d/" + "".join(mark for mark in path if not 0xD800 <= ord(mark) < 0xE000)
    told = [
        *(
            "start 0",
            "clock =1700000000",
            f"runtime docker {user}".strip(),
            f"version {hexed('26.1.5')}",
        ),
        *("daemon 1", f"running {running}", "live 0", "of docker", "due"),
        f"file changed owner,content {hexed(path)}",
        *([f"previous {previous.hex()}."] if previous is not None else []),
        "end 0",
    ]
    noise = noise.replace(NONCE.encode(), b"")
    report = protocol.decode_place(noise + b"\n" + answer(*told) + noise, NONCE)
    (runtime,) = report.runtimes
    assert (runtime.user, runtime.running, runtime.live_restore) == (user, running, False)
    assert (runtime.version, runtime.daemon, runtime.restart_due) == ("26.1.5", True, True)
    (file,) = runtime.files
    assert (file.path, file.previous) == (clean(path), previous)
    assert file.reason == ("content", "owner")


@given(st.binary(), st.lists(st.text(max_size=60)))
def test_a_lying_host_gives_an_error_or_a_report_never_a_traceback(
    raw: bytes, lines: list[str]
) -> None:
    keys = ("start", "runtime", "of", "file", "previous", "error", "running", "restart", "done")
    told = [f"{keys[n % len(keys)]} {line}" for n, line in enumerate(lines)]
    mixed = (
        raw
        + b"\n"
        + answer(
            *(line.replace("\n", " ").encode("utf-8", "replace").decode() for line in told), "end 0"
        )
    )
    for decode in (protocol.decode_place, protocol.decode_restart, protocol.decode_probe):
        try:
            decode(mixed, NONCE)
        except HostError as error:
            assert clean(error.message) == error.message
            assert "\n" not in error.message


@given(st.text())
def test_clean_leaves_nothing_that_moves_a_cursor(text: str) -> None:
    assert all(mark == "\n" or mark >= " " for mark in clean(text))
    assert not set(clean(text)) & set("\x1b\x7f\x9b\u202e\u200f\u2028")


@pytest.mark.parametrize(
    ("stdout", "kind", "words"),
    [
        (b"", ErrorKind.SHELL, "POSIX shell"),
        (b"This account is \x1b[31mnot available.\n", ErrorKind.SHELL, "not available"),
        (b"READY-" + NONCE.encode(), ErrorKind.SHELL, "nothing was done"),
        (answer("start 0"), ErrorKind.SHELL, "before its last line"),
        (answer("end 0"), ErrorKind.INTERNAL, "missing"),
        (answer("start 0", "end 0"), ErrorKind.INTERNAL, "missing"),
        (answer("clock =1", "end 0"), ErrorKind.INTERNAL, "missing"),
        (answer("start 0", "clock =soon", "end 0"), ErrorKind.INTERNAL, "not a number"),
        (
            answer("start 0", "clock =2026-99-30T16:40:00Z", "end 0"),
            ErrorKind.INTERNAL,
            "not a moment",
        ),
        (answer("start 0", "end nested 0"), ErrorKind.SHELL, "before its last line"),
    ],
)
def test_broken_answers(stdout: bytes, kind: ErrorKind, words: str) -> None:
    with pytest.raises(HostError) as caught:
        protocol.decode_place(stdout, NONCE)
    assert caught.value.kind is kind
    assert words in caught.value.message
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize(
    "told",
    [
        "=1796056800",
        "=2026-11-30T16:40:00Z",
        "=2026-11-30T16:40:00.123456789Z",
        "=2026-11-30T18:10:00.5+01:30",
    ],
)
def test_a_clock_as_date_or_a_daemon_tells_it(told: str) -> None:
    report = protocol.decode_place(answer("start 0", f"clock {told}", "end 0"), NONCE)
    assert report.epoch == 1796056800


def test_reported_failures_reach_the_user_in_words() -> None:
    told = answer("start 0", f"error disk_full {hexed('/etc/x')} {hexed('cat: No space')}", "end 1")
    with pytest.raises(HostError) as caught:
        protocol.decode_place(told, NONCE)
    assert caught.value.kind is ErrorKind.DISK_FULL
    assert caught.value.message == "no space left for /etc/x"


def test_every_code_of_the_program_has_words() -> None:
    text = b"".join(
        program.text_of(parts) for parts in (program._PLACE, program._RESTART, program._PROBE)
    ).decode()
    codes = set(re.findall(r"\bfail ([a-z_]+) ", text))
    assert codes
    assert codes <= set(_FAILURES)
    for code in _FAILURES:
        error = failure(code, "{0} {x}", "{y}")
        assert error.message
        assert error.hint


def test_unhex_refuses_what_is_not_hex() -> None:
    with pytest.raises(HostError):
        unhex("zz.")


def test_modes_as_ls_shows_them() -> None:
    assert [symbolic(mode) for mode in (0o644, 0o600, 0o755)] == [
        "-rw-r--r--",
        "-rw-------",
        "-rwxr-xr-x",
    ]


def programs() -> list[tuple[str, ...]]:
    """Return the parts of each program that the package composes."""
    found = [
        value
        for module in (program, retire)
        for name, value in vars(module).items()
        if re.fullmatch(r"_[A-Z_]+", name)
    ]
    return [parts for parts in found if isinstance(parts, tuple)]


def source(parts: tuple[str, ...]) -> bytes:
    """Return a program as it was written."""
    return b"".join((FOLDER / f"{part}.sh").read_bytes() for part in parts)


@pytest.mark.parametrize("parts", programs(), ids=lambda parts: str(parts[-1]))
def test_the_sent_program_is_plain_ascii_and_means_the_same_without_comments(
    parts: tuple[str, ...],
) -> None:
    written, sent = source(parts), program.text_of(parts)
    assert written.isascii()
    assert b"<<" not in written, (
        "a here-document would lose its indentation, and needs /tmp in bash"
    )
    assert b"\n\n" not in sent, "a shell that splits it into lines would count one line less"
    # What bash says of a function is what it understood: no comment, and every string to the byte.
    understood = [
        subprocess.run(
            ["bash", "--posix", "-c", 'P=$(cat); eval "f() {\n$P\n}"; declare -f f'],
            input=text,
            capture_output=True,
            check=True,
        ).stdout
        for text in (written, sent)
    ]
    assert understood[0] == understood[1] and len(understood[0]) > len(sent)


@pytest.mark.parametrize("shell", [["dash"], ["bash", "--posix"], ["busybox", "sh"]])
def test_the_sent_programs_are_sound_in_every_shell(shell: list[str]) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed here; CI installs it")
    for parts in programs():
        done = subprocess.run(
            [*shell, "-n"], input=program.text_of(parts), capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b""), parts


def test_the_sent_programs_stay_small() -> None:
    """Every host's shell reads them, some 1 ms in dash and 6 in bash for the longest one.

    A fresh TCP connection sends 43 kB in its first two flights; that leaves room for the data.
    """
    for parts in programs():
        assert len(program.text_of(parts)) < 32_000, parts


@pytest.mark.parametrize("parts", programs(), ids=lambda parts: str(parts[-1]))
def test_every_function_that_a_program_calls_is_in_it(parts: tuple[str, ...]) -> None:
    defined = re.compile(r"^([a-z_0-9]+)\(\) *[{(]", re.MULTILINE)
    everywhere = {
        name for part in FOLDER.glob("*.sh") for name in defined.findall(part.read_text("ascii"))
    }
    text = program.text_of(parts).decode()
    here = set(defined.findall(text))
    # The patterns of a case are words, and no commands.
    text = re.sub(r"^[^()\n]*\)", "", text, flags=re.MULTILINE)
    # A word where a command may begin; handed over by name, it follows one that takes functions.
    begin = r"(?:^|[;&|({!`]|\b(?:if|then|elif|else|do|while|until)|each_(?:file|runtime)|\bDO=)"
    called = set(re.findall(begin + r"\s*([a-z_0-9]+)(?=[\s;)]|$)", text, re.MULTILINE))
    assert called & here, "the pattern finds no call at all"
    assert called & everywhere <= here


def test_threads_that_begin_together_have_the_program_stripped_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[object] = []

    def opened(package: str) -> Any:
        made.append(package)
        time.sleep(0.02)
        return files(package)

    monkeypatch.setattr(program, "files", opened)
    program._text_of.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        texts = set(pool.map(lambda _: program.text_of(program._PLACE), range(8)))
    assert len(texts) == 1
    assert len(made) == 1
