"""The page in a real browser: nothing hangs over the edge, on a desktop and on a phone."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from certkit.cli.render.page import page
from certkit.errors import ErrorKind
from certkit.fleet.drift.findings import Finding
from certkit.fleet.report import (
    BundleEntry,
    FleetReport,
    HostResult,
    Outcome,
    Problem,
    RuntimeResult,
    Standing,
)
from tests.browser import measured

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
    shown = measured(page(fleet(), NOW), tmp_path, width)
    assert shown.width <= width
    assert (shown.cards, shown.rows) == (2, 54)
    assert shown.foreign == 0, "a host's name became an element"
    assert shown.height > 300
