"""Lengths of time as people write them: ``30d``, ``12h``, ``90m``."""

from __future__ import annotations

import re
from datetime import timedelta

from certkit.errors import InputError

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_LONGEST = timedelta(days=36500)


def parse_duration(text: str, option: str) -> timedelta:
    """Read a length of time; parts may be joined, as in ``1d12h``.

    Args:
        text: What the user wrote.
        option: The option it came from, for the error.

    Raises:
        InputError: It is not one, or longer than a hundred years.
    """
    parts = re.findall(r"(\d+)([wdhms])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise InputError(
            f"{option} takes a length of time, not '{text[:40]}'",
            f"write a number and a unit (w, d, h, m, s): {option} 30d",
        )
    try:
        length = sum((timedelta(**{_UNITS[u]: int(n)}) for n, u in parts), timedelta())
    except OverflowError:
        length = _LONGEST * 2
    if length > _LONGEST:
        raise InputError(f"{option} {text[:40]} is longer than a hundred years", f"{option} 30d")
    return length
