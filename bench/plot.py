"""The suite's figures as bars, in plain SVG."""

from __future__ import annotations

from html import escape
from typing import Any

from bench.bounds import cpu_for_each
from bench.peers import CERTKIT

_LABELS, _BARS, _NUMBERS = 190, 460, 70
_ROW, _HEAD, _GAP = 22, 34, 14


def svg(suite: dict[str, Any]) -> str:
    """One panel of bars for wall near, wall far away, and CPU; lengths are in proportion."""
    peers, hosts = suite["peers"], suite["hosts"]
    delay = suite["delay"] * 1000
    panels = {
        f"First run on {hosts} new hosts, seconds": ("first_wall", "{:.1f}"),
        f"The same with {delay:.0f} ms more for a round trip, seconds": ("delayed_wall", "{:.1f}"),
        "Client CPU for one more host, milliseconds": ("cpu", "{:.1f}"),
    }
    figures = {
        name: {**found, "cpu": cpu_for_each(found, hosts) * 1000} for name, found in peers.items()
    }
    width, panel = _LABELS + _BARS + _NUMBERS, _HEAD + _ROW * len(peers) + _GAP
    shapes = []
    for number, (title, (key, form)) in enumerate(panels.items()):
        values = {name: found[key] for name, found in figures.items()}
        shapes += _panel(title, values, form, panel * number)
    height = panel * len(panels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="13">\n'
        f"<title>certkit beside others on {hosts} hosts</title>\n"
        f'<rect width="{width}" height="{height}" fill="#fff"/>\n'
        + "\n".join(shapes)
        + "\n</svg>\n"
    )


def _panel(title: str, values: dict[str, float], form: str, top: int) -> list[str]:
    longest = max(values.values())
    shapes = [f'<text x="10" y="{top + 22}" font-weight="bold" fill="#222">{escape(title)}</text>']
    for row, (name, value) in enumerate(values.items()):
        y = top + _HEAD + row * _ROW
        length = max(1.0, value / longest * _BARS)
        ours = name == CERTKIT
        weight = ' font-weight="bold"' if ours else ""
        shapes += [
            f'<text x="{_LABELS - 8}" y="{y + 13}" text-anchor="end" fill="#222"{weight}>'
            f"{escape(name)}</text>",
            f'<rect x="{_LABELS}" y="{y + 1}" width="{length:.1f}" height="{_ROW - 6}" '
            f'fill="{"#c2410c" if ours else "#64748b"}"/>',
            f'<text x="{_LABELS + length + 6:.1f}" y="{y + 13}" fill="#222"{weight}>'
            f"{form.format(value)}</text>",
        ]
    return shapes
