"""OpenSSH's patterns: whether one matches, and which of many do without trying each.

It knows ``*`` and ``?`` only (ssh_config(5), PATTERNS), also in known_hosts, where brackets stand
for themselves as in ``[host]:port``; so this is no `fnmatch`. A pattern is filed under the letters
that it begins or ends with, whichever are more; a name then meets the few patterns filed under its
own letters.
"""

from __future__ import annotations

import re
from functools import lru_cache

_WILD = re.compile(r"[*?]")


def is_wild(pattern: str) -> bool:
    """Whether the pattern can match more than one name."""
    return _WILD.search(pattern) is not None


def covers(pattern: str, name: str) -> bool:
    """Whether one pattern, without a ``!``, matches a name."""
    head, star, tail = pattern.partition("*")
    if is_wild(tail) or "?" in head:
        return _regex(pattern).fullmatch(name) is not None
    if not star:
        return name == pattern
    fits = len(name) >= len(head) + len(tail)
    return fits and name.startswith(head) and name.endswith(tail)


@lru_cache(maxsize=4096)
def _regex(pattern: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    short = re.sub(r"\*+", "*", pattern)
    return re.compile("".join(parts.get(c) or re.escape(c) for c in short), re.DOTALL)


class PatternIndex:
    """Numbers filed under patterns."""

    def __init__(self) -> None:
        self._heads: dict[int, dict[str, list[int]]] = {}
        self._tails: dict[int, dict[str, list[int]]] = {}

    def file(self, pattern: str, number: int) -> None:
        """File a number under a pattern without a ``!``."""
        pieces = _WILD.split(pattern)
        first, last = pieces[0], pieces[-1]
        filed, letters = (self._heads, first) if len(first) >= len(last) else (self._tails, last)
        filed.setdefault(len(letters), {}).setdefault(letters, []).append(number)

    def candidates(self, name: str) -> set[int]:
        """Every number whose pattern may match a name, and some whose pattern does not."""
        found: set[int] = set()
        for length, heads in self._heads.items():
            found.update(heads.get(name[:length], ()))
        for length, tails in self._tails.items():
            found.update(tails.get(name[-length:], ()))
        return found
