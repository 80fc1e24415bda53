"""What every test here shares: a real sshd, and a count of what was tried, printed at the end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.ssh.fixtures import connector, nothing_left, sshd, start_sshd

__all__ = ["connector", "nothing_left", "sshd", "start_sshd", "tried"]

_TRIED = "tried"


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
