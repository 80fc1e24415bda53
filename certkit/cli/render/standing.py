"""How a fleet stands, for people: hosts that need attention first, then the cures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from certkit.cli.render.summary import NARROW, show_errors
from certkit.cli.render.text import plain
from certkit.cli.words import say_plain
from certkit.fleet.report import FleetReport, HostResult, Outcome, RuntimeResult
from certkit.inventory.folding import count, fold, fold_names

if TYPE_CHECKING:
    from rich.console import Console

STATES = {
    Outcome.UNCHANGED: "ok",
    Outcome.WOULD_CHANGE: "drift",
    Outcome.FAILED: "failed",
    Outcome.UNREACHABLE: "unreachable",
    Outcome.SKIPPED: "skipped",
}
"""How a host stands, in one word."""

SHORT = 12
"""Digits of a fingerprint that tell authorities apart at a glance; reports have all of them."""

_STYLES = {
    "ok": "green",
    "drift": "yellow",
    "failed": "bold red",
    "unreachable": "bold red",
    "skipped": "dim",
}
_ORDER = ("failed", "unreachable", "drift", "skipped", "ok")


def state_of(host: HostResult) -> str:
    """Return the host's state in one word."""
    return STATES.get(host.outcome, host.outcome.value)


def by_urgency(hosts: Iterable[HostResult]) -> list[HostResult]:
    """Return hosts with those that need attention first, else in their order."""
    return sorted(hosts, key=lambda host: _ORDER.index(state_of(host)))


def days_left(not_after: str, now: datetime) -> int:
    """Return the whole days until a time in RFC 3339; negative when it is past."""
    end = datetime.strptime(not_after, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    return (end - now).days


def ends(not_after: str, now: datetime) -> str:
    """Return when that is, in words: ``ends in 30 days``."""
    left = days_left(not_after, now)
    return f"ends in {count(left, 'day')}" if left >= 0 else f"ended {count(-left, 'day')} ago"


def standing_words(runtime: RuntimeResult) -> str:
    """Return one runtime in a few words."""
    words = [f"{runtime.name} {runtime.version}".strip()]
    standing = runtime.standing
    if standing is not None:
        if standing.running:
            words.append(count(standing.running, "container"))
        if standing.live_restore is not None:
            words.append("live-restore" if standing.live_restore else "no live-restore")
        prints = dict.fromkeys(one.sha256[:SHORT] for one in standing.trusts)
        vouched = any(one.kind == "system" for one in standing.findings)
        trusts = " and ".join(prints) or ("by its system" if vouched else "nothing")
        words.append(f"trusts {trusts}")
    return ", ".join(words)


def extremes(report: FleetReport) -> list[str]:
    """Return the host with the least room and the one whose clock is most off, in words."""
    lines = []
    free = [
        (runtime.standing.free, host.name)
        for host in report.hosts
        for runtime in host.runtimes
        if runtime.standing is not None and runtime.standing.free is not None
    ]
    if free:
        least, name = min(free)
        lines.append(f"least room for trust: {least / 10**9:.1f} GB on {plain(name)}")
    clocks = [(host.clock, host.name) for host in report.hosts if host.clock is not None]
    if clocks:
        off, name = max(clocks, key=lambda one: abs(one[0]))
        lines.append(f"clock most off: {off:+.0f} s on {plain(name)}")
    return lines


def found_words(host: HostResult) -> str:
    """Return the kinds of what wants attention, each once."""
    kinds = dict.fromkeys(one.kind for one in host.every_finding if one.attention)
    return ", ".join(kinds)


def show_standing(
    console: Console, report: FleetReport, next_steps: Iterable[str], now: datetime
) -> None:
    """Show how every host stands.

    Args:
        console: Where to.
        report: Of ``certkit status``.
        next_steps: Commands worth running now, ready to paste.
        now: For the days that certificates have left.
    """
    hosts = by_urgency(report.hosts)
    _table(console, hosts)
    _findings(console, hosts)
    show_errors(console, report)
    say_plain(console)
    for entry in report.bundle:
        say_plain(
            console,
            f"authority {entry.sha256[:SHORT]} {entry.subject} {ends(entry.not_after, now)}",
        )
    if report.server is not None:
        say_plain(
            console, f"certificate {report.server.subject} {ends(report.server.not_after, now)}"
        )
    for line in extremes(report):
        say_plain(console, line)
    say_plain(console, standing_line(report), "bold")
    for step in next_steps:
        say_plain(console, f"next: {step}", "cyan")


def standing_line(report: FleetReport) -> str:
    """Return the sums in one line, states that do not occur left out."""
    sums = {state: sum(state_of(one) == state for one in report.hosts) for state in _ORDER}
    ended = "interrupted" if report.interrupted else "done"
    parts = [f"{number} {state}" for state, number in reversed(sums.items()) if number]
    return f"status {ended}: {count(len(report.hosts), 'host')}: " + ", ".join(parts)


def _table(console: Console, hosts: Sequence[HostResult]) -> None:
    from rich.table import Table
    from rich.text import Text

    rows = fold(
        hosts,
        lambda host: (
            state_of(host),
            "; ".join(plain(standing_words(runtime)) for runtime in host.runtimes),
            found_words(host),
        ),
    )
    if console.width < NARROW:
        for (state, runtimes, found), folded in rows:
            say_plain(console, f"{_names(folded)}: {state}", _STYLES[state])
            for text in (runtimes, found):
                if text:
                    say_plain(console, f"  {text}")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("hosts", "state", "runtimes", "found"):
        table.add_column(title, overflow="fold", no_wrap=title == "state")
    for (state, runtimes, found), folded in rows:
        table.add_row(
            Text(_names(folded)), Text(state, style=_STYLES[state]), Text(runtimes), Text(found)
        )
    console.print(table)


def _findings(console: Console, hosts: Sequence[HostResult]) -> None:
    pairs = [(finding, host) for host in hosts for finding in host.every_finding]
    for attention in (True, False):
        chosen = [pair for pair in pairs if pair[0].attention is attention]
        if chosen:
            say_plain(console)
        for finding, folded in fold(chosen, lambda pair: pair[0]):
            names = _names(host for _, host in folded)
            lead = finding.kind if attention else "note"
            say_plain(
                console, f"{lead}: {names}: {finding.message}", "yellow" if attention else "dim"
            )
            if finding.cure:
                say_plain(console, f"  {finding.cure}")


def _names(hosts: Iterable[HostResult]) -> str:
    return plain(fold_names(host.name for host in hosts))
