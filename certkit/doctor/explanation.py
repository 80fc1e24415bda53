"""The shape of what is known of a client's message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Explanation:
    """What one kind of message means.

    Attributes:
        code: Its name in JSON; the finding of the same name, where there is one.
        said_by: Whose words they are.
        meaning: One sentence.
        causes: What is behind it, the likeliest first.
        next: What to run; ``REGISTRY`` and ``HOST`` stand for what the message does not tell.
    """

    code: str
    said_by: str
    meaning: str
    causes: tuple[str, ...]
    next: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The values for ``json.dumps``."""
        return {
            "code": self.code,
            "said_by": self.said_by,
            "meaning": self.meaning,
            "causes": list(self.causes),
            "next": list(self.next),
        }


LOOK = "certkit doctor REGISTRY --host HOST"
SERVED = "certkit inspect REGISTRY --live"
RENEW = "certkit renew --san NAME && certkit registry deploy --next"
