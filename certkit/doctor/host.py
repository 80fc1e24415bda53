"""One host: everything it answered, judged together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from shlex import quote

from cryptography import x509

from certkit.doctor.chain import judge_chain
from certkit.doctor.daemon import judge_daemon
from certkit.doctor.directory import judge_state, judge_trust, of_host
from certkit.doctor.finding import CAUSE, Finding, Observation, placed, weigh
from certkit.doctor.here import View
from certkit.doctor.reach import described, reached_from_host
from certkit.errors import ErrorKind
from certkit.fleet.drift.content import read_content
from certkit.fleet.drift.directory import Wanted
from certkit.fleet.drift.runtime import judge_host as judge_clock
from certkit.fleet.report import Proof
from certkit.fleet.stock import nothing_found
from certkit.names import RegistryReference
from certkit.pki.bundle import fingerprint
from certkit.remote.examined import Answers, Endpoint, Examination
from certkit.remote.survey import HostSurvey, RuntimeSurvey
from certkit.runtimes.state import HostState

# A clock that is off by this much may explain a failure; whether it does, the chain's dates tell.
_CLOCK = 50


@dataclass
class HostFacts:
    """All that one host answered.

    Attributes:
        name: In the inventory.
        state: What it should look like.
        survey: Its runtimes and their trust.
        examination: The rest.
        received: When the survey came, by this machine's clock.
        proofs: What each runtime's own client said: by runtime, user and reference.
    """

    name: str
    state: HostState
    survey: HostSurvey
    examination: Examination
    received: datetime
    proofs: dict[tuple[str, str, str], Proof] = field(default_factory=dict)


@dataclass(frozen=True)
class Home:
    """What the home says of the registry.

    Attributes:
        roots: What hosts are to trust; empty when there is no home.
        leaf: What the registry should serve.
        content: The file that hosts are to have.
        between: The authorities between a root and the leaf, which not every library tells.
        strict: Whether the chain is held to the Web PKI's profile: not another authority's.
    """

    roots: tuple[x509.Certificate, ...] = ()
    leaf: x509.Certificate | None = None
    content: bytes = b""
    between: tuple[x509.Certificate, ...] = ()
    strict: bool = True

    @property
    def anchors(self) -> tuple[x509.Certificate, ...]:
        """What a served certificate may be signed by."""
        return (*self.roots, *self.between)


def judge_host(
    facts: HostFacts,
    references: Sequence[RegistryReference],
    here: Mapping[str, View],
    home: Home,
) -> tuple[list[Finding], list[Observation]]:
    """Judge a host.

    Args:
        facts: What it answered.
        references: Which registry, by all its names.
        here: What this machine sees, by reference.
        home: What the home says.

    Returns:
        What is wrong, and what was seen.
    """
    seen: list[Observation] = []
    survey = facts.survey
    findings = placed(
        of_host(judge_clock(survey, facts.received.timestamp()), _CLOCK), facts.name, ""
    )
    clock = datetime.fromtimestamp(survey.epoch, facts.received.tzinfo)
    wanted = Wanted(
        home.content,
        frozenset(map(fingerprint, home.roots)),
        tuple(references),
        home.leaf,
        f"certkit distribute --limit {quote(facts.name)}",
    )
    for reference in references:
        endpoint = facts.examination.endpoints.get(reference.text, Endpoint())
        chain = read_content(endpoint.chain).certificates
        seen.extend(_seen(facts.name, reference, endpoint, chain))
        proofs = [proof for key, proof in facts.proofs.items() if key[2] == reference.text]
        general = list(reached_from_host(endpoint, reference, here[reference.text], chain))
        if chain:
            general += judge_chain(
                chain,
                home.anchors,
                home.leaf,
                reference,
                facts.received,
                clock,
                strict=home.strict,
            )
        kinds = {proof.problem.kind for proof in proofs if proof.problem is not None}
        works = bool(proofs) and all(proof.proven for proof in proofs)
        one_kind = next(iter(kinds)) if len(kinds) == 1 else None
        weighed = weigh(general, one_kind, works=works)
        findings += placed(weighed, facts.name, reference.text)
        for runtime in survey.runtimes:
            if runtime.problem is None:
                findings += _runtime(facts, runtime, reference, wanted, weighed)
    for runtime in survey.runtimes:
        problem = facts.examination.problems.get(runtime.user)
        if runtime.user and problem is not None and runtime.problem is None:
            runtime = replace(runtime, problem=problem)
        findings += placed(judge_state(runtime, wanted), facts.name, "", _named(runtime))
    if not survey.runtimes:
        nothing = nothing_found(facts.state)
        findings.append(
            Finding(
                *("no_runtime", 90, "there is no container runtime that certkit knows"),
                *(nothing.message, nothing.hint),
                where=(facts.name,),
            )
        )
    return findings, seen


def _named(runtime: RuntimeSurvey) -> str:
    return f"{runtime.name} ({runtime.user})" if runtime.user else runtime.name


def _runtime(
    facts: HostFacts,
    runtime: RuntimeSurvey,
    reference: RegistryReference,
    wanted: Wanted,
    general: Sequence[Finding],
) -> list[Finding]:
    key = (runtime.name, runtime.user)
    answers = facts.examination.runtimes.get(key, Answers())
    endpoint = facts.examination.endpoints.get(reference.text, Endpoint())
    proof = facts.proofs.get((*key, reference.text))
    survey = facts.survey
    state = next(state for state in facts.state.runtimes if state.name == runtime.name)
    findings = judge_daemon(runtime, state, answers, facts.examination.general, reference)
    findings += judge_trust(
        runtime, reference, wanted, survey.epoch, survey.uid, endpoint.addresses or ()
    )
    if state.vouched and proof is not None and proof.proven:
        findings = [one for one in findings if one.code != "missing"]
    kind = proof.problem.kind if proof is not None and proof.problem is not None else None
    weighed = weigh(findings, kind, works=proof is not None and proof.proven)
    if (
        proof is not None
        and proof.problem is not None
        and not _explained((*general, *weighed), kind)
    ):
        weighed.append(
            Finding(
                "client_says",
                CAUSE,
                f"{runtime.name} fails: {proof.problem.message}",
                proof.problem.message,
                proof.problem.hint,
            )
        )
    return placed(weighed, facts.name, reference.text, _named(runtime))


def _explained(findings: Sequence[Finding], kind: ErrorKind | None) -> bool:
    return any(one.likelihood >= CAUSE and (not one.kinds or kind in one.kinds) for one in findings)


def _seen(
    name: str, reference: RegistryReference, endpoint: Endpoint, chain: Sequence[x509.Certificate]
) -> list[Observation]:
    seen = []
    if endpoint.addresses is not None:
        text = ", ".join(endpoint.addresses) or "nothing"
        seen.append(Observation(name, f"{reference.host} resolves to", text))
    if chain:
        seen.append(Observation(name, f"{reference} serves", described(chain[0])))
    elif endpoint.status is None:
        seen.append(Observation(name, f"{reference} serves", "not looked at: no openssl there"))
    return seen
