"""What a host answered to `certkit.remote.program.examine`, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, cast

from certkit.remote.framing import clean, nonsense, unhex, unhex_text
from certkit.remote.protocol import answer_lines

Content = bytes | Literal["secret", "unreadable"] | None


@dataclass(frozen=True)
class Entry:
    """One name in a directory.

    Attributes:
        name: As it stands there; ``.`` is the directory itself.
        kind: The first letter of ``ls -l``: ``-`` file, ``d`` directory, ``l`` link.
        mode: Permission bits, without setuid and sticky.
        uid: The owner's number.
        content: A file's first 64 KiB; ``secret`` for what may be a private key, which stays on
            the host; None for what is no file (a link that leads nowhere, for instance).
    """

    name: str
    kind: str
    mode: int
    uid: int
    content: Content = None


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
        listings: By path: what is there, ``.`` first; None when there is no such directory.
    """

    replies: dict[str, Reply] = field(default_factory=dict)
    files: dict[str, str | None] = field(default_factory=dict)
    listings: dict[str, list[Entry] | None] = field(default_factory=dict)


@dataclass
class Examination:
    """All of it.

    Attributes:
        epoch: The host's clock, in seconds since 1970, UTC.
        uid: Who asked, on the host.
        endpoints: By reference.
        general: Answers about the host.
        runtimes: Answers by runtime and user.
    """

    epoch: int = 0
    uid: int = 0
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    general: Answers = field(default_factory=Answers)
    runtimes: dict[tuple[str, str], Answers] = field(default_factory=dict)


def decode_examine(stdout: bytes, nonce: str) -> Examination:
    """Read the answer to `certkit.remote.program.examine`.

    Args:
        stdout: All that the host printed on stdout.
        nonce: The exchange's.

    Raises:
        HostError: ``shell`` when the program did not run or not to its end; ``internal`` for
            nonsense.
    """
    result = Examination()
    about = result.general
    reference = listed = ""
    clock = False
    for line in answer_lines(stdout, nonce):
        words = line.rest.split(" ")
        if line.key == "clock" and len(words) == 2:
            result.uid, result.epoch, clock = _number(words[0]), _number(words[1]), True
        elif line.key == "endpoint":
            reference = unhex_text(words[0])
            result.endpoints[reference] = Endpoint()
        elif line.key == "addresses":
            found = tuple(unhex_text(words[0]).split())
            result.endpoints[reference] = Endpoint(found)
        elif line.key == "served" and len(words) == 3:
            before = result.endpoints.get(reference, Endpoint())
            result.endpoints[reference] = Endpoint(
                before.addresses, _number(words[0]), unhex(words[1]), unhex_text(words[2])
            )
        elif line.key == "about":
            key = (clean(words[0]), clean(words[1]) if len(words) > 1 else "")
            about = result.runtimes.setdefault(key, Answers())
        elif line.key == "answer" and len(words) == 3:
            about.replies[unhex_text(words[0])] = Reply(_number(words[1]), unhex_text(words[2]))
        elif line.key == "file" and len(words) == 3:
            text = unhex_text(words[2]) if words[1] == "found" else None
            about.files[unhex_text(words[0])] = text
        elif line.key == "listing":
            listed = unhex_text(words[0])
            about.listings[listed] = None
        elif line.key == "entry":
            about.listings[listed] = [*(about.listings.get(listed) or []), _entry(words)]
    if not clock:
        raise nonsense("a part of the answer is missing")
    return result


def _entry(words: list[str]) -> Entry:
    if len(words) != 5 or len(words[0]) < 10:
        raise nonsense(" ".join(words))
    bits = words[0][1:10]
    mode = sum(1 << (8 - place) for place, letter in enumerate(bits) if letter not in "-ST")
    content: Content = None
    if words[4] in ("secret", "unreadable"):
        content = cast(Literal["secret", "unreadable"], words[4])
    elif words[4] != "-":
        content = unhex(words[4])
    return Entry(unhex_text(words[3]), words[0][0], mode, _number(words[1]), content)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise nonsense(f"not a number: {text}")
    return int(text)
