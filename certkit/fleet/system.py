"""Hosts whose own system vouches for the registry, so that nothing is placed there.

Only where the registry's certificate comes from another authority, which hosts may trust already.
The proof is the runtime's own answer, since daemons read the system's authorities when they start,
together with the certificate that the host was served.
"""

from __future__ import annotations

from functools import partial

from certkit.errors import ErrorKind, HostError
from certkit.fleet.crew import Crew
from certkit.fleet.drift.directory import OURS
from certkit.fleet.job import Job
from certkit.fleet.proof import judge_beside_insecure, judge_probe
from certkit.fleet.report import Problem, RuntimeResult
from certkit.fleet.stock import nothing_found, shown_name
from certkit.fleet.talk import Talk
from certkit.names import RegistryReference
from certkit.remote.report import PlaceReport, RuntimeReport
from certkit.remote.survey import HostSurvey
from certkit.runtimes.state import HostState
from certkit.transport.connection import Connection

ALREADY = "its system trusts the registry's authority already: nothing is placed"


def needs_nothing(crew: Crew, talk: Talk, job: Job) -> bool:
    """Tell whether a host can be left as it is, and note that on each of its runtimes.

    It is to have trust, and what vouches for one of its runtimes is known.
    A host that has a file already is not left alone: what certkit placed it keeps true.

    Args:
        crew: The run.
        talk: How hosts are spoken to.
        job: The host.

    Raises:
        HostError: Nobody has the root of the registry's authority, and the host's system does not
            vouch for it, or could not be asked; or the host failed.
    """
    rootless = not any(file.content for runtime in job.state.runtimes for file in runtime.files)
    placed = crew.attempt(job, partial(_look, crew, talk, job))
    reports = placed.runtimes
    for report in reports:
        if report.problem is not None and rootless:
            raise report.problem
        if report.problem is not None:
            return False
    if not reports and rootless:
        nothing = nothing_found(job.state)
        raise HostError(nothing.kind, nothing.message, nothing.hint)
    if not reports:
        return False
    if not rootless and any(_stands(one) for one in reports):
        return False
    for report in reports:
        problem = _asked(crew, talk, job, report.name, report.user)
        if problem is not None and rootless:
            raise _cannot(problem)
        if problem is not None:
            return False
    job.placed = placed
    job.runtimes = [
        RuntimeResult(shown_name(one), one.version, notes=(*one.notes, ALREADY)) for one in reports
    ]
    return True


def vouched_for(crew: Crew, talk: Talk, job: Job, survey: HostSurvey) -> frozenset[tuple[str, str]]:
    """Tell for which of a host's runtimes its system vouches, where no file stands.

    Returns:
        Name and user of each.

    Raises:
        HostError: The host failed.
    """
    can = {runtime.name for runtime in job.state.runtimes if runtime.vouched}
    return frozenset(
        (one.name, one.user)
        for one in survey.runtimes
        if one.name in can
        and one.problem is None
        and not any(entry.name == OURS for place in one.places for entry in place.entries)
        and _asked(crew, talk, job, one.name, one.user) is None
    )


def _look(crew: Crew, talk: Talk, job: Job, connection: Connection) -> PlaceReport:
    limit = crew.host_limit(job.host)
    return talk.place(connection, job.state, check=True, force=False, restarts=False, limit=limit)


def _stands(report: RuntimeReport) -> bool:
    return any(file.result != "would_change" or file.previous is not None for file in report.files)


def _asked(crew: Crew, talk: Talk, job: Job, name: str, user: str) -> Problem | None:
    """Why a runtime does not trust what the home says is served; None where it does."""
    runtime = next(one for one in job.state.runtimes if one.name == name)
    limit, references = crew.host_limit(job.host), references_of(job.state)
    answers = crew.attempt(
        job,
        lambda connection: talk.probe(connection, runtime, user, references, "", limit),
    )
    known = {reference.text: reference for reference in references}
    for answer in answers:
        if answer.reference not in known:
            raise HostError(
                ErrorKind.SHELL, f"told of {answer.reference!r}, which it was not asked about"
            )
        proof = judge_probe(answer, known[answer.reference], image=False)
        problem = proof.problem
        if problem is not None and job.state.retire_insecure:
            problem = judge_beside_insecure(answer)
        if problem is not None:
            return problem
        if proof.served != runtime.vouched:
            what = "another certificate than the home's" if proof.served else "what is not known"
            return Problem(
                ErrorKind.DAEMON,
                f"{answer.reference} serves {what}, which tells nothing of the home's",
                "put the home's certificate into service: certkit registry deploy"
                if proof.served
                else "install openssl on the host",
            )
    return None


def references_of(state: HostState) -> tuple[RegistryReference, ...]:
    """The references that a state's files are for."""
    texts = (file.path.rsplit("/", 2)[1] for one in state.runtimes for file in one.files)
    return tuple(RegistryReference.parse(text) for text in dict.fromkeys(texts))


def _cannot(problem: Problem) -> HostError:
    if problem.kind is ErrorKind.TRUST:
        return HostError(
            ErrorKind.TRUST,
            f"trusts the registry by nothing that was shown: {problem.message}; and this home "
            "does not have the root that could be placed",
            "give the root to the home: certkit import-signed server.crt --import-chain ROOT.crt; "
            "where the host's system has it already, restart the daemon: it reads it once",
        )
    return HostError(
        problem.kind,
        f"cannot tell whether its system trusts the registry: {problem.message}",
        problem.hint,
    )
