"""The report of a run over a fleet, and its JSON form ``certkit.fleet/1``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from certkit.errors import ErrorKind, ExitCode, HostError

if TYPE_CHECKING:
    from certkit.fleet.drift.findings import Finding, Trusted

SCHEMA = "certkit.fleet/1"


class Outcome(str, Enum):
    """How one host ended; the words are a contract."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    WOULD_CHANGE = "would_change"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    ROLLED_BACK = "rolled_back"
    SKIPPED = "skipped"


FAILURES = frozenset({Outcome.FAILED, Outcome.UNREACHABLE, Outcome.ROLLED_BACK})


class Problem(NamedTuple):
    """Why a host failed, as it stands in a report."""

    kind: ErrorKind
    message: str
    hint: str = ""

    @classmethod
    def of(cls, error: HostError) -> Problem:
        """Turn an error into the part of it that is reported."""
        return cls(error.kind, error.message, error.hint)


class Proof(NamedTuple):
    """What one leg-by-leg verification of one reference showed (``certkit verify``).

    Attributes:
        reference: As written in image names.
        handshake: ``ok``, ``failed``, or ``not_checked`` (no openssl on the host).
        daemon: ``ok`` or ``failed``: the runtime's own answer.
        proven: False for a pass that proves nothing: insecure registry or localhost.
        digest: ``sha256:...`` that the host pulled, with ``--image``; empty otherwise.
        problem: Why it failed; None when it did not.
        served: The fingerprint of the certificate that the handshake was made with, 64 hex digits;
            empty where that cannot be told.
    """

    reference: str
    handshake: str
    daemon: str
    proven: bool
    digest: str = ""
    problem: Problem | None = None
    served: str = ""


class Standing(NamedTuple):
    """How one runtime stands (``certkit status``).

    Attributes:
        trusts: The authorities that it trusts for the registry.
        findings: What is wrong, or worth a line.
        daemon: Whether it answers; None for a runtime without a daemon.
        running: Containers running; None when not known.
        live_restore: Whether they survive a restart of the daemon; None when not known.
        restart_due: Whether its trust changed since its last restart.
        free: Bytes left where its trust stands; None when not known.
    """

    trusts: tuple[Trusted, ...] = ()
    findings: tuple[Finding, ...] = ()
    daemon: bool | None = None
    running: int | None = None
    live_restore: bool | None = None
    restart_due: bool = False
    free: int | None = None


class RuntimeResult(NamedTuple):
    """One runtime on one host, as reported."""

    name: str
    version: str = ""
    changed: tuple[str, ...] = ()
    restarted: bool = False
    notes: tuple[str, ...] = ()
    proofs: tuple[Proof, ...] = ()
    diff: tuple[str, ...] = ()
    standing: Standing | None = None


class HostResult(NamedTuple):
    """One host, finished.

    Attributes:
        findings: With ``certkit status``: what is about the host as a whole.
        clock: With ``certkit status``: seconds its clock is ahead of this machine's.
    """

    name: str
    address: str
    outcome: Outcome
    seconds: float
    runtimes: tuple[RuntimeResult, ...] = ()
    error: Problem | None = None
    findings: tuple[Finding, ...] = ()
    clock: float | None = None

    @property
    def every_finding(self) -> tuple[Finding, ...]:
        """Those of the host and of its runtimes; one that several share stands once."""
        standings = [one.standing for one in self.runtimes if one.standing is not None]
        found = (*self.findings, *(item for one in standings for item in one.findings))
        return tuple(dict.fromkeys(found))


class BundleEntry(NamedTuple):
    """One authority of the bundle that the run put in place."""

    sha256: str
    subject: str
    not_after: str


@dataclass
class FleetReport:
    """A whole run: what was asked, and how every host ended.

    Attributes:
        server: With ``certkit status``: the registry's own certificate.
    """

    command: str
    registry: str
    check: bool
    bundle: tuple[BundleEntry, ...]
    hosts: list[HostResult] = field(default_factory=list)
    interrupted: bool = False
    server: BundleEntry | None = None

    @property
    def summary(self) -> dict[str, int]:
        """Count hosts by outcome; every outcome is present, and ``hosts`` is their sum."""
        counts = Counter(host.outcome for host in self.hosts)
        return {"hosts": len(self.hosts), **{one.value: counts[one] for one in Outcome}}

    @property
    def exit_code(self) -> ExitCode:
        """The exit status that the contract gives this report."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        outcomes = {host.outcome for host in self.hosts}
        if outcomes & FAILURES or any(host.error for host in self.hosts):
            # A host left out because the run stopped has an error too: not all was done as asked.
            return ExitCode.FAILED
        if self.check and Outcome.WOULD_CHANGE in outcomes:
            return ExitCode.ATTENTION
        return ExitCode.DONE

    def to_json(self) -> dict[str, Any]:
        """Return the document of the contract, ready for ``json.dumps``."""
        document = {
            "schema": SCHEMA,
            "command": self.command,
            "registry": self.registry,
            "check": self.check,
            "bundle": [entry._asdict() for entry in self.bundle],
            "hosts": [host_to_json(host) for host in self.hosts],
            "summary": self.summary,
        }
        if self.server is not None:
            document["server"] = self.server._asdict()
        return document


def host_to_json(host: HostResult) -> dict[str, Any]:
    """Return one host's part of the document; also a line of ``jsonl``."""
    document: dict[str, Any] = {
        "name": host.name,
        "address": host.address,
        "outcome": host.outcome.value,
        "seconds": round(host.seconds, 3),
        "runtimes": [_runtime_to_json(runtime) for runtime in host.runtimes],
        "error": _problem_to_json(host.error),
    }
    if host.clock is not None:
        document["clock_seconds"] = round(host.clock, 1)
        document["findings"] = [_finding_to_json(finding) for finding in host.findings]
    return document


def _runtime_to_json(runtime: RuntimeResult) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": runtime.name,
        "version": runtime.version,
        "changed": list(runtime.changed),
        "restarted": runtime.restarted,
        "notes": list(runtime.notes),
    }
    if runtime.diff:
        document["diff"] = list(runtime.diff)
    if runtime.proofs:
        document["proofs"] = [
            {
                "reference": proof.reference,
                "handshake": proof.handshake,
                "daemon": proof.daemon,
                "proven": proof.proven,
                "digest": proof.digest or None,
                "error": _problem_to_json(proof.problem),
            }
            for proof in runtime.proofs
        ]
    if runtime.standing is not None:
        standing = runtime.standing
        document["standing"] = {
            "trusts": [vars(one) for one in standing.trusts],
            "daemon": standing.daemon,
            "running": standing.running,
            "live_restore": standing.live_restore,
            "restart_due": standing.restart_due,
            "free_bytes": standing.free,
            "findings": [_finding_to_json(finding) for finding in standing.findings],
        }
    return document


def _finding_to_json(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "attention": finding.attention,
        "path": finding.path or None,
        "message": finding.message,
        "cure": finding.cure,
    }


def _problem_to_json(problem: Problem | None) -> dict[str, str] | None:
    if problem is None:
        return None
    return {"kind": problem.kind.value, "message": problem.message, "hint": problem.hint}
