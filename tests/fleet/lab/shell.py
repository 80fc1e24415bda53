"""Running commands so that a failure says what was run and what it answered."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

Argument = str | Path


class CommandError(AssertionError):
    """A command of the lab ended with an exit code that the caller did not expect.

    An assertion, because in a test it nearly always is one.
    """

    def __init__(self, where: str, result: subprocess.CompletedProcess[str]) -> None:
        command = result.args if isinstance(result.args, str) else shlex.join(map(str, result.args))
        super().__init__(
            f"on {where}: exit {result.returncode}: {command}\n"
            f"--- stdout\n{result.stdout}\n--- stderr\n{result.stderr}"
        )
        self.result = result


def text(output: bytes) -> str:
    """Output of a command as text; bytes that are no UTF-8 must not hide a test's own failure."""
    return output.decode("utf-8", "backslashreplace")


def run(
    argv: Sequence[Argument],
    *,
    where: str = "this machine",
    shown: Sequence[Argument] | str | None = None,
    stdin: str | bytes | None = None,
    check: bool = True,
    timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run a command with no terminal and capture what it says.

    `shown` is the command as the caller wrote it, where `argv` has wrapping around it.
    """
    data = stdin.encode() if isinstance(stdin, str) else stdin or b""
    done = subprocess.run(argv, input=data, capture_output=True, timeout=timeout, check=False)
    result = subprocess.CompletedProcess(
        shown if shown is not None else list(argv),
        done.returncode,
        text(done.stdout),
        text(done.stderr),
    )
    if check and result.returncode != 0:
        raise CommandError(where, result)
    return result
