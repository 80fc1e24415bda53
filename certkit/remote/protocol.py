"""What the remote program answered, as data or as the error it reported.

Every line is ``<nonce> <key> <rest>``; odd bytes travel as hex; ``end`` is the last. See
docs in `certkit.remote.program` and ``program/*.sh`` for what prints them.
"""

from __future__ import annotations

from typing import cast, get_args

from certkit.remote.failures import failure
from certkit.remote.framing import Line, clean, lines_of, nonsense, number, unhex_text
from certkit.remote.nesting import reported
from certkit.remote.placed import decode_place as decode_place
from certkit.remote.report import ProbeReport, RestartReport, RestartResult


def decode_restart(stdout: bytes, nonce: str) -> RestartReport:
    """Read the answer to `certkit.remote.program.restart`.

    Raises:
        HostError: As `decode_place` does. A daemon that did not come back is not an error here:
            the report tells how it ended.
    """
    result: RestartReport | None = None
    journal: list[str] = []
    reason = ""
    restored: bool | None = None
    for line in _without_errors(lines_of(stdout, nonce)):
        words = line.rest.split(" ")
        if line.key == "journal":
            journal = unhex_text(words[0]).splitlines()[-20:]
        elif line.key == "reason":
            reason = clean(line.rest)
        elif line.key == "restored":
            restored = line.rest == "yes"
        elif line.key == "restart" and len(words) >= 3:
            if words[1] not in get_args(RestartResult):
                raise nonsense(f"restart {words[1]}")
            result = RestartReport(
                name=clean(words[0]),
                user=clean(words[3]) if len(words) > 3 else "",
                result=cast(RestartResult, words[1]),
                seconds=number(words[2]) / 100,
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
        restored,
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
        handshake=None if shaken == "-" else number(shaken),
        handshake_text=unhex_text(fields.get("handshake-text", "")),
        pull=number(fields["pull"]),
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
            raise reported(line)
    # Where the program runs itself again as a user, that run has an end of its own.
    begun = [line.rest for line in lines if line.key == "nesting"]
    ended = [line for line in lines if line.key == "end" and line.rest.startswith("nested")]
    if len(begun) != len(ended):
        raise failure("no_nesting", clean(begun[len(ended)]) if begun[len(ended) :] else "", "")
    return lines
