"""What a host answered to `certkit.remote.program.examine`, as plain data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from certkit.errors import HostError
from certkit.remote.framing import Line, clean, lines_of, nonsense, number, unhex, unhex_text
from certkit.remote.nesting import Nested, by_teller
from certkit.remote.placed import PER_USER


@dataclass(frozen=True)
class Reply:
    """How a command ended, and what it said."""

    status: int
    text: str


@dataclass(frozen=True)
class Endpoint:
    """How a registry looks from the host.

    Attributes:
        addresses: Of its name; None when the host cannot tell, empty when there is none.
        status: Exit status of a handshake that trusted nothing; None without openssl.
        chain: What was served, as PEM.
        words: What openssl said of errors.
    """

    addresses: tuple[str, ...] | None = None
    status: int | None = None
    chain: bytes = b""
    words: str = ""


@dataclass
class Answers:
    """The answers about one runtime, or about the host as a whole.

    Attributes:
        replies: By the question's label.
        files: By path: the text; None when there is no such file or it cannot be read.
    """

    replies: dict[str, Reply] = field(default_factory=dict)
    files: dict[str, str | None] = field(default_factory=dict)


@dataclass
class Examination:
    """All of it.

    Attributes:
        epoch: The host's clock, in seconds since 1970, UTC.
        endpoints: By reference.
        general: Answers about the host.
        runtimes: Answers by runtime and user.
        problems: By user: why the run as that user answered nothing that can be believed.
    """

    epoch: int = 0
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    general: Answers = field(default_factory=Answers)
    runtimes: dict[tuple[str, str], Answers] = field(default_factory=dict)
    problems: dict[str, HostError] = field(default_factory=dict)


def decode_examine(stdout: bytes, nonce: str) -> Examination:
    """Read the answer to `certkit.remote.program.examine`.

    Args:
        stdout: All that the host printed on stdout.
        nonce: The exchange's.

    Raises:
        HostError: ``shell`` when the program did not run or not to its end; ``internal`` for
            nonsense. What goes wrong as a user is in `Examination.problems`.
    """
    own, nested = by_teller(lines_of(stdout, nonce))
    result = Examination()
    clock = False
    reference = ""
    rest = []
    for line in own:
        words = line.rest.split(" ")
        if line.key == "clock" and len(words) == 2:
            result.epoch, clock = number(words[1]), True
        elif line.key == "endpoint":
            reference = unhex_text(words[0])
            result.endpoints[reference] = Endpoint()
        elif line.key == "addresses":
            found = tuple(unhex_text(words[0]).split())
            result.endpoints[reference] = Endpoint(found)
        elif line.key == "served" and len(words) == 3:
            before = result.endpoints.get(reference, Endpoint())
            result.endpoints[reference] = Endpoint(
                before.addresses, number(words[0]), unhex(words[1]), unhex_text(words[2])
            )
        else:
            rest.append(line)
    if not clock:
        raise nonsense("a part of the answer is missing")
    result.general, result.runtimes = _answers(rest)
    for part in nested:
        _of_user(part, result)
    return result


def _of_user(part: Nested, result: Examination) -> None:
    """Take what one user's run answered, about that user's runtime alone."""
    problem = part.problem
    if problem is None:
        try:
            _, told = _answers(part.lines)
            if not told.keys() <= {(PER_USER, part.user)}:
                raise nonsense(f"{part.user} told of other runtimes than its own")
            result.runtimes |= told
        except HostError as error:
            problem = error
    if problem is not None:
        result.problems[part.user] = problem


def _answers(lines: Iterable[Line]) -> tuple[Answers, dict[tuple[str, str], Answers]]:
    """Read answers: those before any runtime is named, and those about each runtime."""
    general = about = Answers()
    runtimes: dict[tuple[str, str], Answers] = {}
    for line in lines:
        words = line.rest.split(" ")
        if line.key == "about":
            key = (clean(words[0]), clean(words[1]) if len(words) > 1 else "")
            about = runtimes.setdefault(key, Answers())
        elif line.key == "answer" and len(words) == 3:
            about.replies[unhex_text(words[0])] = Reply(number(words[1]), unhex_text(words[2]))
        elif line.key == "file" and len(words) == 3:
            text = unhex_text(words[2]) if words[1] == "found" else None
            about.files[unhex_text(words[0])] = text
    return general, runtimes
