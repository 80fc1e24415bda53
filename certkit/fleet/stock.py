"""What a host's answer to the placing of files means."""

from __future__ import annotations

import time

from certkit.errors import ErrorKind, HostError
from certkit.fleet.diff import runtime_diff
from certkit.fleet.job import Job
from certkit.fleet.policy import judge
from certkit.fleet.report import Outcome, Problem, RuntimeResult
from certkit.inventory.model import RestartPolicy
from certkit.remote.report import PlaceReport, RuntimeReport
from certkit.runtimes import catalogue
from certkit.runtimes.state import HostState, RuntimeState

# A certificate is backdated by an hour, so a clock that is off by less does no harm.
_CLOCK_TOLERANCE = 3600


def take_stock(
    job: Job,
    placed: PlaceReport,
    policy: RestartPolicy,
    *,
    check: bool,
    diff: bool,
) -> Problem | None:
    """Turn what a host reported into its results and the restarts that are due.

    Args:
        job: The host; its `runtimes`, `due` and `left` are filled in.
        placed: The report.
        policy: When its daemons may be restarted.
        check: Whether nothing was changed.
        diff: Whether differences are described.

    Returns:
        What is wrong with the host; None when nothing is, or only with a user's own runtime.
    """
    due = []
    foreign = []
    for index, report in enumerate(placed.runtimes):
        apart = _apart(report, removes=job.state.removes)
        job.left = job.left or apart
        changes = [file for file in report.files if file.result in ("changed", "would_change")]
        pending = report.restart_due or any("content" in change.reason for change in changes)
        verdict = judge(report, policy, due=pending)
        notes = [*placed_notes(placed, index), *report.notes]
        if apart is not None:
            notes.append(apart.message)
        elif verdict.restart:
            due.append(index)
            # Advice to restart is no news to who restarts.
            moot = catalogue.advice(report.name, report.version, (), True)
            notes = [note for note in notes if note not in moot]
            notes += ["would be restarted"] * check
        else:
            notes += [verdict.note] * bool(verdict.note)
        if not report.nested:
            foreign += _foreign(report)
        state = state_of(job.state, report)
        job.runtimes.append(
            RuntimeResult(
                name=shown_name(report),
                version=report.version,
                changed=tuple(file.path for file in changes),
                notes=tuple(notes),
                diff=runtime_diff(state, report.files) if diff else (),
            )
        )
    job.due = tuple(due)
    if job.state.removes:
        # What certkit did not put there is none of its business to take away: told, and left.
        return None
    if not placed.runtimes:
        return nothing_found(job.state)
    return _in_the_way(foreign) if foreign else None


def _apart(report: RuntimeReport, *, removes: bool) -> Problem | None:
    """Return what is wrong with a user's own runtime, and is no reason to leave others alone."""
    if report.problem is not None:
        return left_problem(report)
    foreign = [] if removes or not report.nested else _foreign(report)
    return _in_the_way(foreign) if foreign else None


def left_problem(report: RuntimeReport) -> Problem | None:
    """Return why a user's own run failed, with whose it was; None when it did not."""
    if report.problem is None:
        return None
    told = Problem.of(report.problem)
    return told._replace(message=f"{shown_name(report)}: {told.message}")


def shown_name(report: RuntimeReport) -> str:
    """Return a runtime's name as reports have it."""
    return f"{report.name} ({report.user})" if report.user else report.name


def _foreign(report: RuntimeReport) -> list[str]:
    return [file.path for file in report.files if file.result == "foreign"]


def _in_the_way(foreign: list[str]) -> Problem:
    return Problem(
        ErrorKind.CONFLICT,
        f"holds {foreign[0]}, which certkit did not write"
        + (f", and {len(foreign) - 1} more" if len(foreign) > 1 else ""),
        "look at it with --check --diff; --force replaces it",
    )


def placed_end(job: Job, *, check: bool) -> tuple[Outcome, Problem | None]:
    """How a host ends that nothing else went wrong with, and what is wrong with a part of it."""
    if job.left is not None:
        return Outcome.FAILED, job.left
    changed = any(runtime.changed or runtime.restarted for runtime in job.runtimes)
    if check:
        return Outcome.WOULD_CHANGE if changed or job.due else Outcome.UNCHANGED, None
    return Outcome.CHANGED if changed else Outcome.UNCHANGED, None


def state_of(state: HostState, report: RuntimeReport) -> RuntimeState:
    """Return the desired state that a reported runtime belongs to.

    Raises:
        HostError: The host reported a runtime it was not asked about.
    """
    for runtime in state.runtimes:
        if runtime.name == report.name:
            return runtime
    raise HostError(ErrorKind.SHELL, f"reported {report.name!r}, which it was not asked about")


def nothing_found(state: HostState) -> Problem:
    """Return what is wrong with a host that has no runtime."""
    names = ", ".join(runtime.name for runtime in state.runtimes)
    return Problem(
        ErrorKind.DAEMON,
        f"has no container runtime that certkit knows (looked for {names})",
        "install one, name it in the inventory (runtime:), or leave the host out (--exclude)",
    )


def placed_notes(placed: PlaceReport, index: int) -> list[str]:
    """Return the notes on the host as a whole; they are told with its first runtime."""
    return [] if index else [*placed.notes, *_clock_note(placed.epoch)]


def _clock_note(epoch: int) -> list[str]:
    off = epoch - time.time()
    if abs(off) <= _CLOCK_TOLERANCE:
        return []
    side = "ahead of" if off > 0 else "behind"
    return [
        f"its clock is {_span(abs(off))} {side} this machine's; "
        "certificates are refused before and after their time"
    ]


def _span(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
