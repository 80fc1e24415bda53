"""What the doctor found: each thing with its proof and its cure, the likeliest cause first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from certkit.errors import ErrorKind, ExitCode, HostError

SCHEMA = "certkit.doctor/1"

HERE = "this machine"

CAUSE = 80
"""From this likelihood on, in percent, a finding is taken for a cause of what fails now."""

_OTHER_KIND = 45
_WORKS = 40


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        code: Its name in JSON, such as ``port-closed``; a contract.
        likelihood: How likely it is THE cause, in percent.
        what: One sentence.
        proof: The observed text or value.
        cure: A command, or what to do where there is none.
        kinds: The failures it explains; empty when it stands by itself.
        where: ``this machine``, or hosts.
        reference: The registry, as image names write it.
        runtime: Where it is about one; else empty.
    """

    code: str
    likelihood: int
    what: str
    proof: str
    cure: str
    kinds: frozenset[ErrorKind] = frozenset()
    where: tuple[str, ...] = ()
    reference: str = ""
    runtime: str = ""

    def to_json(self) -> dict[str, Any]:
        """The values for ``json.dumps``."""
        return {
            "code": self.code,
            "likelihood": self.likelihood,
            "where": list(self.where),
            "reference": self.reference,
            "runtime": self.runtime or None,
            "what": self.what,
            "proof": self.proof,
            "cure": self.cure,
        }


@dataclass(frozen=True)
class Observation:
    """Something seen that is neither good nor bad by itself."""

    where: str
    label: str
    text: str


@dataclass
class Diagnosis:
    """All that was found.

    Attributes:
        registry: As asked.
        findings: In any order; see `ordered`.
        seen: What was looked at.
        unexamined: Hosts that could not be examined, and why.
        examined: Hosts that were. Pulls fail there: what only this machine sees comes after.
        interrupted: Whether the operator stopped it.
    """

    registry: str
    findings: list[Finding] = field(default_factory=list)
    seen: list[Observation] = field(default_factory=list)
    unexamined: list[tuple[str, HostError]] = field(default_factory=list)
    examined: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def ordered(self) -> list[Finding]:
        """The findings, the hosts' first and of those the likeliest; each stands once."""
        merged: dict[tuple[str, str, str, str, str, str], Finding] = {}
        for one in self.findings:
            key = (one.code, one.reference, one.runtime, one.what, one.proof, one.cure)
            known = merged.get(key)
            if known is not None:
                places = tuple(dict.fromkeys((*known.where, *one.where)))
                one = replace(one, where=places, likelihood=max(known.likelihood, one.likelihood))
            merged[key] = one
        return sorted(merged.values(), key=lambda one: (self._aside(one), -one.likelihood))

    def _aside(self, finding: Finding) -> bool:
        return bool(self.examined) and finding.where == (HERE,)

    @property
    def verdict(self) -> str:
        """One line."""
        ordered = self.ordered
        failed = f" ({len(self.unexamined)} could not be examined)" if self.unexamined else ""
        if not ordered:
            if self.unexamined:
                names = ", ".join(name for name, _ in self.unexamined)
                return f"nothing can be said of {names}: it could not be examined"
            return "nothing wrong was found"
        first = ordered[0]
        if self._aside(first):
            names = ", ".join(self.examined)
            return f"nothing wrong was found on {names}{failed}; on {HERE}: {first.what}"
        if first.likelihood >= CAUSE:
            place = ", ".join(first.where)
            return f"most likely cause, on {place}: {first.what}{failed}"
        return f"nothing found keeps it from working now; to be mended: {first.what}{failed}"

    @property
    def exit_code(self) -> ExitCode:
        """The exit status of the contract."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        if self.unexamined:
            return ExitCode.FAILED
        return ExitCode.ATTENTION if self.findings else ExitCode.DONE

    def to_json(self) -> dict[str, Any]:
        """The document for ``-o json``."""
        return {
            "schema": SCHEMA,
            "registry": self.registry,
            "verdict": self.verdict,
            "findings": [finding.to_json() for finding in self.ordered],
            "seen": [vars(one) for one in self.seen],
            "unexamined": [
                {"host": name, "kind": error.kind.value, "message": error.message}
                | {"hint": error.hint}
                for name, error in self.unexamined
            ],
        }


def weigh(findings: Iterable[Finding], kind: ErrorKind | None, *, works: bool) -> list[Finding]:
    """Hold findings against what the client itself said.

    Args:
        findings: About one client and one reference.
        kind: How the client failed; None when it did not, or was not asked.
        works: Whether it was asked and all went well: then nothing can be a cause of failure.
    """
    if kind is ErrorKind.DAEMON:
        # Also the kind of what nobody understood: it contradicts nothing.
        kind = None
    weighed = []
    for one in findings:
        likelihood = one.likelihood
        if works:
            likelihood = min(likelihood, _WORKS)
        elif kind is not None and one.kinds and kind not in one.kinds:
            likelihood = min(likelihood, _OTHER_KIND)
        weighed.append(replace(one, likelihood=likelihood))
    return weighed


def placed(
    findings: Sequence[Finding], where: str, reference: str, runtime: str = ""
) -> list[Finding]:
    """Say where findings were made, unless they know it."""
    return [
        replace(
            one,
            where=one.where or (where,),
            reference=one.reference or reference,
            runtime=one.runtime or runtime,
        )
        for one in findings
    ]
