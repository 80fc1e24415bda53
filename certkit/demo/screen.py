"""What the demo puts on the terminal: headings, commands as they are typed, what they said."""

from __future__ import annotations

import textwrap

from rich.console import Console
from rich.text import Text

WIDTH = 80
_INDENT = "  "


class Screen:
    """Prints for people, at most 80 columns wide; plain where NO_COLOR is set or nobody looks.

    Args:
        console: Where to; standard output when left out.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._spaced = True

    def heading(self, text: str) -> None:
        """Begin a part."""
        self._print(f"\n{text}\n", "bold")
        self._spaced = True

    def say(self, text: str) -> None:
        """Print a paragraph."""
        self._print(_fill(text))

    def item(self, text: str) -> None:
        """Print one item of a list."""
        self._print(_fill(text, "  - ", "    "))

    def command(self, text: str) -> None:
        """Print a command as a user would type it."""
        if not self._spaced:
            self._print("")
        self._print(f"{_INDENT}$ {text}", "cyan")

    def output(self, text: str) -> None:
        """Print what a command said, set in from the margin; long lines are folded, not cut."""
        for line in text.rstrip("\n").splitlines():
            bare = line.lstrip(" ")
            margin = _INDENT + " " * (len(line) - len(bare))
            self._print(_fold(bare, margin, margin + _INDENT))

    def shown(self, text: str) -> None:
        """Say what a step has shown."""
        self._print("\n" + _fill(text, "  => ", "     "), "green")

    def failed(self, text: str) -> None:
        """Say what a step did not show."""
        self._print("\n" + _fill(text, "FAILED: "), "bold red")

    def _print(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style))
        self._spaced = False


def _fold(line: str, first: str, others: str) -> str:
    return textwrap.fill(
        line,
        WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_on_hyphens=False,
        replace_whitespace=False,
        drop_whitespace=True,
    )


def _fill(text: str, first: str = "", others: str = "") -> str:
    return textwrap.fill(
        " ".join(text.split()),
        WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
