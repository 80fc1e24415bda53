"""The report for people: a folded table, folded errors, one line of sums, what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from certkit.cli.render.screen import STYLES
from certkit.cli.render.text import plain
from certkit.cli.words import say_plain
from certkit.fleet.report import FleetReport, HostResult, Outcome, RuntimeResult
from certkit.inventory.folding import count, fold, fold_names

if TYPE_CHECKING:
    from rich.console import Console

NARROW = 60
"""Columns below which a table becomes lines."""


def show_report(console: Console, report: FleetReport, next_steps: Iterable[str] = ()) -> None:
    """Show how every host ended; hosts that ended alike share a line.

    Args:
        console: Where to.
        report: The run.
        next_steps: Commands worth running now, ready to paste.
    """
    _show_table(console, report)
    _show_diffs(console, report)
    _show_notes(console, report)
    show_errors(console, report)
    say_plain(console)
    say_plain(console, summary_line(report), "bold")
    for step in next_steps:
        say_plain(console, f"next: {step}", "cyan")


def summary_line(report: FleetReport) -> str:
    """Return the sums in one line, outcomes that did not occur left out."""
    summary = report.summary
    parts = [
        f"{summary[outcome.value]} {_word(report, outcome)}"
        for outcome in Outcome
        if summary[outcome.value]
    ]
    ended = "interrupted" if report.interrupted else "done"
    return f"{report.command} {ended}: {count(summary['hosts'], 'host')}: " + ", ".join(parts)


def _word(report: FleetReport, outcome: Outcome) -> str:
    """The outcome in words for people; unchanged says too little of what verify found."""
    if report.command == "verify" and outcome is Outcome.UNCHANGED:
        return "proven"
    return outcome.value.replace("_", " ")


def _show_table(console: Console, report: FleetReport) -> None:
    from rich.table import Table
    from rich.text import Text

    rows = fold(report.hosts, lambda host: (host.outcome, _runtimes(host)))
    if console.width < NARROW:
        for (outcome, runtimes), hosts in rows:
            say_plain(console, f"{_names(hosts)}: {_word(report, outcome)}", STYLES[outcome.value])
            if runtimes:
                say_plain(console, f"  {runtimes}")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("hosts", overflow="fold")
    table.add_column("outcome", no_wrap=True)
    table.add_column("runtimes", overflow="fold")
    table.add_column("seconds", justify="right", no_wrap=True)
    for (outcome, runtimes), hosts in rows:
        table.add_row(
            Text(_names(hosts)),
            Text(_word(report, outcome), style=STYLES[outcome.value]),
            Text(runtimes),
            _seconds(hosts),
        )
    console.print(table)


def _runtimes(host: HostResult) -> str:
    return "; ".join(plain(_runtime(runtime)) for runtime in host.runtimes)


def _runtime(runtime: RuntimeResult) -> str:
    text = f"{runtime.name} {runtime.version}".strip()
    if runtime.restarted:
        text += ", restarted"
    if runtime.proofs:
        proven = all(proof.proven for proof in runtime.proofs)
        checked = all(proof.handshake != "not_checked" for proof in runtime.proofs)
        if proven and not checked:
            text += ", by its pull alone (no openssl there)"
        digests = {proof.digest for proof in runtime.proofs if proof.digest}
        text += "".join(f", pulled {digest[:19]}" for digest in sorted(digests))
    return text


def _seconds(hosts: Sequence[HostResult]) -> str:
    times = [host.seconds for host in hosts]
    low, high = f"{min(times):.1f}", f"{max(times):.1f}"
    return low if low == high else f"{low}-{high}"


def _show_diffs(console: Console, report: FleetReport) -> None:
    lines = [
        (line_set, host)
        for host in report.hosts
        for runtime in host.runtimes
        for line_set in [runtime.diff]
        if line_set
    ]
    for diff, pairs in fold(lines, lambda pair: pair[0]):
        say_plain(console)
        say_plain(console, _names(host for _, host in pairs), "bold")
        for line in diff:
            style = {"+": "green", "-": "red", "~": "yellow"}.get(line[:1], "")
            say_plain(console, f"  {line}", style)


def _show_notes(console: Console, report: FleetReport) -> None:
    notes = [
        (note, host) for host in report.hosts for runtime in host.runtimes for note in runtime.notes
    ]
    if notes:
        say_plain(console)
    for note, pairs in fold(notes, lambda pair: pair[0]):
        say_plain(console, f"note: {_names(host for _, host in pairs)}: {note}", "dim")


def show_errors(console: Console, report: FleetReport) -> None:
    """Show why hosts failed; the same reason once."""
    failed = [host for host in report.hosts if host.error is not None]
    if failed:
        say_plain(console)
    for (error, outcome), hosts in fold(failed, lambda host: (host.error, host.outcome)):
        if error is None:
            continue
        style = STYLES[outcome.value]
        say_plain(console, f"{_names(hosts)}: {error.message}", style)
        if error.hint:
            say_plain(console, f"  {error.hint}")


def _names(hosts: Iterable[HostResult]) -> str:
    return plain(fold_names(host.name for host in hosts))
