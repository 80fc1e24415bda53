"""Finds the program's lines in whatever a host printed.

A host's output is hostile: it is capped, and nothing of it reaches a terminal with its control
characters.
"""

from __future__ import annotations

import binascii
import re
import unicodedata
from datetime import datetime
from typing import NamedTuple

from certkit.errors import ErrorKind, HostError

# Far above anything the program prints; a host that prints more is broken or hostile.
_MAX_LINES = 20_000
_MAX_LINE = 300_000
_SHOWN = 200
# Without fractions of the second: Go prints up to nine digits, and Python 3.10 reads three or six.
_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d).*?(Z|[+-]\d\d:\d\d)", re.ASCII)


class Line(NamedTuple):
    """One line of the program: a word, and the rest."""

    key: str
    rest: str


def lines_of(stdout: bytes, nonce: str) -> list[Line]:
    """Return the program's lines, in order, without the ``end`` line.

    Args:
        stdout: All that the host printed, login noise included.
        nonce: The exchange's.

    Raises:
        HostError: ``shell`` when the program never ran or was cut short.
    """
    mark = nonce.encode() + b" "
    found: list[Line] = []
    whole = False
    for raw in stdout.split(b"\n"):
        # Noise without a newline may stand before the program's first line.
        start = raw.find(mark)
        if start < 0 or len(raw) > _MAX_LINE:
            continue
        text = raw[start + len(mark) :].rstrip(b"\r").decode("utf-8", "replace")
        key, _, rest = text.partition(" ")
        if key == "end" and not rest.startswith("nested"):
            whole = True
        found.append(Line(key, rest))
        if len(found) > _MAX_LINES:
            raise nonsense("too many lines")
    if not found:
        raise HostError(*_never_ran(stdout, nonce))
    if not whole:
        raise HostError(
            ErrorKind.SHELL,
            "the program on the host ended before its last line, so what it did is not known",
            "run the same command again: it finds out, and finishes what is left",
            retryable=True,
        )
    return found


def _never_ran(stdout: bytes, nonce: str) -> tuple[ErrorKind, str, str]:
    ready = b"READY-" + nonce.encode()
    if ready in stdout:
        return (
            ErrorKind.SHELL,
            "the host's shell started, but the program did not reach it whole; nothing was done",
            "run the same command again; a shell start-up file that reads stdin can cause this",
        )
    shown = " ".join(clean(stdout[:_SHOWN].decode("utf-8", "replace")).split())
    return (
        ErrorKind.SHELL,
        "the host did not run a POSIX shell" + (f"; it said: {shown}" if shown else ""),
        "the login needs /bin/sh: no restricted shell, no forced command",
    )


def nonsense(what: str) -> HostError:
    """Return the error for an answer that the program cannot have given."""
    shown = " ".join(clean(what).split())[:_SHOWN]
    return HostError(
        ErrorKind.INTERNAL,
        f"the host's answer makes no sense: {shown}",
        "please report this, with -v output",
    )


def number(text: str) -> int:
    """Return a plain decimal number.

    Raises:
        HostError: ``internal``: it is none.
    """
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise nonsense(f"not a number: {text}")
    return int(text)


def moment(text: str) -> int:
    """Return a moment in seconds since 1970, UTC, from such a number or from RFC 3339.

    Raises:
        HostError: ``internal``: it is neither.
    """
    found = _RFC_3339.fullmatch(text)
    if found is None:
        return number(text)
    try:
        return int(datetime.fromisoformat(found[1] + found[2].replace("Z", "+00:00")).timestamp())
    except (ValueError, OverflowError):
        raise nonsense(f"not a moment: {text}") from None


def unhex(text: str) -> bytes:
    """Return what the program's ``word`` or ``hex`` wrote: plain behind ``=``, else hex digits.

    Raises:
        HostError: ``internal``: it is not hex.
    """
    if text.startswith("="):
        return text[1:].encode()
    try:
        return binascii.unhexlify(text.removesuffix("."))
    except (binascii.Error, ValueError):
        raise nonsense(f"not hex: {text}") from None


def unhex_text(text: str) -> str:
    """Return hex as text that is fit for a report: valid Unicode, no control characters."""
    return clean(unhex(text).decode("utf-8", "replace"))


def clean(text: str) -> str:
    """Replace what could move a cursor, hide text or turn its direction; keep line ends."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        mark
        if mark == "\n" or unicodedata.category(mark) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else " "
        if mark == "\t"
        else "\N{REPLACEMENT CHARACTER}"
        for mark in text.replace("\r\n", "\n")
    )
