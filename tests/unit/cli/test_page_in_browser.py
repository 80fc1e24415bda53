"""The page in a real browser: nothing hangs over the edge, on a desktop and on a phone."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest

from certkit.cli.render.page import page
from certkit.errors import ErrorKind
from certkit.fleet.findings import Finding
from certkit.fleet.report import (
    BundleEntry,
    FleetReport,
    HostResult,
    Outcome,
    Problem,
    RuntimeResult,
    Standing,
)
from tests.tiers import need

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
EVIL = "<img src=x onerror=alert(1)><script>alert(1)</script><a href='//x'>"
LONG = "ci-runner-" + "with-a-very-long-name" * 4 + ".eu-central.example.internal"


def fleet() -> FleetReport:
    path = "/etc/docker/certs.d/registry.lab:5000/" + "x" * 120 + ".crt"
    found = Finding("foreign_authority", path, f"{path} makes it trust CN=x as well", f"rm {path}")
    standing = Standing((), (found,), True, 3, True, True, 10**9)
    runtime = RuntimeResult("docker-rootless (somebody)", "26.1.5", standing=standing)
    entry = BundleEntry("a" * 64, "CN=" + "authority " * 12, "2036-05-29T00:00:00Z")
    leaf = BundleEntry("b" * 64, "CN=leaf", "2026-06-20T00:00:00Z")
    many = [
        HostResult(f"host-{n}", f"10.0.1.{n}", Outcome.UNCHANGED, 1.0, (runtime,), clock=0.0)
        for n in range(50)
    ]
    hosts = [
        *many,
        HostResult(LONG, "fd00::1", Outcome.WOULD_CHANGE, 1.0, (runtime,), clock=0.0),
        HostResult(EVIL, EVIL, Outcome.UNCHANGED, 1.0, (RuntimeResult(EVIL),), clock=0.0),
        HostResult("ok", "10.0.0.1", Outcome.UNCHANGED, 1.0, (RuntimeResult("docker"),), clock=0.0),
        HostResult("x", "x", Outcome.UNREACHABLE, 1.0, (), Problem(ErrorKind.DNS, "y" * 200)),
    ]
    return FleetReport("status", "registry.lab:5000", True, (entry,), hosts, server=leaf)


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_nothing_hangs_over_the_edge(tmp_path: Path, width: int) -> None:
    wide, cards, rows, made_by_hosts, high = map(int, measured(tmp_path, width))
    assert wide <= width
    assert (cards, rows) == (2, 54)
    assert made_by_hosts == 0, "a host's name became an element"
    assert high > 300


def measured(tmp_path: Path, width: int) -> list[str]:
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
    wrapper = tmp_path / "wrapper.html"
    wrapper.write_text(frame % html.escape(page(fleet(), NOW)) + measure)
    shown = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=2000"),
            *("--dump-dom", wrapper.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    ).stdout
    found = re.search(r"measured((?: \d+){5})", shown)
    assert found, shown[:300]
    return found.group(1).split()
