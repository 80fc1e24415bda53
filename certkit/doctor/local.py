"""This machine's part: what it sees of a registry, judged by the home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from certkit.doctor.chain import judge_chain
from certkit.doctor.finding import HERE, Finding, Observation, placed
from certkit.doctor.here import View
from certkit.doctor.host import Home
from certkit.doctor.reach import reached_from_here, seen_from_here
from certkit.names import RegistryReference


def judge_here(
    views: Mapping[str, View],
    references: Sequence[RegistryReference],
    home: Home,
    now: datetime,
) -> tuple[list[Finding], list[Observation]]:
    """Judge what this machine sees.

    Args:
        views: By reference.
        references: The registry, by all its names.
        home: What the home says.
        now: The time, with a time zone.

    Returns:
        What is wrong, and what was seen.
    """
    findings: list[Finding] = []
    seen: list[Observation] = []
    for reference in references:
        view = views[reference.text]
        seen += seen_from_here(view, reference)
        found = reached_from_here(view, reference)
        if view.chain:
            found += judge_chain(
                view.chain, home.anchors, home.leaf, reference, now, now, strict=home.strict
            )
        findings += placed(found, HERE, reference.text)
        if reference.is_loopback:
            findings.append(
                Finding(
                    "loopback",
                    60,
                    f"Docker never verifies {reference.host}: a pull from it proves nothing",
                    reference.text,
                    "use a name that is not loopback",
                    where=(HERE,),
                    reference=reference.text,
                )
            )
    return findings, seen
