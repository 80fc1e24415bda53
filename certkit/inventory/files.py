"""Getting an inventory's text: from a file, standard input or a script, and only clean text."""

from __future__ import annotations

import os
import re
import shlex
import signal
import stat
import subprocess
import sys
from pathlib import Path

from certkit.errors import InputError
from certkit.inventory.places import shown
from certkit.secret import environment_for_children

MAX_BYTES = 10 * 1024 * 1024
"""Largest inventory that is read: 10,000 hosts with a page of variables each take less."""

SCRIPT_SECONDS = 15.0
"""How long an inventory script may take; Ansible has no bound, and CI jobs hang for it."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85]")
_DATA_SUFFIXES = frozenset((".yaml", ".yml", ".json", ".ini", ".txt"))
_PROGRAM_STARTS = (b"#!", b"\x7fELF")


def read_text(path: Path, source: str | None = None) -> str:
    """Read a file that must be plain UTF-8 text with Unix line ends.

    Args:
        path: The file, or ``-`` for standard input.
        source: What to call it in messages; by default the path.

    Returns:
        Its text.

    Raises:
        InputError: It is missing, unreadable, no file, too large, or not such text.
    """
    name = source or str(path)
    if str(path) == "-":
        raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        return clean(raw, "standard input")
    try:
        with path.open("rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode) and not _is_pipe(file.fileno()):
                raise InputError(f"{shown(name)} is not a file")
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError(
            f"the inventory {shown(name)} does not exist",
            f"name another with -i FILE, or write it: {SHORTEST}",
        ) from None
    except IsADirectoryError:
        raise InputError(
            f"{shown(name)} is a directory",
            "name one file in it, or: ansible-inventory -i DIR --list | certkit ... -i -",
        ) from None
    except OSError as error:
        raise InputError(f"cannot read {shown(name)}: {error.strerror}") from None
    return clean(raw, name, path if path.is_file() else None)


def _is_pipe(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def clean(raw: bytes, name: str, path: Path | None = None) -> str:
    """Decode what was read, and refuse what editors of other systems leave behind.

    Such files mostly work and then fail in one place (a host whose name ends in a carriage
    return); one sentence now is cheaper.

    Args:
        raw: The bytes.
        name: What to call the file in messages.
        path: The file, for commands that mend it; None where there is none, as behind a pipe.

    Returns:
        The text.

    Raises:
        InputError: It is too large, empty, or not UTF-8 text with Unix line ends.
    """
    name = shown(name)
    if len(raw) > MAX_BYTES:
        raise InputError(f"{name} is larger than 10 MB", "is this an inventory?")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{name} is UTF-16", _convert("iconv -f UTF-16 -t UTF-8", path))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(f"{name}:{line}: is not UTF-8 text", "save it as UTF-8") from None
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        hint = "is this an inventory?" if found[0] == "\0" else "remove it"
        raise InputError(f"{name}:{line}: holds a control character ({found[0]!r})", hint)
    # Only now, because these cures would ruin what is no text.
    if text.startswith("\ufeff"):
        raise InputError(
            f"{name} begins with a byte order mark (BOM)",
            _convert(r"sed -i '1s/^\xef\xbb\xbf//'", path),
        )
    if "\r" in text:
        line = text.count("\n", 0, text.index("\r")) + 1
        raise InputError(
            f"{name}:{line}: has Windows line ends (CRLF)", _convert(r"sed -i 's/\r$//'", path)
        )
    if text.startswith("$ANSIBLE_VAULT;"):
        raise InputError(f"{name} is encrypted by ansible-vault", VAULT_HINT)
    if not text.strip():
        raise InputError(f"{name} is empty", SHORTEST)
    return text


def _convert(command: str, path: Path | None) -> str:
    if path is None:
        return "let what wrote it write UTF-8 text with Unix line ends"
    return f"convert it: {command} {shlex.quote(str(path))}"


SHORTEST = "the shortest inventory is one line: hosts: [web01, web02]"
VAULT_HINT = "let Ansible resolve it: ansible-inventory -i FILE --list | certkit ... -i -"


def is_script(path: Path) -> bool:
    """Whether the file is an inventory script: executable, a program, and not named as data.

    The name counts so that a ``hosts.yaml`` on a file system without modes never runs.
    """
    if str(path) == "-" or path.suffix.lower() in _DATA_SUFFIXES:
        return False
    try:
        if not path.is_file() or not os.access(path, os.X_OK):
            return False
        with path.open("rb") as file:
            return file.read(4).startswith(_PROGRAM_STARTS)
    except OSError:
        return False


def run_script(path: Path, seconds: float = SCRIPT_SECONDS) -> str:
    """Run ``SCRIPT --list`` once, without a shell, and return what it printed.

    Args:
        path: The script.
        seconds: How long it may take, children included.

    Returns:
        Its standard output, checked as `clean` does.

    Raises:
        InputError: It cannot run, fails, takes too long or prints no clean text.
    """
    name = shown(path)
    by_hand = f"{shlex.quote(str(path.absolute()))} --list"
    try:
        process = subprocess.Popen(
            [str(path.absolute()), "--list"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment_for_children(),
            start_new_session=True,
        )
    except OSError as error:
        raise InputError(f"cannot run the inventory script {name}: {error.strerror}") from None
    with process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            raise InputError(
                f"the inventory script {name} took longer than {seconds:g} s",
                f"save its answer and use that: {by_hand} > hosts.json",
            ) from None
        except BaseException:
            _end(process)
            raise
    if process.returncode:
        lines = err.decode("utf-8", "replace").strip().splitlines()
        raise InputError(
            f"the inventory script {name} ended with status {process.returncode}",
            f"it said: {shown(lines[-1], 240)}" if lines else f"run it by hand: {by_hand}",
        )
    return clean(out, f"{name} --list")


def _end(process: subprocess.Popen[bytes]) -> None:
    # The whole group: a script's children hold the pipe open long after the script is gone.
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()
    process.communicate()
