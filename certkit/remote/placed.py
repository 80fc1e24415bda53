"""What the host answered to the placing of files: its own word, and apart from it each user's.

The program runs again as each user who has a runtime. What such a run prints is in that user's
hands, so it counts for that user's runtimes only: neither for root's daemons, nor against them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
from certkit.remote.report import (
    FileReport,
    PlaceReport,
    RuntimeReport,
    SettingsKind,
    SettingsReport,
)
from certkit.runtimes.answers import insecure_note
from certkit.runtimes.catalogue import advice

PER_USER = "docker-rootless"
"""The one runtime that belongs to users."""

_FileResult = Literal["same", "changed", "would_change", "foreign"]
_REASONS = ("content", "mode", "owner")


@dataclass
class _Runtime:
    """A runtime's report, while its lines come in."""

    name: str
    user: str
    version: str = ""
    files: list[FileReport] = field(default_factory=list)
    running: int | None = None
    live: bool | None = None
    daemon: bool | None = None
    due: bool = False
    begun: bool = False
    notes: list[str] = field(default_factory=list)
    verification: str = ""
    settings: SettingsReport | None = None

    def report(self, *, nested: bool = False) -> RuntimeReport:
        references = [file.path.rsplit("/", 2)[1] for file in self.files]
        new = any(
            file.result in ("changed", "would_change") and file.previous is None
            for file in self.files
        )
        told = [
            *self.notes,
            *advice(self.name, self.version, references, new),
            *(insecure_note(self.name, reference, self.verification) for reference in references),
        ]
        return RuntimeReport(
            name=self.name,
            user=self.user,
            version=self.version,
            files=tuple(self.files),
            running=self.running,
            live_restore=self.live,
            daemon=self.daemon,
            restart_due=self.due,
            restart_begun=self.begun,
            notes=tuple(dict.fromkeys(line for line in told if line)),
            verification=self.verification,
            nested=nested,
            settings=self.settings,
        )


def decode_place(stdout: bytes, nonce: str) -> PlaceReport:
    """Read the answer to `certkit.remote.program.place`.

    Args:
        stdout: All that the host printed on stdout.
        nonce: The exchange's.

    Raises:
        HostError: What the program reported (disk_full, read_only, permission, conflict, daemon);
            ``shell`` when it did not run or not to its end; ``internal`` for nonsense. What goes
            wrong with a user's own runtime is that runtime's `RuntimeReport.problem`.
    """
    started, epoch = False, None
    host_notes: list[str] = []
    own, nested = by_teller(lines_of(stdout, nonce))
    for line in own:
        words = line.rest.split(" ")
        if line.key == "start":
            started = True
        elif line.key == "clock":
            epoch = moment(unhex_text(words[-1]))
        elif line.key == "hostnote":
            host_notes.append(note(words[0], unhex_text(words[-1])))
    if not started or epoch is None:
        raise nonsense("a part of the answer is missing")
    runtimes = [one.report() for one in _runtimes(own)]
    for part in nested:
        runtimes += _of_user(part)
    return PlaceReport(tuple(runtimes), epoch, tuple(host_notes))


def _runtimes(lines: Sequence[Line]) -> list[_Runtime]:
    """Read the lines about runtimes, in the order in which their files were told of."""
    found: list[_Runtime] = []
    for line in lines:
        words = line.rest.split(" ")
        if line.key == "runtime":
            found.append(_Runtime(clean(words[0]), clean(words[1]) if len(words) > 1 else ""))
        elif line.key == "of":
            owned = [one for one in found if one.name == line.rest]
            if not owned:
                raise nonsense(f"files of {line.rest}, which was not announced")
            found.remove(owned[-1])
            found.append(owned[-1])
        elif line.key in _FIELDS and found:
            _FIELDS[line.key](found[-1], words)
    return found


def _of_user(part: Nested) -> list[RuntimeReport]:
    """Return the reports of one user's run; where it went wrong, each says so."""
    try:
        if part.problem is None:
            return [one.report(nested=True) for one in _checked(part)]
        problem = part.problem
    except HostError as error:
        problem = error
    return [RuntimeReport(PER_USER, part.user, nested=True, problem=problem)]


def _checked(part: Nested) -> list[_Runtime]:
    found = _runtimes(part.lines)
    if any((one.name, one.user) != (PER_USER, part.user) for one in found) or len(found) > 1:
        raise nonsense(f"{part.user} told of other runtimes than its own")
    return found


def _file(runtime: _Runtime, words: list[str]) -> None:
    if len(words) != 3 or words[0] not in get_args(_FileResult):
        raise nonsense(" ".join(words))
    given = words[1].split(",")
    path = unhex_text(words[2])
    if not path.startswith("/") or path.count("/") < 2:
        raise nonsense(f"a file at {path}")
    runtime.files.append(
        FileReport(
            path=path,
            result=cast(_FileResult, words[0]),
            reason=tuple(reason for reason in _REASONS if reason in given),
        )
    )


def _previous(runtime: _Runtime, words: list[str]) -> None:
    if not runtime.files:
        raise nonsense("previous content without a file")
    last = runtime.files[-1]
    runtime.files[-1] = FileReport(last.path, last.result, unhex(words[0]), last.reason)


def _set_version(runtime: _Runtime, words: list[str]) -> None:
    lines = unhex_text(words[0]).strip().splitlines()
    runtime.version = lines[0][:80] if lines else ""


def _set_daemon(runtime: _Runtime, words: list[str]) -> None:
    runtime.daemon = words[0] == "1"


def _set_running(runtime: _Runtime, words: list[str]) -> None:
    runtime.running = number(words[0])


def _set_live(runtime: _Runtime, words: list[str]) -> None:
    runtime.live = words[0] == "1"


def _set_due(runtime: _Runtime, words: list[str]) -> None:
    runtime.due = True
    runtime.begun = words == ["begun"]


def _set_verification(runtime: _Runtime, words: list[str]) -> None:
    runtime.verification = unhex_text(words[0])


def _note(runtime: _Runtime, words: list[str]) -> None:
    runtime.notes.append(note(words[0], unhex_text(words[-1])))


def _set_settings(runtime: _Runtime, words: list[str]) -> None:
    if len(words) != 4 or words[0] not in get_args(SettingsKind):
        raise nonsense("settings that are none")
    runtime.settings = SettingsReport(
        path=unhex_text(words[2]),
        kind=cast(SettingsKind, words[0]),
        content=unhex(words[3]),
        running=number(words[1]) > 0,
    )


def _amend_settings(runtime: _Runtime, **changes: object) -> None:
    if runtime.settings is None:
        raise nonsense("more of settings that were not told")
    runtime.settings = replace(runtime.settings, **changes)  # type: ignore[arg-type]


def _set_flags(runtime: _Runtime, words: list[str]) -> None:
    _amend_settings(runtime, flags=tuple(unhex_text(words[0]).splitlines()))


def _set_unfinished(runtime: _Runtime, _words: list[str]) -> None:
    _amend_settings(runtime, unfinished=True)


_FIELDS = {
    "file": _file,
    "previous": _previous,
    "version": _set_version,
    "daemon": _set_daemon,
    "running": _set_running,
    "live": _set_live,
    "due": _set_due,
    "verification": _set_verification,
    "note": _note,
    "settings": _set_settings,
    "flags": _set_flags,
    "unfinished": _set_unfinished,
}
