"""What a client's message means: causes, and what to look at next."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from certkit.doctor.explanation import Explanation
from certkit.doctor.messages_files import FILES
from certkit.doctor.messages_reach import REACH, VAGUE
from certkit.doctor.messages_tls import TLS

SCHEMA = "certkit.explain/1"

# From the specific to the general: a message can fit several, and the first ones tell more.
_COMPILED = tuple(
    (re.compile(pattern, re.MULTILINE), explanation)
    for pattern, explanation in (*FILES, *TLS, *REACH)
)
_VAGUE = tuple((re.compile(pattern), explanation) for pattern, explanation in VAGUE)
_REFERENCE = re.compile(r"https?://([A-Za-z0-9.\-]+(?::\d+)?|\[[0-9a-f:]+\](?::\d+)?)/")


def explain(text: str) -> list[Explanation]:
    """Say what a client's message means.

    Args:
        text: As it was pasted, in one line or many.

    Returns:
        What fits, the most specific first; empty when nothing is known of it. Placeholders are
        filled in with what the message tells.
    """
    found = _matching(_COMPILED, text) or _matching(_VAGUE, text)
    asked = _REFERENCE.search(text)
    if asked is None:
        return found
    return [
        replace(one, next=tuple(step.replace("REGISTRY", asked[1]) for step in one.next))
        for one in found
    ]


def _matching(table: Iterable[tuple[re.Pattern[str], Explanation]], text: str) -> list[Explanation]:
    return [explanation for pattern, explanation in table if pattern.search(text)]
