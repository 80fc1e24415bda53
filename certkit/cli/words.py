"""Words on a terminal or a pipe: never wrapped, coloured only where that is wanted.

Rich is imported with the first console: a quiet run that prints one document draws nothing.
"""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO, cast

import typer

from certkit.cli.options import DocumentOutput
from certkit.cli.render.output import STDERR, STDOUT
from certkit.cli.render.text import plain
from certkit.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

_ALIGN_UP_TO = 60


def error_console() -> Console:
    """Standard error."""
    from rich.console import Console

    return Console(file=cast("TextIO", STDERR), highlight=False, markup=False)


def console_for(output: DocumentOutput) -> Console:
    """Where human text goes: standard error when standard output carries JSON."""
    from rich.console import Console

    if output is DocumentOutput.JSON:
        return error_console()
    return Console(file=cast("TextIO", STDOUT), highlight=False, markup=False)


def say(console: Console, text: str = "", style: str = "") -> None:
    """Print one line as it is: a wrapped command or fingerprint cannot be pasted."""
    from rich.text import Text

    # Text, not markup: a host's words may hold brackets.
    console.print(Text(text, style=style), soft_wrap=True)


def say_plain(console: Console, text: str = "", style: str = "") -> None:
    """Print one line with words of a host's in it, made fit for a terminal; it may be indented."""
    say(console, f"{'  ' if text.startswith('  ') else ''}{plain(text)}", style)


def is_narrow(console: Console) -> bool:
    """Whether it is a terminal that columns would break on."""
    return console.is_terminal and console.width < _ALIGN_UP_TO


def say_pairs(console: Console, pairs: Iterable[tuple[str, str]], indent: int = 2) -> None:
    """Print label and text pairs in two columns; one below the other on a narrow terminal."""
    from rich.text import Text

    listed = list(pairs)
    width = max((len(label) for label, _ in listed), default=0)
    narrow = is_narrow(console)
    for label, text in listed:
        line = Text(" " * indent)
        line.append(label if narrow else label.ljust(width), style="dim")
        line.append(f"\n{' ' * (indent * 2)}{text}" if narrow else f"  {text}")
        console.print(line, soft_wrap=True)


def say_json(document: dict[str, Any]) -> None:
    """Print the one JSON document on standard output."""
    STDOUT.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def on_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()


def ask_secret(question: str) -> str:
    """Ask on the terminal without echo.

    Raises:
        InputError: The answer was cut off (end of file).
    """
    try:
        return getpass.getpass(question)
    except EOFError:
        raise InputError("no passphrase was typed", "use --passphrase-file FILE") from None


def ask_text(question: str, default: str) -> str:
    """Ask on the terminal, on standard error so that standard output stays clean."""
    return str(typer.prompt(question, default=default, err=True))
