"""A fleet report read back from its JSON, so that the command's own code can draw it."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from certkit.cli.render.summary import show_report
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


def drawn(document: dict[str, Any], width: int) -> str:
    """Return the report as a command prints it for people.

    Args:
        document: A ``certkit.fleet/1`` document.
        width: Columns.

    Raises:
        LookupError: It lacks something that the schema asks for.
    """
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False, markup=False, no_color=True)
    show_report(console, read(document))
    return stream.getvalue()


def read(document: dict[str, Any]) -> FleetReport:
    """Return the report that a ``certkit.fleet/1`` document was made of.

    Raises:
        LookupError: It lacks something that the schema asks for.
    """
    return FleetReport(
        command=document["command"],
        registry=document["registry"],
        check=document["check"],
        bundle=tuple(BundleEntry(**entry) for entry in document["bundle"]),
        hosts=[_host(host) for host in document["hosts"]],
    )


def _host(host: dict[str, Any]) -> HostResult:
    return HostResult(
        host["name"],
        host["address"],
        Outcome(host["outcome"]),
        host["seconds"],
        tuple(_runtime(runtime) for runtime in host["runtimes"]),
        _problem(host["error"]),
    )


def _runtime(runtime: dict[str, Any]) -> RuntimeResult:
    return RuntimeResult(
        runtime["name"],
        runtime["version"],
        tuple(runtime["changed"]),
        runtime["restarted"],
        tuple(runtime["notes"]),
        tuple(_proof(proof) for proof in runtime.get("proofs", ())),
        tuple(runtime.get("diff", ())),
    )


def _proof(proof: dict[str, Any]) -> Proof:
    return Proof(
        proof["reference"],
        proof["handshake"],
        proof["daemon"],
        proof["proven"],
        proof["digest"] or "",
        _problem(proof["error"]),
    )


def _problem(error: dict[str, str] | None) -> Problem | None:
    if error is None:
        return None
    return Problem(ErrorKind(error["kind"]), error["message"], error["hint"])
