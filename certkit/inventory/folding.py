"""Names and numbers of hosts in words: ``web-01 ... web-17`` become ``web-[01-17]``."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

_T = TypeVar("_T")
_K = TypeVar("_K", bound=Hashable)

# The last number of the first label; an address has only digits there and is left as it is.
_NUMBERED = re.compile(r"(?P<head>[^.]*?[^.\d])(?P<digits>\d{1,9})(?P<tail>[^.\d]*(?:\..*)?)")


def fold_names(names: Iterable[str]) -> str:
    """Return names in one line, numbers folded into ranges.

    Args:
        names: Host names; addresses stay as they are.

    Returns:
        Such as ``db, web-[01-03,07].example.com``, in the order of their first name. The ranges
        are those that ``--limit`` reads.
    """
    folded: dict[tuple[str, str], list[str]] = {}
    order: list[tuple[str, str] | str] = []
    for name in dict.fromkeys(names):
        found = _NUMBERED.fullmatch(name) if ":" not in name else None
        if found is None:
            order.append(name)
            continue
        key = (found["head"], found["tail"])
        if key not in folded:
            folded[key] = []
            order.append(key)
        folded[key].append(found["digits"])
    return ", ".join(
        entry if isinstance(entry, str) else _ranges(entry, folded[entry]) for entry in order
    )


def fold(items: Iterable[_T], key: Callable[[_T], _K]) -> list[tuple[_K, list[_T]]]:
    """Group items that share a key, in the order in which the keys first appear."""
    groups: dict[_K, list[_T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.items())


def _ranges(key: tuple[str, str], digits: Sequence[str]) -> str:
    head, tail = key
    if len(digits) == 1:
        return f"{head}{digits[0]}{tail}"
    runs: list[list[str]] = []
    for text in sorted(digits, key=lambda one: (int(one), len(one))):
        if runs and _follows(runs[-1][-1], text):
            runs[-1].append(text)
        else:
            runs.append([text])
    inside = ",".join(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return f"{head}[{inside}]{tail}"


def _follows(before: str, after: str) -> bool:
    """Whether a range may go from one to the other: 09 to 10, 9 to 10, but not 9 to 010."""
    return int(after) == int(before) + 1 and str(int(after)).zfill(len(before)) == after


def count(number: int, noun: str) -> str:
    """Return ``1 host`` or ``3 hosts``."""
    return f"{number} {noun}" + "s" * (number != 1)
