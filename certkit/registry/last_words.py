"""Out of what a registry said before it ended: why it did."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LIMIT = 300
_TELLING = re.compile(
    r"fatal|panic|error|denied|invalid|not match|cannot|unable|fail|already", re.IGNORECASE
)
# What systemd says when the registry has said why already.
_NOISE = re.compile(r"Failed with result|Main process exited|Scheduled restart|repeated too")


def last_words(journal: Sequence[str]) -> str:
    """Return the line that most likely tells why; a registry says a lot about other things.

    Args:
        journal: Its last lines, of which the last counts most.
    """
    said = [line.strip() for line in journal if line.strip() and not _NOISE.search(line)]
    telling = [line for line in said if _TELLING.search(line)]
    return (telling or said or [""])[-1][-_LIMIT:]
