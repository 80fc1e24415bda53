"""What a host answered to `certkit.remote.program.survey`, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from certkit.errors import HostError
from certkit.remote.failures import note
from certkit.remote.framing import (
    Line,
    clean,
    lines_of,
    moment,
    nonsense,
    number,
    unhex,
    unhex_text,
)
from certkit.remote.nesting import Nested, by_teller
from certkit.remote.placed import PER_USER

EntryKind = Literal["file", "private", "directory", "dangling", "unreadable", "other"]


@dataclass(frozen=True)
class Directory:
    """A directory above a file.

    Attributes:
        path: Absolute.
        link: Whether it is a symlink.
        mode: Permission bits.
        uid: The owner's number.
    """

    path: str
    link: bool
    mode: int
    uid: int


@dataclass(frozen=True)
class Entry:
    """One name in a registry's directory.

    Attributes:
        name: As it stands there.
        kind: What it is, or leads to; ``private`` is a file with a private key in it.
        link: Whether it is a symlink.
        mode: Permission bits, a link's own where it is one.
        uid: The owner's number.
        content: Of a certificate file, its first 64 KiB; of a private key, the public half as
            PEM where the host could tell; empty otherwise.
    """

    name: str
    kind: EntryKind
    link: bool = False
    mode: int = 0o644
    uid: int = 0
    content: bytes = b""


@dataclass
class Place:
    """Where one file should stand.

    Attributes:
        path: Of the file, absolute.
        own: Whether what stands there is what certkit last put there.
        directories: Those above it that exist, outermost first; its own is the last.
        entries: What is in its own.
        free: Kilobytes left on its file system; None when not known.
    """

    path: str
    own: bool = False
    directories: list[Directory] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    free: int | None = None


@dataclass
class RuntimeSurvey:
    """One runtime as it was found; see `certkit.remote.report.RuntimeReport` for the words.

    Attributes:
        places: One for each file that should stand.
        shadows: Paths that exist and are read in place of the files.
        elsewhere: Directories of the registry that exist where this runtime does not look.
        left_over: Files that certkit put there for a name or directory that nobody asks for now.
        neighbours: By directory above the places: names of the directories in it.
        settings: The daemon's file, where there is one, and its list of insecure registries.
        problem: Why nothing is known of it: the run as its user went wrong. None when it did not.
    """

    name: str
    user: str = ""
    version: str = ""
    running: int | None = None
    live_restore: bool | None = None
    daemon: bool | None = None
    restart_due: bool = False
    verification: str = ""
    places: list[Place] = field(default_factory=list)
    shadows: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    neighbours: dict[str, tuple[str, ...]] = field(default_factory=dict)
    settings: tuple[str, str] = ("", "")
    problem: HostError | None = None


@dataclass
class HostSurvey:
    """All of a host.

    Attributes:
        runtimes: Those found, in the order of the state.
        epoch: The host's clock, in seconds since 1970, UTC.
        uid: Who asked, on the host: root, or the login where nothing is done as root.
        notes: Things about the host as a whole.
    """

    runtimes: list[RuntimeSurvey] = field(default_factory=list)
    epoch: int = 0
    uid: int = 0
    notes: list[str] = field(default_factory=list)


def decode_survey(stdout: bytes, nonce: str) -> HostSurvey:
    """Read the answer to `certkit.remote.program.survey`.

    Args:
        stdout: All that the host printed on stdout.
        nonce: The exchange's.

    Raises:
        HostError: ``daemon`` when a named runtime is missing; ``shell`` when the program did not
            run or not to its end; ``internal`` for nonsense. What goes wrong with a user's own
            runtime is that runtime's `RuntimeSurvey.problem`.
    """
    result = HostSurvey()
    started = timed = False
    own, nested = by_teller(lines_of(stdout, nonce))
    for line in own:
        words = line.rest.split(" ")
        if line.key == "start":
            result.uid, started = number(words[0]), True
        elif line.key == "clock":
            result.epoch, timed = moment(unhex_text(words[-1])), True
        elif line.key == "hostnote":
            result.notes.append(note(words[0], unhex_text(words[-1])))
    if not (started and timed):
        raise nonsense("a part of the answer is missing")
    result.runtimes = _runtimes(own)
    for part in nested:
        result.runtimes += _of_user(part)
    return result


def _runtimes(lines: Sequence[Line]) -> list[RuntimeSurvey]:
    found: list[RuntimeSurvey] = []
    about: RuntimeSurvey | None = None
    for line in lines:
        words = line.rest.split(" ")
        if line.key == "runtime":
            about = RuntimeSurvey(clean(words[0]), clean(words[1]) if len(words) > 1 else "")
            found.append(about)
        elif line.key == "of":
            about = next((one for one in found if one.name == line.rest), None)
            if about is None:
                raise nonsense(f"places of {line.rest}, which was not announced")
        elif about is not None:
            _read(about, line.key, words)
    return found


def _of_user(part: Nested) -> list[RuntimeSurvey]:
    """Return what one user's run told of that user's runtime; where it went wrong, it says so."""
    problem = part.problem
    if problem is None:
        try:
            found = _runtimes(part.lines)
            if len(found) > 1 or any(
                (one.name, one.user) != (PER_USER, part.user) for one in found
            ):
                raise nonsense(f"{part.user} told of other runtimes than its own")
            return found
        except HostError as error:
            problem = error
    return [RuntimeSurvey(PER_USER, part.user, problem=problem)]


def _read(about: RuntimeSurvey, key: str, words: list[str]) -> None:
    if key == "version":
        lines = unhex_text(words[0]).strip().splitlines()
        about.version = lines[0][:80] if lines else ""
    elif key == "daemon":
        about.daemon = words[0] == "1"
    elif key == "running":
        about.running = number(words[0])
    elif key == "live":
        about.live_restore = words[0] == "1"
    elif key == "verification":
        about.verification = unhex_text(words[0])
    elif key == "due":
        about.restart_due = True
    elif key in ("shadow", "elsewhere", "left"):
        lists = {"shadow": about.shadows, "elsewhere": about.elsewhere, "left": about.left_over}
        lists[key].append(unhex_text(words[0]))
    elif key == "beside" and len(words) == 2:
        about.neighbours[unhex_text(words[0])] = tuple(
            filter(None, unhex_text(words[1]).split("\n"))
        )
    elif key == "insecure" and len(words) == 2:
        about.settings = unhex_text(words[0]), unhex_text(words[1])
    elif key == "place":
        about.places.append(Place(unhex_text(words[0])))
    elif about.places:
        _read_place(about.places[-1], key, words)


def _read_place(place: Place, key: str, words: list[str]) -> None:
    if key == "own":
        place.own = True
    elif key == "free":
        place.free = number(words[0])
    elif key == "dir" and len(words) == 3:
        place.directories.append(
            Directory(unhex_text(words[2]), words[0][:1] == "l", _mode(words[0]), number(words[1]))
        )
    elif key == "entry" and len(words) == 5:
        if words[2] not in get_args(EntryKind):
            raise nonsense(f"entry {words[2]}")
        place.entries.append(
            Entry(
                name=unhex_text(words[3]),
                kind=cast(EntryKind, words[2]),
                link=words[0][:1] == "l",
                mode=_mode(words[0]),
                uid=number(words[1]),
                content=unhex(words[4]),
            )
        )


def _mode(text: str) -> int:
    """Return permission bits as ``ls -l`` shows them; setuid and sticky left out."""
    if len(text) < 10:
        raise nonsense(f"not a mode: {text}")
    return sum(1 << (8 - at) for at, letter in enumerate(text[1:10]) if letter not in "-ST")
