"""What a change of trust means, in certificates: subject, fingerprint, expiry, old to new."""

from __future__ import annotations

from certkit.errors import CertkitError
from certkit.remote.report import FileReport
from certkit.runtimes.state import RuntimeState


def describe_change(report: FileReport, wanted: bytes, mode: int, owner: str) -> tuple[str, ...]:
    """Return the lines of one file's difference, as a unified diff marks them.

    Args:
        report: What stood on the host, and what differs.
        wanted: What should stand.
        mode: The permission bits it should have.
        owner: The owner it should have.

    Returns:
        A head line with the path, then ``-`` and ``+`` lines; nothing for a file that is right.
    """
    if report.result == "same":
        return ()
    lines = [report.path]
    old = _certificates(report.previous) if report.previous is not None else ()
    new = _certificates(wanted)
    if report.previous is None:
        lines[0] += " (new)"
    elif report.result == "foreign":
        lines[0] += " (not written by certkit)"
    if report.previous is None or "content" in report.reason or report.result == "foreign":
        lines += [f"- {line}" for line in old if line not in new]
        lines += [f"+ {line}" for line in new if line not in old]
        if report.previous is not None and old == new:
            lines.append("~ the same certificates, written in another way")
    if "mode" in report.reason:
        lines.append(f"~ mode to {mode:04o}")
    if "owner" in report.reason:
        lines.append(f"~ owner to {owner}")
    return tuple(lines)


def runtime_diff(state: RuntimeState, reports: tuple[FileReport, ...]) -> tuple[str, ...]:
    """Return the difference of all files of one runtime, in the order of the state."""
    lines: list[str] = []
    for wanted, report in zip(state.files, reports, strict=False):
        if wanted.absent:
            lines += _describe_removal(report)
            continue
        lines += describe_change(report, wanted.content, wanted.mode, wanted.owner)
    for left_over in reports[len(state.files) :]:
        lines += _describe_removal(left_over)
    return tuple(lines)


def _describe_removal(report: FileReport) -> tuple[str, ...]:
    if report.result == "same" or report.previous is None:
        return ()
    if report.result == "foreign":
        return (f"{report.path} (not written by certkit, and left)",)
    return (f"{report.path} (goes)", *(f"- {line}" for line in _certificates(report.previous)))


def _certificates(data: bytes) -> tuple[str, ...]:
    # Imported here: most runs show no difference, and cryptography takes a while to load.
    from certkit.pki.bundle import (
        colons,
        fingerprint,
        parse_certificates,
        subject_text,
        time_text,
    )

    try:
        found = parse_certificates(data, "the file")
    except CertkitError:
        return (f"{len(data)} bytes that are no certificates",)
    return tuple(
        f"{subject_text(one.subject)}, SHA-256 {colons(fingerprint(one))}, "
        f"valid until {time_text(one.not_valid_after_utc)}"
        for one in found
    )
