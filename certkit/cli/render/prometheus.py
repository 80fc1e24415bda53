"""The figures of ``certkit status`` in the text format of Prometheus (exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone

from certkit.cli.render.standing import STATES, days_left, state_of
from certkit.cli.render.text import plain
from certkit.fleet.report import FleetReport

_Sample = tuple[Mapping[str, str], float]


def exposition(report: FleetReport, now: datetime) -> str:
    """Return the figures, for node-exporter's textfile collector.

    Args:
        report: Of ``certkit status``.
        now: When it ended, with a time zone.
    """
    registry = {"registry": report.registry}
    authorities = [({**registry, "sha256": one.sha256}, one.not_after) for one in report.bundle]
    leaves = (
        [({**registry, "sha256": report.server.sha256}, report.server.not_after)]
        if report.server
        else []
    )
    states = [state_of(host) for host in report.hosts]
    hosts = [({**registry, "host": plain(host.name)}, host) for host in report.hosts]
    answered = [(labels, host) for labels, host in hosts if host.clock is not None]
    families: list[tuple[str, str, Iterable[_Sample]]] = [
        (
            "certkit_authority_days_left",
            "Days until a trusted authority expires.",
            [(labels, days_left(end, now)) for labels, end in authorities],
        ),
        (
            "certkit_authority_not_after_timestamp_seconds",
            "When a trusted authority expires.",
            [(labels, _seconds(end)) for labels, end in authorities],
        ),
        (
            "certkit_server_days_left",
            "Days until the certificate of the registry expires.",
            [(labels, days_left(end, now)) for labels, end in leaves],
        ),
        (
            "certkit_server_not_after_timestamp_seconds",
            "When the certificate of the registry expires.",
            [(labels, _seconds(end)) for labels, end in leaves],
        ),
        (
            "certkit_hosts",
            "Hosts by how they stand.",
            [({**registry, "state": one}, states.count(one)) for one in STATES.values()],
        ),
        (
            "certkit_host_up",
            "Whether the host could be read.",
            [(labels, float(host.clock is not None)) for labels, host in hosts],
        ),
        (
            "certkit_host_findings",
            "Things on the host that want attention.",
            [
                (labels, sum(one.attention for one in host.every_finding))
                for labels, host in answered
            ],
        ),
        (
            "certkit_host_clock_offset_seconds",
            "How far the clock of the host is ahead.",
            [(labels, round(host.clock or 0.0, 1)) for labels, host in answered],
        ),
        (
            "certkit_last_run_timestamp_seconds",
            "When certkit status ran last.",
            [(registry, round(now.timestamp()))],
        ),
    ]
    lines: list[str] = []
    for name, what, samples in families:
        lines += [f"# HELP {name} {what}", f"# TYPE {name} gauge"]
        lines += [f"{name}{{{_labels(labels)}}} {value:.15g}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _seconds(moment: str) -> float:
    end = datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ")
    return end.replace(tzinfo=timezone.utc).timestamp()
