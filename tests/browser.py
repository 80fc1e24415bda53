"""A page of certkit's in a real browser, headless."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.tiers import need

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)


class Measured(NamedTuple):
    """How a page came out, in pixels and numbers of elements.

    Attributes:
        width: Of all that it shows: more than the screen's, and something hangs over the edge.
        cards: Hosts that want attention, one card each.
        rows: Lines of its tables.
        foreign: Elements that certkit never writes: what a host's words became.
        height: Of all that it shows.
    """

    width: int
    cards: int
    rows: int
    foreign: int
    height: int


def measured(page: str, directory: Path, width: int) -> Measured:
    """Show a page on a screen of some width, in pixels; the directory takes the browser's files."""
    need("browser", None if BROWSER else "no Chromium is installed (apt install chromium)")
    assert BROWSER
    # In a frame, since a browser's own window does not become as narrow as a phone.
    frame = f'<iframe width="{width}" height="800" style="border:0" srcdoc="%s"></iframe>'
    measure = (
        "<script>onload = () => { const d = document.querySelector('iframe').contentDocument;"
        "const count = (what) => d.querySelectorAll(what).length;"
        "document.title = ['measured', d.documentElement.scrollWidth, count('.card'),"
        "count('tbody tr'), count('img, script, a'), d.body.scrollHeight].join(' '); }</script>"
    )
    wrapper = directory / "wrapper.html"
    wrapper.write_text(frame % html.escape(page) + measure)
    shown = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(f"--user-data-dir={directory / 'profile'}", "--virtual-time-budget=2000"),
            *("--dump-dom", wrapper.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    ).stdout
    found = re.search(r"measured((?: \d+){5})", shown)
    assert found, shown[:300]
    return Measured(*map(int, found[1].split()))
