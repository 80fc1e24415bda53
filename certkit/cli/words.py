"""Words on a terminal or a pipe: never wrapped, coloured only where that is wanted."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterable
from typing import Any, TextIO, cast

import typer
from rich.console import Console
from rich.text import Text

from certkit.cli.options import DocumentOutput
from certkit.cli.render.output import STANDARD
from certkit.errors import InputError

_ALIGN_UP_TO = 60


def console_for(output: DocumentOutput) -> Console:
    """Where human text goes: standard error when standard output carries JSON."""
    if output is DocumentOutput.JSON:
        return Console(stderr=True, highlight=False, markup=False)
    return Console(file=cast("TextIO", STANDARD), highlight=False, markup=False)


def say(console: Console, text: str = "", style: str = "") -> None:
    """Print one line as it is: a wrapped command or fingerprint cannot be pasted."""
    console.print(Text(text, style=style), soft_wrap=True)


def say_pairs(console: Console, pairs: Iterable[tuple[str, str]], indent: int = 2) -> None:
    """Print label and text pairs in two columns; one below the other on a narrow terminal."""
    listed = list(pairs)
    width = max((len(label) for label, _ in listed), default=0)
    narrow = console.is_terminal and console.width < _ALIGN_UP_TO
    for label, text in listed:
        line = Text(" " * indent)
        line.append(label if narrow else label.ljust(width), style="dim")
        line.append(f"\n{' ' * (indent * 2)}{text}" if narrow else f"  {text}")
        console.print(line, soft_wrap=True)


def say_json(document: dict[str, Any]) -> None:
    """Print the one JSON document on standard output."""
    STANDARD.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


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
