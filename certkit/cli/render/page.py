"""The page of ``certkit status --html``: one file that needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from certkit import __version__
from certkit.cli.render.standing import (
    SHORT,
    STATES,
    by_urgency,
    days_left,
    ends,
    extremes,
    found_words,
    standing_words,
    state_of,
)
from certkit.cli.render.text import plain
from certkit.fleet.report import BundleEntry, FleetReport, HostResult
from certkit.inventory.folding import count, fold, fold_names

_MARKS = {"ok": "✓", "drift": "!", "failed": "✗", "unreachable": "✗", "skipped": "–"}
_SOON = 30


@dataclass(frozen=True)
class _Expiry:
    """One certificate on the time line.

    Attributes:
        what: Which one it is.
        subject: Its distinguished name.
        day: Of its end, as YYYY-MM-DD.
        left: In words.
        soon: Whether it ends within a month, or has ended.
        share: Where its end lies between now and the last end, in percent.
        sha256: The beginning of its fingerprint.
    """

    what: str
    subject: str
    day: str
    left: str
    soon: bool
    share: float
    sha256: str


def page(report: FleetReport, now: datetime) -> str:
    """Return the page.

    Args:
        report: Of ``certkit status``.
        now: When it ended, with a time zone.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = (files("certkit.cli.render") / "page.html.jinja").read_text("utf-8")
    hosts = by_urgency(report.hosts)
    states = [state_of(host) for host in hosts]
    return environment.from_string(source).render(
        registry=plain(report.registry),
        made=f"{now:%Y-%m-%d %H:%M} UTC",
        version=__version__,
        total=count(len(hosts), "host"),
        tiles=[
            (_MARKS[state], states.count(state), state)
            for state in STATES.values()
            if state in states or state in ("ok", "drift")
        ],
        expiries=_expiries(report, now),
        extremes=extremes(report),
        attention=_attention(hosts),
        troubled=[one for one in hosts if state_of(one) != "ok"],
        hosts=hosts,
        marks=_MARKS,
        plain=plain,
        state_of=state_of,
        found_words=found_words,
        standing_words=standing_words,
    )


def _expiries(report: FleetReport, now: datetime) -> list[_Expiry]:
    entries: list[tuple[str, BundleEntry]] = [("authority", one) for one in report.bundle]
    if report.server is not None:
        entries.append(("registry's certificate", report.server))
    lefts = [(what, one, days_left(one.not_after, now)) for what, one in entries]
    last = max((left for _, _, left in lefts), default=1)
    return [
        _Expiry(
            what,
            plain(one.subject),
            one.not_after[:10],
            ends(one.not_after, now),
            left < _SOON,
            round(100 * max(left, 0) / max(last, 1), 1),
            one.sha256[:SHORT],
        )
        for what, one, left in sorted(lefts, key=lambda item: item[2])
    ]


def _attention(hosts: list[HostResult]) -> list[tuple[str, str, str, str]]:
    """Return what wants attention: kind, hosts, message and cure; the same thing once."""
    rows: list[tuple[str, str, str, str]] = []
    failed = [host for host in hosts if host.error is not None]
    for error, folded in fold(failed, lambda host: host.error):
        if error is not None:
            names = plain(fold_names(host.name for host in folded))
            rows.append((error.kind.value, names, plain(error.message), plain(error.hint)))
    pairs = [(one, host) for host in hosts for one in host.every_finding if one.attention]
    for finding, both in fold(pairs, lambda pair: pair[0]):
        names = plain(fold_names(host.name for _, host in both))
        rows.append((finding.kind, names, plain(finding.message), plain(finding.cure)))
    return rows
