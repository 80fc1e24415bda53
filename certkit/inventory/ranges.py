"""Ranges in host names: ``web[01:20]``, ``db-[a:f]``, ``n[0:9:3]``, ``web[01-20,25]``.

The colon form follows Ansible (``expand_hostname_range``): both ends count, a begin with leading
zeros fixes the width, letters go from a to z and then from A to Z. The dash and comma form is
clush's. An IPv6 address in brackets is no range.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
import string
from collections.abc import Sequence

from certkit.inventory.places import GrammarError, shown

CAP = 100_000
"""Most names that one text may stand for: more is a slip of the keyboard, not a fleet."""

_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_COLON = re.compile(r"([0-9]*|[A-Za-z]):([0-9]+|[A-Za-z])(?::([0-9]+))?")
_DASH = re.compile(r"([0-9]+|[A-Za-z])-([0-9]+|[A-Za-z])")
_SINGLE = re.compile(r"[0-9]+|[A-Za-z]")


def is_ipv6(text: str) -> bool:
    """Whether it is an IPv6 address without brackets, possibly with a ``%zone``."""
    if ":" not in text:  # so most names cost no exception
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def has_range(text: str) -> bool:
    """Whether there is a range in it."""
    if "[" not in text:
        return False
    return any(not is_ipv6(found) for found in _BRACKETS.findall(text))


def expand(text: str) -> list[str]:
    """Write a name with ranges out in full.

    Args:
        text: A host name with any number of ranges, also none.

    Returns:
        The names in order, the last range running fastest.

    Raises:
        GrammarError: A range is malformed or runs backwards, or there are more than `CAP` names.
    """
    if "[" not in text and "]" not in text:
        return [text]
    if len(text) > 1000:
        raise GrammarError(f"the name '{shown(text)}' is too long")
    parts: list[Sequence[str]] = []
    total, end = 1, 0
    for found in _BRACKETS.finditer(text):
        if is_ipv6(found[1]):
            continue
        values = _values(found[1])
        total *= len(values)
        if total > CAP:
            raise GrammarError(
                f"'{shown(text)}' stands for more than {CAP} hosts", "split the range"
            )
        parts += ((text[end : found.start()],), values)
        end = found.end()
    parts.append((text[end:],))
    names = ["".join(pieces) for pieces in itertools.product(*parts)]
    if any("[" in piece[0] or "]" in piece[0] for piece in parts if len(piece) == 1) and not any(
        is_ipv6(inside) for inside in _BRACKETS.findall(names[0])
    ):
        raise GrammarError(
            f"'{shown(text)}' has unbalanced brackets", "write a range as web[01:20]"
        )
    return names


def _values(inside: str) -> list[str]:
    values: list[str] = []
    for item in inside.split(","):
        if _SINGLE.fullmatch(item):
            values.append(item)
            continue
        colon = _COLON.fullmatch(item)
        found = colon or _DASH.fullmatch(item)
        if not found:
            raise GrammarError(
                f"'[{shown(inside)}]' is not a range", "write [01:20], [a:f] or [01-20,25]"
            )
        begin, end, step = found[1] or "0", found[2], int((colon and colon[3]) or 1)
        values += _sequence(begin, end, step, item)
        if len(values) > CAP:
            raise GrammarError(
                f"'[{shown(inside)}]' stands for more than {CAP} hosts", "split the range"
            )
    return values


def _sequence(begin: str, end: str, step: int, item: str) -> Sequence[str]:
    if step < 1:
        raise GrammarError(f"the range '[{shown(item)}]' has a step of 0", "a step is at least 1")
    if begin.isalpha() != end.isalpha():
        raise GrammarError(f"the range '[{shown(item)}]' mixes letters and numbers")
    if begin.isalpha():
        letters = string.ascii_letters
        first, last = letters.index(begin), letters.index(end)
        if first > last:
            raise GrammarError(
                f"the range '[{shown(item)}]' runs backwards", f"write [{end}:{begin}]"
            )
        return letters[first : last + 1 : step]
    width = len(begin) if begin.startswith("0") and len(begin) > 1 else 0
    if width and width != len(end):
        raise GrammarError(
            f"the range '[{shown(item)}]' has ends of different width",
            f"write [{begin}:{end.zfill(width)}] or [{int(begin)}:{end}]",
        )
    if len(end) > 15 or len(begin) > 15:
        raise GrammarError(f"the range '[{shown(item)}]' has too many digits")
    numbers = range(int(begin), int(end) + 1, step)
    if not numbers:
        raise GrammarError(f"the range '[{shown(item)}]' runs backwards", f"write [{end}:{begin}]")
    if len(numbers) > CAP:
        raise GrammarError(f"'[{shown(item)}]' stands for more than {CAP} hosts", "split the range")
    return [str(number).zfill(width) for number in numbers]
