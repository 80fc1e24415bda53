"""What holds for every tier: how signals are answered, and a count of what was tried."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator

import pytest

_TRIED = "tried"
_AS_ON_A_TERMINAL = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}


def pytest_configure() -> None:
    """Answer Ctrl-C and a hangup, here and in every child.

    A shell starts a job in the background with SIGINT ignored, nohup does so with SIGHUP, and many
    a build server with both; that is inherited, and what a test interrupts or tells to reload
    would then go on as if nothing had happened.
    """
    for number, answer in _AS_ON_A_TERMINAL.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, answer)


@pytest.fixture
def tried(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """A test counts here what it did; the run's summary says it, whether the test passed or not."""
    counts: Counter[str] = Counter()
    yield counts
    # A property of the test, because that crosses from a worker of xdist.
    request.node.user_properties.append((_TRIED, json.dumps(counts)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was tried, the cases of a test in one line."""
    lines: dict[str, Counter[str]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") != "teardown":
                continue
            for name, value in report.user_properties:
                if name == _TRIED:
                    test = report.nodeid.partition("[")[0].rpartition("/")[2]
                    lines.setdefault(test, Counter()).update(json.loads(value))
    if lines:
        terminalreporter.section("tried")
    for test, counts in sorted(lines.items()):
        said = ", ".join(f"{number} {what}" for what, number in counts.items())
        terminalreporter.line(f"{test}: {said}")
