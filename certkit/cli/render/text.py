"""Text that came from hosts, made fit for a terminal, an XML file or a log."""

from __future__ import annotations

import unicodedata

_UNSAFE = ("Cc", "Cf", "Cs", "Zl", "Zp")


def plain(text: str) -> str:
    """Return one line without anything a terminal obeys: no escape, no line break, no bidi mark."""
    return "".join(
        mark if unicodedata.category(mark) not in _UNSAFE else " " if mark in "\n\t" else "?"
        for mark in text.replace("\r\n", "\n")
    ).strip()
