"""A report survives its JSON, and is drawn as the commands draw it."""

from __future__ import annotations

import pytest

from certkit.demo.replay import drawn, read
from certkit.errors import ErrorKind
from certkit.fleet.report import (
    BundleEntry,
    FleetReport,
    HostResult,
    Outcome,
    Problem,
    Proof,
    RuntimeResult,
)

REFUSED = Problem(ErrorKind.REFUSED, "refuses connections", "switch it on")
REPORT = FleetReport(
    "verify",
    "registry.demo:5000",
    False,
    (BundleEntry("ab", "CN=x", "2036-01-01T00:00:00Z"),),
    [
        HostResult(
            "build-01",
            "127.0.0.1",
            Outcome.UNCHANGED,
            0.5,
            (
                RuntimeResult(
                    "docker",
                    "28",
                    ("/a",),
                    True,
                    ("a note",),
                    (
                        Proof("registry.demo:5000", "ok", "ok", True, "sha256:1"),
                        Proof("r:1", "failed", "failed", False, "", REFUSED),
                    ),
                    ("+ line",),
                ),
            ),
        ),
        HostResult("web-02", "127.0.0.1", Outcome.UNREACHABLE, 0.25, (), REFUSED),
    ],
)


def test_nothing_is_lost() -> None:
    assert read(REPORT.to_json()) == REPORT


def test_it_is_drawn_without_colour_within_its_width() -> None:
    text = drawn(REPORT.to_json(), 78)
    assert "web-02: refuses connections" in text
    assert "\x1b" not in text and max(map(len, text.splitlines())) <= 78


def test_a_report_that_lacks_something_is_refused() -> None:
    with pytest.raises(LookupError):
        read({"command": "verify"})
