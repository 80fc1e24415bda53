"""The report for programs: one document, or a line for each host; see `junit` beside this."""

from __future__ import annotations

import json

from certkit.fleet.events import Event, HostFinished
from certkit.fleet.report import FleetReport, host_to_json


def document(report: FleetReport) -> str:
    """Return the one document of ``-o json``."""
    return json.dumps(report.to_json(), indent=2) + "\n"


def host_line(event: Event) -> str:
    """Return the line of ``-o jsonl`` for a host that has finished; empty for other events."""
    if isinstance(event, HostFinished):
        return json.dumps(host_to_json(event.result)) + "\n"
    return ""


def summary_line(report: FleetReport) -> str:
    """Return the last line of ``-o jsonl``."""
    return json.dumps({"summary": report.summary}) + "\n"
