"""Reports as JUnit XML, for whatever shows the results of tests."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree

from certkit.cli.render.text import plain
from certkit.fleet.report import FleetReport, HostResult, Outcome


def junit(*reports: FleetReport, more: Iterable[ElementTree.Element] = ()) -> str:
    """Return runs as JUnit XML.

    A failed or rolled back host is a failure, an unreachable one an error, one that was left out
    is skipped. What ``--check`` found to do is output of a passed case: it is not a failure. Drift
    that ``status`` found is one.

    Args:
        reports: A suite each.
        more: Other suites, after these.
    """
    suites = [*map(_suite, reports), *more]
    counts = {
        name: str(sum(int(suite.get(name, "0")) for suite in suites))
        for name in ("tests", "failures", "errors", "skipped")
    }
    seconds = sum(float(suite.get("time", "0")) for suite in suites)
    root = ElementTree.Element("testsuites", {**counts, "time": f"{seconds:.3f}"})
    root.extend(suites)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _suite(report: FleetReport) -> ElementTree.Element:
    drift = sum(_drifts(report, host) for host in report.hosts)
    summary = report.summary
    counts = {
        "tests": str(summary["hosts"]),
        "failures": str(summary["failed"] + summary["rolled_back"] + drift),
        "errors": str(summary["unreachable"]),
        "skipped": str(summary["skipped"]),
        "time": f"{sum(host.seconds for host in report.hosts):.3f}",
    }
    suite = ElementTree.Element("testsuite", {"name": f"certkit {report.command}", **counts})
    for host in report.hosts:
        _case(suite, report, host)
    return suite


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
