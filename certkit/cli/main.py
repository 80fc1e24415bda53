"""The command line: registers the commands and turns errors into words and exit codes.

The modules of the commands import nothing heavy at their top: what a command needs it imports when
it runs, so that ``--help`` and shell completion answer at once.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Annotated, TextIO, cast

import typer

from certkit import __version__
from certkit.cli.commands import OPTIONS, Commands
from certkit.cli.render.output import STDERR, STDOUT, ClosedStream
from certkit.core_files import forbid_core_files
from certkit.errors import CertkitError, ExitCode

app = typer.Typer(
    name="certkit",
    cls=Commands,
    no_args_is_help=True,
    epilog="Exit codes: 0 done, 1 a host or step failed, 2 bad input, 3 unusable home, "
    "4 attention, 130 interrupted.",
    **OPTIONS,
)


# What typer prints itself, such as --help, does not go by way of STDOUT.
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"certkit {__version__}")
        raise typer.Exit


@app.callback()
def _certkit(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """TLS trust for private container registries: make it, put it on every host, prove it."""


def main() -> None:
    """Run certkit; never shows a traceback for what a user can mend."""
    forbid_core_files()
    _ready_streams()
    sys.exit(_read(run()))


def _ready_streams() -> None:
    """A closed standard input is an empty one; what an encoding lacks is spelled out."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # Taken, or a connection or a file of the home would get the number.
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or cast("TextIO", ClosedStream())
    sys.stderr = sys.stderr or cast("TextIO", ClosedStream())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != "utf-8":
            stream.reconfigure(errors="backslashreplace")


def run() -> int:
    """Run the command line and return the exit status of the contract."""
    try:
        # Not standalone: Ctrl-C at a question would otherwise end in 1.
        returned = app(standalone_mode=False)
    except CertkitError as error:
        _say(error.message, error.hint)
        return error.exit_code.value
    except (typer.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED.value
    except BrokenPipeError:
        STDOUT.abandon()
        return ExitCode.FAILED.value
    except OSError as error:
        if error.filename is None and error.errno in _UNWRITABLE:
            STDOUT.abandon()
            _say(f"standard output could not be written: {error.strerror}", "")
            return ExitCode.FAILED.value
        return _defect(error)
    except Exception as error:  # noqa: BLE001 - the last place where a defect can be put in words
        return _usage(error) or _defect(error)
    return returned if isinstance(returned, int) else ExitCode.DONE.value


def _read(code: int) -> int:
    """Return the exit status, 1 where what was done is not told because nobody could be told."""
    trouble = STDOUT.lost()
    if not trouble:
        return code
    _say(f"standard output could not be written: {trouble}", "what was to be done was done")
    return code if code == ExitCode.INTERRUPTED.value else ExitCode.FAILED.value


def _usage(error: Exception) -> int:
    """Show a usage error of the parser; return 0 for anything else."""
    # Typer carries click under different names in its versions; the protocol is the same.
    show, status = getattr(error, "show", None), getattr(error, "exit_code", None)
    if not callable(show) or not isinstance(status, int):
        return 0
    show(file=STDERR)
    return status


def _defect(error: Exception) -> int:
    if _debugging():
        import traceback

        traceback.print_exception(error, file=cast("TextIO", STDERR))
    first = (str(error).splitlines() or [""])[0]
    _say(
        f"certkit {__version__} met a defect of its own: {type(error).__name__}: {first}",
        "run the same with -vv for the traceback and report it together with the command line",
    )
    return ExitCode.FAILED.value


def _debugging() -> bool:
    flags = [word for word in sys.argv[1:] if word.startswith("-v") and set(word[1:]) == {"v"}]
    return sum(len(word) - 1 for word in flags) > 1 or bool(os.environ.get("CERTKIT_DEBUG"))


def _say(message: str, hint: str) -> None:
    from certkit.cli.render.text import plain

    STDERR.write(f"error: {plain(message)}\n")
    if hint:
        STDERR.write(f"hint: {plain(hint)}\n")
