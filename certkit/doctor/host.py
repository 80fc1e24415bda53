"""One host: everything it answered, judged together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509

from certkit.doctor.chain import judge_chain
from certkit.doctor.daemon import judge_daemon
from certkit.doctor.directory import judge_folder
from certkit.doctor.finding import CAUSE, Finding, Observation, placed, weigh
from certkit.doctor.folder import Folder, second_spelling, shadowed, wrong_place
from certkit.doctor.here import View
from certkit.doctor.reach import described, reached_from_host
from certkit.errors import ErrorKind
from certkit.fleet.content import read_content
from certkit.fleet.report import Proof
from certkit.names import RegistryReference
from certkit.remote.examined import Answers, Endpoint, Examination
from certkit.remote.report import PlaceReport, RuntimeReport
from certkit.runtimes import questions
from certkit.runtimes.state import HostState

# A certificate is backdated by an hour: a clock that is off by less does no harm.
_TOLERANCE = timedelta(hours=1)


@dataclass
class HostFacts:
    """All that one host answered.

    Attributes:
        name: In the inventory.
        state: What it should look like.
        placed: Its runtimes and their files, from a check.
        examination: The rest.
        received: When that came, by this machine's clock.
        proofs: What each runtime's own client said: by runtime, user and reference.
    """

    name: str
    state: HostState
    placed: PlaceReport
    examination: Examination
    received: datetime
    proofs: dict[tuple[str, str, str], Proof] = field(default_factory=dict)


@dataclass(frozen=True)
class Home:
    """What the home says of the registry.

    Attributes:
        roots: What hosts are to trust; empty when there is no home.
        leaf: What the registry should serve.
    """

    roots: tuple[x509.Certificate, ...] = ()
    leaf: x509.Certificate | None = None


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
    findings: list[Finding] = []
    clock = datetime.fromtimestamp(facts.examination.epoch, facts.received.tzinfo)
    for reference in references:
        endpoint = facts.examination.endpoints.get(reference.text, Endpoint())
        chain = read_content(endpoint.chain).certificates
        seen.extend(_seen(facts.name, reference, endpoint, chain))
        proofs = [proof for key, proof in facts.proofs.items() if key[2] == reference.text]
        general = list(reached_from_host(endpoint, reference, here[reference.text], chain))
        if chain:
            general += judge_chain(chain, home.roots, home.leaf, reference, facts.received, clock)
        kinds = {proof.problem.kind for proof in proofs if proof.problem is not None}
        works = bool(proofs) and all(proof.proven for proof in proofs)
        one_kind = next(iter(kinds)) if len(kinds) == 1 else None
        weighed = weigh(general, one_kind, works=works)
        findings += placed(weighed, facts.name, reference.text)
        for report in facts.placed.runtimes:
            view = here[reference.text]
            findings += _runtime(facts, report, reference, home, chain, view, weighed)
    if not facts.placed.runtimes:
        findings.append(_no_runtime(facts))
    return [*findings, *_clock(facts, clock)], seen


def _runtime(
    facts: HostFacts,
    report: RuntimeReport,
    reference: RegistryReference,
    home: Home,
    chain: Sequence[x509.Certificate],
    here: View,
    general: Sequence[Finding],
) -> list[Finding]:
    key = (report.name, report.user)
    answers = facts.examination.runtimes.get(key, Answers())
    endpoint = facts.examination.endpoints.get(reference.text, Endpoint())
    proof = facts.proofs.get((*key, reference.text))
    served = chain[0] if chain else here.chain[0] if here.chain else None
    findings = judge_daemon(
        report, answers, facts.examination.general, reference, endpoint.addresses or ()
    )
    findings += _folders(facts, report, answers, reference, home, served)
    kind = proof.problem.kind if proof is not None and proof.problem is not None else None
    weighed = weigh(findings, kind, works=proof is not None and proof.proven)
    if (
        proof is not None
        and proof.problem is not None
        and not _explained((*general, *weighed), kind)
    ):
        weighed.append(
            Finding(
                "client-says",
                CAUSE,
                f"{report.name} fails: {proof.problem.message}",
                proof.problem.message,
                proof.problem.hint,
            )
        )
    name = f"{report.name} ({report.user})" if report.user else report.name
    return placed(weighed, facts.name, reference.text, name)


def _explained(findings: Sequence[Finding], kind: ErrorKind | None) -> bool:
    return any(one.likelihood >= CAUSE and (not one.kinds or kind in one.kinds) for one in findings)


def _folders(
    facts: HostFacts,
    report: RuntimeReport,
    answers: Answers,
    reference: RegistryReference,
    home: Home,
    served: x509.Certificate | None,
) -> list[Finding]:
    wanted = next(state for state in facts.state.runtimes if state.name == report.name)
    base = questions.certs_dir(wanted)

    def folder(base: str) -> Folder:
        return Folder(
            facts.name,
            base,
            reference,
            answers.listings.get(base),
            answers.listings.get(f"{base}/{reference.text}"),
            report.name != "docker",
        )

    own = folder(base)
    if report.name == "podman":
        # The first directory that exists is read, and no other.
        first = next(
            (one for one in map(folder, questions.PODMAN_CERTS) if one.entries is not None), own
        )
        findings = judge_folder(first, home.roots, served)
        if first.path != own.path and findings:
            findings.insert(0, shadowed(first.path, own.path))
        return findings
    findings = judge_folder(own, home.roots, served)
    if own.entries is None and base != questions.DOCKER_CERTS:
        usual = folder(questions.DOCKER_CERTS)
        if usual.entries is not None:
            findings.insert(0, wrong_place(report.name, usual.path, own.path))
    return [*findings, *second_spelling(own, report.version)]


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


def _clock(facts: HostFacts, clock: datetime) -> list[Finding]:
    off = clock - facts.received
    if abs(off) <= _TOLERANCE:
        return []
    hours = abs(off).total_seconds() / 3600
    span = f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
    side = "ahead of" if off > timedelta(0) else "behind"
    found = Finding(
        "clock",
        50,
        f"the host's clock is {span} {side} this machine's; certificates are refused before and "
        "after their time",
        f"there {clock:%Y-%m-%dT%H:%M:%SZ}, here {facts.received:%Y-%m-%dT%H:%M:%SZ}",
        "on the host: timedatectl set-ntp true",
    )
    return placed([found], facts.name, "")


def _no_runtime(facts: HostFacts) -> Finding:
    names = ", ".join(runtime.name for runtime in facts.state.runtimes)
    return Finding(
        "no-runtime",
        90,
        "there is no container runtime that certkit knows",
        f"looked for {names}",
        "install one, or name it in the inventory (runtime:)",
        where=(facts.name,),
    )
