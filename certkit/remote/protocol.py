"""What the remote program answered, as data or as the error it reported.

Every line is ``<nonce> <key> <rest>``; odd bytes travel as hex; ``end`` is the last. See
docs in `certkit.remote.program` and ``program/*.sh`` for what prints them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from certkit.remote.failures import failure, note
from certkit.remote.framing import Line, clean, lines_of, nonsense, unhex, unhex_text
from certkit.remote.report import (
    FileReport,
    PlaceReport,
    ProbeReport,
    RestartReport,
    RestartResult,
    RuntimeReport,
)
from certkit.runtimes.answers import insecure_note
from certkit.runtimes.catalogue import advice

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
    notes: list[str] = field(default_factory=list)
    verification: str = ""

    def report(self) -> RuntimeReport:
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
            notes=tuple(dict.fromkeys(line for line in told if line)),
            verification=self.verification,
        )


def decode_place(stdout: bytes, nonce: str) -> PlaceReport:
    """Read the answer to `certkit.remote.program.place`.

    Args:
        stdout: All that the host printed on stdout.
        nonce: The exchange's.

    Raises:
        HostError: What the program reported (disk_full, read_only, permission, conflict, daemon);
            ``shell`` when it did not run or not to its end; ``internal`` for nonsense.
    """
    epoch: int | None = None
    host_notes: list[str] = []
    found: list[_Runtime] = []
    user = ""
    for line in _without_errors(lines_of(stdout, nonce)):
        words = line.rest.split(" ")
        if line.key == "start":
            epoch = _number(words[-1])
        elif line.key == "nested":
            user = clean(line.rest)
        elif line.key == "hostnote":
            host_notes.append(note(words[0], unhex_text(words[-1])))
        elif line.key == "runtime":
            found.append(_Runtime(clean(words[0]), clean(words[1]) if len(words) > 1 else ""))
        elif line.key == "of":
            owned = [
                one for one in found if one.name == line.rest and (one.user == user or not user)
            ]
            if not owned:
                raise nonsense(f"files of {line.rest}, which was not announced")
            found.remove(owned[-1])
            found.append(owned[-1])
        elif line.key in _FIELDS and found:
            _FIELDS[line.key](found[-1], words)
    if epoch is None:
        raise nonsense("a part of the answer is missing")
    return PlaceReport(tuple(one.report() for one in found), epoch, tuple(host_notes))


def decode_restart(stdout: bytes, nonce: str) -> RestartReport:
    """Read the answer to `certkit.remote.program.restart`.

    Raises:
        HostError: As `decode_place` does. A daemon that did not come back is not an error here:
            the report tells how it ended.
    """
    result: RestartReport | None = None
    journal: list[str] = []
    reason = ""
    for line in _without_errors(lines_of(stdout, nonce)):
        words = line.rest.split(" ")
        if line.key == "journal":
            journal = unhex_text(words[0]).splitlines()[-20:]
        elif line.key == "reason":
            reason = clean(line.rest)
        elif line.key == "restart" and len(words) >= 3:
            if words[1] not in get_args(RestartResult):
                raise nonsense(f"restart {words[1]}")
            result = RestartReport(
                name=clean(words[0]),
                user=clean(words[3]) if len(words) > 3 else "",
                result=cast(RestartResult, words[1]),
                seconds=_number(words[2]) / 100,
            )
    if result is None:
        raise nonsense("no word of the restart")
    return RestartReport(
        result.name,
        result.user,
        result.result,
        result.seconds,
        tuple(line[:400] for line in journal),
        reason,
    )


def decode_probe(stdout: bytes, nonce: str) -> list[ProbeReport]:
    """Read the answer to `certkit.remote.program.probe`: one report for each reference.

    Raises:
        HostError: As `decode_place` does. A failed handshake or pull is not an error here: see
            `certkit.runtimes.answers`.
    """
    reports: list[ProbeReport] = []
    name = user = verification = ""
    fields: dict[str, str] = {}
    digests: set[str] = set()
    for line in _without_errors(lines_of(stdout, nonce)):
        words = line.rest.split(" ")
        if line.key == "probed":
            name, user = clean(words[0]), clean(words[1]) if len(words) > 1 else ""
        elif line.key == "verification":
            verification = unhex_text(line.rest)
        elif line.key == "done":
            reports.append(_probe_report(name, user, fields, digests, verification))
            fields, digests = {}, set()
        elif line.key == "digest":
            digests.add(unhex_text(line.rest))
        else:
            fields[line.key] = line.rest
    return reports


def _probe_report(
    name: str, user: str, fields: dict[str, str], digests: set[str], verification: str
) -> ProbeReport:
    if "reference" not in fields or "pull" not in fields:
        raise nonsense("a probe without its reference or its pull")
    shaken = fields.get("handshake", "-")
    return ProbeReport(
        name=name,
        user=user,
        reference=unhex_text(fields["reference"]),
        handshake=None if shaken == "-" else _number(shaken),
        handshake_text=unhex_text(fields.get("handshake-text", "")),
        pull=_number(fields["pull"]),
        pull_text=unhex_text(fields.get("pull-text", "")),
        digests=tuple(sorted(digests)),
        verification=verification,
        addresses=tuple(unhex_text(fields.get("addresses", "")).split()),
    )


def answer_lines(stdout: bytes, nonce: str) -> list[Line]:
    """Return the lines of an answer in which the program reported no error.

    Raises:
        HostError: What it reported, or that it did not run to its end.
    """
    return _without_errors(lines_of(stdout, nonce))


def _without_errors(lines: list[Line]) -> list[Line]:
    for line in lines:
        if line.key == "error":
            code, subject, detail = (*line.rest.split(" "), "", "")[:3]
            raise failure(code, unhex_text(subject), unhex_text(detail))
    # Where the program runs itself again as a user, that run has an end of its own.
    begun = [line.rest for line in lines if line.key == "nesting"]
    ended = [line for line in lines if line.key == "end" and line.rest.startswith("nested")]
    if len(begun) != len(ended):
        raise failure("no_nesting", clean(begun[len(ended)]) if begun[len(ended) :] else "", "")
    return lines


def _file(runtime: _Runtime, words: list[str]) -> None:
    if len(words) != 3 or words[0] not in get_args(_FileResult):
        raise nonsense(" ".join(words))
    given = words[1].split(",")
    runtime.files.append(
        FileReport(
            path=unhex_text(words[2]),
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
    runtime.running = _number(words[0])


def _set_live(runtime: _Runtime, words: list[str]) -> None:
    runtime.live = words[0] == "1"


def _set_due(runtime: _Runtime, _words: list[str]) -> None:
    runtime.due = True


def _set_verification(runtime: _Runtime, words: list[str]) -> None:
    runtime.verification = unhex_text(words[0])


def _note(runtime: _Runtime, words: list[str]) -> None:
    runtime.notes.append(note(words[0], unhex_text(words[-1])))


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
}


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise nonsense(f"not a number: {text}")
    return int(text)
