"""The report for programs, on standard output: one document, a line for each host, or JUnit."""

from __future__ import annotations

import json
import os
import sys
from xml.etree import ElementTree

from certkit.cli.render.text import plain
from certkit.fleet.events import Event, HostFinished
from certkit.fleet.report import FleetReport, HostResult, Outcome, host_to_json


def write_out(text: str) -> None:
    """Write to standard output; a reader that has gone away (``| head``) is no failure."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_json(report: FleetReport) -> None:
    """Write the one document of ``-o json``."""
    write_out(json.dumps(report.to_json(), indent=2) + "\n")


def watch_jsonl(event: Event) -> None:
    """Write one line for a host as it finishes; a watcher of the run."""
    if isinstance(event, HostFinished):
        write_out(json.dumps(host_to_json(event.result)) + "\n")


def write_jsonl_summary(report: FleetReport) -> None:
    """Write the last line of ``-o jsonl``."""
    write_out(json.dumps({"summary": report.summary}) + "\n")


def write_junit(report: FleetReport) -> None:
    """Write the run as a JUnit test suite, one test case for each host."""
    write_out(junit(report))


def junit(report: FleetReport) -> str:
    """Return the run as JUnit XML.

    A failed or rolled back host is a failure, an unreachable one an error, one that was left out
    is skipped. What ``--check`` found to do is output of a passed case: it is not a failure. Drift
    that ``status`` found is one.
    """
    drift = sum(_drifts(report, host) for host in report.hosts)
    summary = report.summary
    counts = {
        "tests": str(summary["hosts"]),
        "failures": str(summary["failed"] + summary["rolled_back"] + drift),
        "errors": str(summary["unreachable"]),
        "skipped": str(summary["skipped"]),
        "time": f"{sum(host.seconds for host in report.hosts):.3f}",
    }
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(
        root, "testsuite", {"name": f"certkit {report.command}", **counts}
    )
    for host in report.hosts:
        _case(suite, report, host)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _case(suite: ElementTree.Element, report: FleetReport, host: HostResult) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        {
            "classname": f"{report.command}.{report.registry}",
            "name": plain(host.name),
            "time": f"{host.seconds:.3f}",
        },
    )
    words = {
        Outcome.FAILED: "failure",
        Outcome.ROLLED_BACK: "failure",
        Outcome.UNREACHABLE: "error",
        Outcome.SKIPPED: "skipped",
    }
    if host.outcome in words:
        attributes = {}
        text = ""
        if host.error is not None:
            attributes["message"] = plain(host.error.message)
            if host.outcome is not Outcome.SKIPPED:
                attributes["type"] = host.error.kind.value
            text = plain(host.error.hint)
        ElementTree.SubElement(case, words[host.outcome], attributes).text = text
    found = host.every_finding
    if _drifts(report, host):
        wrong = [one for one in found if one.attention]
        attributes = {"message": plain(wrong[0].message), "type": wrong[0].kind}
        text = "\n".join(plain(f"{one.kind}: {one.message} ({one.cure})") for one in wrong)
        ElementTree.SubElement(case, "failure", attributes).text = text
    lines = [f"{host.outcome.value} ({plain(host.address)})"]
    for runtime in host.runtimes:
        lines.append(plain(f"{runtime.name} {runtime.version}"))
        lines += [f"  {plain(line)}" for line in (*runtime.changed, *runtime.diff, *runtime.notes)]
    lines += [plain(f"{one.kind}: {one.message}") for one in found]
    ElementTree.SubElement(case, "system-out").text = "\n".join(lines)


def _drifts(report: FleetReport, host: HostResult) -> bool:
    return report.command == "status" and host.outcome is Outcome.WOULD_CHANGE
