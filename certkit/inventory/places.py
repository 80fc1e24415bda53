"""Where a value stands in a file, and how a bad one is refused in one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NamedTuple, NoReturn

from certkit.errors import InputError


class GrammarError(ValueError):
    """A value that breaks its grammar; whoever knows the place turns it into an InputError.

    Args:
        message: Reads well after the place and the name of the key.
        hint: What to write instead.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Place(NamedTuple):
    """One spot in an inventory.

    Attributes:
        source: The file, as the user named it.
        line: Counted from 1; 0 where the format keeps no lines (JSON).
        column: Counted from 1; 0 where unknown.
        what: Whose value it is: ``host web01``, ``group web``, ``defaults``.
    """

    source: str
    line: int = 0
    column: int = 0
    what: str = ""

    @property
    def origin(self) -> str:
        """As ``--explain`` shows it: ``hosts.yaml:12 host web01``."""
        spot = f"{self.source}:{self.line}" if self.line else self.source
        return f"{spot} {self.what}".rstrip()

    def __str__(self) -> str:
        if not self.line:
            return f"{self.source} ({self.what})" if self.what else self.source
        column = f":{self.column}" if self.column else ""
        return f"{self.source}:{self.line}{column}"

    def refuse(self, message: str, hint: str = "") -> NoReturn:
        """Raise the InputError that points here."""
        raise InputError(f"{self}: {message}", hint)


def shown(text: object, limit: int = 80) -> str:
    """A value made fit for an error message: short, and unable to move a terminal's cursor."""
    raw = str(text)
    raw = raw if len(raw) <= limit else f"{raw[: limit - 3]}..."
    if raw.isprintable():
        return raw
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in raw)


def suggest(word: str, known: Iterable[str]) -> str:
    """``did you mean 'user'?``, or an empty text when nothing comes near."""
    names = sorted(known)
    near = difflib.get_close_matches(word.lower().replace("-", "_"), names, 1, 0.6)
    near = near or [name for name in names if len(word) >= 3 and name.startswith(word.lower())]
    return f"did you mean '{near[0]}'?" if near else ""
