"""Tells apart who said what, where the program ran again as other users.

Root's own lines come first, then for each user ``nesting USER`` (still root's), and between that
and ``end nested`` whatever this user wants printed. So after the first ``nesting`` nothing is
root's word any more but the next ``nesting``, and a user's error is that user's alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from certkit.errors import HostError
from certkit.remote.failures import failure
from certkit.remote.framing import Line, clean, nonsense, unhex_text


class Nested:
    """What one user's run printed.

    Attributes:
        user: As root announced the run.
        lines: Without those that frame it.
        problem: What it reported, or why it cannot be believed; None when neither.
    """

    def __init__(self, user: str) -> None:
        self.user = user
        self.lines: list[Line] = []
        self.problem: HostError | None = None
        self._begun = False
        self._ended = False

    def take(self, line: Line) -> None:
        """Add a line."""
        if line.key == "error":
            try:
                self.refuse(reported(line))
            except HostError as error:
                self.refuse(error)
        elif self._ended:
            self.refuse(nonsense(f"{self.user} went on after its end"))
        elif line.key == "nested":
            if self._begun or clean(line.rest) != self.user:
                self.refuse(nonsense(f"{self.user} began as {line.rest or 'nobody'}"))
            self._begun = True
        elif line.key == "end":
            self._ended = True
        elif not self._begun:
            self.refuse(nonsense(f"{self.user} told something before its beginning"))
        else:
            self.lines.append(line)

    def refuse(self, problem: HostError) -> None:
        """Note what is wrong; the first problem is the cause of those after it."""
        self.problem = self.problem or problem

    def close(self) -> None:
        """Note that nothing more comes."""
        if not self._ended:
            self.refuse(failure("no_nesting", self.user, ""))


def by_teller(lines: Sequence[Line]) -> tuple[list[Line], list[Nested]]:
    """Divide an answer into the login's own lines and those of each user's run.

    Raises:
        HostError: What the login's own program reported.
    """
    own: list[Line] = []
    parts: dict[str, Nested] = {}
    current: Nested | None = None
    for line in lines:
        if line.key == "nesting":
            user = clean(line.rest)
            if current is not None:
                current.close()
            current = parts.get(user)
            if current is None:
                current = parts[user] = Nested(user)
            else:
                # One user can announce another; which of the two runs is true cannot be told.
                current.refuse(nonsense(f"{user} was announced twice"))
        elif line.key == "end" and not line.rest.startswith("nested"):
            continue
        elif current is not None:
            current.take(line)
        elif line.key == "error":
            raise reported(line)
        elif line.key in ("nested", "end"):
            raise nonsense(f"{line.key} {line.rest}, which was not announced")
        else:
            own.append(line)
    if current is not None:
        current.close()
    return own, list(parts.values())


def reported(line: Line) -> HostError:
    """Return what an ``error`` line of the program says."""
    code, subject, detail = (*line.rest.split(" "), "", "")[:3]
    return failure(code, unhex_text(subject), unhex_text(detail))
