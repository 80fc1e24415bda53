"""A rotation for people and for programs: where it stands, and what a step did."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from certkit.cli import words
from certkit.cli.flags import FleetOutput
from certkit.cli.render.junit import junit
from certkit.cli.render.text import plain
from certkit.errors import CertkitError
from certkit.fleet.report import FleetReport
from certkit.home.rotation.report import RotationReport
from certkit.inventory.folding import fold, fold_names

if TYPE_CHECKING:
    from rich.console import Console


def show(console: Console, found: RotationReport, again: Callable[[str], str]) -> None:
    """Print where it stands and what comes next.

    Args:
        console: Where to.
        found: Where it stands.
        again: Completes a command, so that it works when copied.
    """
    state = found.rollover
    words.say(console, f"{found.registry}: {found.stands}", "bold")
    pairs = [("old", state.old), ("new", state.new)] if state.old else []
    if state.since is not None:
        pairs.append(("since", f"{state.since:%Y-%m-%d %H:%M} UTC"))
    for why, hosts in fold(found.missing, lambda one: one[1]):
        pairs.append((fold_names(host for host, _ in hosts), why))
    pairs += [("waived", fold_names(found.waived))] if found.waived else []
    words.say_pairs(console, pairs)
    sentence, command = found.next_step
    if command:
        words.say(console, f"Next: {sentence}:")
        words.say(console, f"  {again(command)}", "cyan")


def document(
    step: str,
    found: RotationReport,
    again: Callable[[str], str],
    parts: Sequence[FleetReport] = (),
    error: CertkitError | None = None,
) -> dict[str, Any]:
    """Return the document ``certkit.rotation/1``.

    Args:
        step: Such as ``switch``.
        found: Where it stands after that.
        again: As in `show`.
        parts: What was done on hosts, in its order.
        error: Why the step was refused or broke off.
    """
    return {
        **found.to_json(),
        "command": f"rotate {step}",
        "next": again(found.next_step[1]) or None,
        "runs": [one.to_json() for one in parts],
        "error": None if error is None else {"message": error.message, "hint": error.hint},
    }


def written(
    output: FleetOutput,
    step: str,
    found: RotationReport,
    again: Callable[[str], str],
    parts: Sequence[FleetReport],
    error: CertkitError | None,
) -> str:
    """Return what a step prints at its end; empty for people, who have seen it."""
    if output is FleetOutput.JSON:
        return json.dumps(document(step, found, again, parts, error), indent=2) + "\n"
    if output is FleetOutput.JSONL:
        summary = document(step, found, again, (), error)
        del summary["runs"]
        return json.dumps({"summary": summary}) + "\n"
    if output is FleetOutput.JUNIT:
        return junit(*parts, more=[_gate(step, found, error)])
    return ""


def _gate(step: str, found: RotationReport, error: CertkitError | None) -> ElementTree.Element:
    """Return the step and the hosts as cases: what was refused, and what lacks proof, fails."""
    lacks = dict(found.missing)
    failed = len(lacks) + (error is not None)
    counts = {"tests": str(len(found.listed) + 1), "failures": str(failed)}
    suite = ElementTree.Element("testsuite", {"name": f"certkit rotate {step}", **counts})
    cases = [(plain(name), lacks.get(name, "")) for name in found.listed]
    for name, why in [("the step", error.message if error else ""), *cases]:
        place = {"classname": f"rotate.{found.registry}", "name": name}
        case = ElementTree.SubElement(suite, "testcase", place)
        if why:
            ElementTree.SubElement(case, "failure", {"message": plain(why)})
    return suite
