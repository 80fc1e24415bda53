from __future__ import annotations

import io
import json
from importlib.resources import files
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from rich.console import Console

from certkit.cli.render.junit import junit
from certkit.cli.render.screen import Screen
from certkit.cli.render.summary import show_report
from certkit.cli.render.text import plain
from certkit.errors import ErrorKind
from certkit.fleet.events import HostFinished, HostRetrying, PhaseStarted, RunStopping
from certkit.fleet.report import (
    BundleEntry,
    FleetReport,
    HostResult,
    Outcome,
    Problem,
    Proof,
    RuntimeResult,
)
from certkit.inventory.folding import fold_names
from certkit.inventory.ranges import expand

SCHEMA = json.loads(files("certkit").joinpath("schemas/fleet.schema.json").read_text("utf-8"))
SUDO = Problem(ErrorKind.SUDO, "sudo needs a password", "give it with -K")
HOSTILE = "a\x1b[31mb\x07c\u202ed\r\ne"


def host(name: str, outcome: Outcome, error: Problem | None = None, **more: Any) -> HostResult:
    runtime = RuntimeResult("docker", "26.1.5", **more)
    return HostResult(name, "10.0.0.1", outcome, 0.1234, (runtime,), error)


def report(*hosts: HostResult, **more: Any) -> FleetReport:
    entry = BundleEntry("0" * 64, "CN=ca", "2036-01-01T00:00:00Z")
    return FleetReport("distribute", "registry.lab:5000", False, (entry,), list(hosts), **more)


def shown(what: FleetReport, width: int = 100, steps: tuple[str, ...] = ()) -> str:
    out = io.StringIO()
    show_report(Console(file=out, width=width, highlight=False, markup=False), what, steps)
    return out.getvalue()


@pytest.mark.parametrize(
    ("names", "folded"),
    [
        ([f"web-{n:02}" for n in range(1, 18)], "web-[01-17]"),
        (["web-1", "web-2", "web-10", "web-9"], "web-[1-2,9-10]"),
        (["web-09", "web-10", "web-9"], "web-[9,09-10]"),
        (["a1.example.com", "a2.example.com", "db"], "a[1-2].example.com, db"),
        (["10.0.0.1", "10.0.0.2"], "10.0.0.1, 10.0.0.2"),
        (["fe80::1", "fe80::2"], "fe80::1, fe80::2"),
        (["one"], "one"),
        ([], ""),
    ],
)
def test_names_fold(names: list[str], folded: str) -> None:
    assert fold_names(names) == folded


@given(st.sets(st.integers(0, 130), min_size=1), st.sampled_from([0, 3]))
def test_what_is_folded_can_be_unfolded(numbers: set[int], width: int) -> None:
    names = {f"web-{str(number).zfill(width)}.lab" for number in numbers}
    folded = fold_names(sorted(names))
    assert set(expand(folded)) == names


def test_identical_errors_are_one_line_with_their_cure() -> None:
    hosts = [host(f"web-{n:02}", Outcome.FAILED, SUDO) for n in range(1, 18)]
    text = shown(report(*hosts, host("db", Outcome.CHANGED, restarted=True)))
    assert text.count("sudo needs a password") == 1
    assert "web-[01-17]: sudo needs a password\n  give it with -K\n" in text
    assert "docker 26.1.5, restarted" in text
    assert "18 hosts: 1 changed, 17 failed" in text


def test_verify_says_proven() -> None:
    proof = Proof("r:1", "not_checked", "ok", True, "")
    what = report(host("a", Outcome.UNCHANGED, proofs=(proof,)))
    what.command = "verify"
    text = shown(what)
    assert "verify done: 1 host: 1 proven" in text and "no openssl there" in text


def test_notes_and_diffs_fold_too() -> None:
    hosts = [
        host(f"w{n}", Outcome.WOULD_CHANGE, notes=("clock",), diff=("/p (new)", "+ CN=x"))
        for n in range(1, 4)
    ]
    text = shown(report(*hosts))
    assert text.count("+ CN=x") == 1 and "note: w[1-3]: clock" in text


@pytest.mark.parametrize("width", [40, 120])
def test_what_hosts_say_cannot_touch_the_terminal(width: int) -> None:
    problem = Problem(ErrorKind.SHELL, HOSTILE, HOSTILE)
    text = shown(report(host("web", Outcome.FAILED, problem, notes=(HOSTILE,))), width)
    assert not any(mark in text for mark in "\x1b\x07\u202e\r")
    assert plain(HOSTILE) == "a?[31mb?c?d e"


def test_a_narrow_terminal_loses_nothing() -> None:
    text = shown(report(host("web", Outcome.FAILED, SUDO)), 40, ("certkit verify",))
    assert "web: failed" in text and "docker 26.1.5" in text and "next: certkit verify" in text


def test_every_kind_and_outcome_fits_the_schema() -> None:
    hosts = [
        host(f"h{n}", outcome, Problem(kind, "m"))
        for n, (outcome, kind) in enumerate((o, k) for o in Outcome for k in ErrorKind)
    ]
    proof = Proof("r:1", "ok", "ok", True, "sha256:" + "0" * 64)
    hosts.append(host("p", Outcome.UNCHANGED, proofs=(proof,), diff=("x",)))
    document = report(*hosts).to_json()
    validator = Draft202012Validator(SCHEMA)
    Draft202012Validator.check_schema(SCHEMA)
    validator.validate(document)
    for spoil in (
        lambda d: d["hosts"][0].update(outcome="fine"),
        lambda d: d["hosts"][0]["error"].update(kind="other"),
        lambda d: d["summary"].pop("hosts"),
        lambda d: d.update(extra=1),
    ):
        spoiled = json.loads(json.dumps(document))
        spoil(spoiled)
        assert not validator.is_valid(spoiled)


def test_junit_tells_failures_errors_and_skips_apart() -> None:
    hosts = [
        host("a", Outcome.CHANGED, changed=("/p",)),
        host("b", Outcome.FAILED, Problem(ErrorKind.SHELL, HOSTILE + "<&>\x00", "h")),
        host("c", Outcome.UNREACHABLE, Problem(ErrorKind.DNS, "d")),
        host("d", Outcome.ROLLED_BACK, Problem(ErrorKind.DAEMON, "d")),
        host("e", Outcome.SKIPPED),
    ]
    root = ElementTree.fromstring(junit(report(*hosts)).encode())
    suite = root.find("testsuite")
    assert suite is not None
    counts = {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "5", "failures": "2", "errors": "1", "skipped": "1"}
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    failure = cases["b"].find("failure")
    assert failure is not None and failure.get("type") == "shell"
    assert "<&>" in (failure.get("message") or "")
    assert cases["a"].find("failure") is None


EVENTS = (
    PhaseStarted("place", 2),
    HostRetrying("a", "is busy", 1, 1.0),
    HostFinished(host("a", Outcome.FAILED, SUDO)),
    RunStopping("too many failed", 1),
)


def screened(**how: Any) -> str:
    out = io.StringIO()
    terminal = how.pop("terminal", False)
    console = Console(
        file=out,
        force_terminal=terminal,
        width=80,
        highlight=False,
        markup=False,
        color_system=None,
    )
    screen = Screen(None if how.pop("quiet", False) else console, **how)
    with screen.shown():
        for event in EVENTS:
            screen(event)
    return out.getvalue()


def test_no_progress_on_a_pipe_and_none_when_quiet() -> None:
    assert screened() == "stopping: too many failed\n"
    assert screened(quiet=True) == "" and screened(quiet=True, terminal=True) == ""
    verbose = screened(verbose=1)
    assert "a is busy; again in 1 s" in verbose and "a failed (0.1 s): sudo needs" in verbose


def test_a_terminal_has_bars_and_shows_failures_at_once() -> None:
    text = screened(terminal=True)
    assert "placing" in text and "1/2" in text and "a failed (0.1 s): sudo needs" in text


def test_a_dumb_terminal_has_no_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert "placing" not in screened(terminal=True)
