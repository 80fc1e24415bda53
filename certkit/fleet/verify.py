"""Proving trust from every host: a handshake with only the installed file, and its own puller.

With an image, every host really pulls it; all must come by one digest, and by that digest too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from certkit.errors import ErrorKind, HostError
from certkit.fleet.crew import Crew, guarded
from certkit.fleet.events import HostAdvanced, PhaseStarted, Watcher
from certkit.fleet.job import Job, RunOptions
from certkit.fleet.plan import Target
from certkit.fleet.proof import judge_probe
from certkit.fleet.report import HostResult, Outcome, Problem, Proof, RuntimeResult
from certkit.fleet.stock import left_problem, nothing_found, placed_notes, shown_name, state_of
from certkit.fleet.stop import Stop
from certkit.fleet.talk import RemoteTalk, Talk
from certkit.names import RegistryReference
from certkit.remote.report import PlaceReport
from certkit.transport.connection import Connection, Connector


@dataclass(frozen=True)
class VerifyOptions(RunOptions):
    """How trust is proven.

    Attributes:
        image: What every host pulls: a repository of the registry, with tag or digest, without
            the registry's name. Empty to ask for a name that does not exist, which proves the
            trust as well.
    """

    image: str = ""


@dataclass
class _Probed(Job):
    """A host being verified.

    Attributes:
        proofs: Of each runtime found, in order, what its probes showed.
    """

    proofs: list[list[Proof]] = field(default_factory=list)


def verify(
    targets: Sequence[Target],
    references: Sequence[RegistryReference],
    connector: Connector,
    options: VerifyOptions,
    *,
    watcher: Watcher = lambda event: None,
    stop: Stop | None = None,
    talk: Talk | None = None,
) -> list[HostResult]:
    """Prove from each host that its runtimes trust the registry.

    A pass that proves nothing (an insecure registry, loopback) is a failure of kind ``trust``:
    the question was whether the host trusts the certificate, and that was not shown.

    Args:
        targets: The hosts and what they should look like.
        references: The registry and its aliases; each is asked for.
        connector: Opens the connections; closing it is the caller's.
        options: Bounds, and the image.
        watcher: Told of every event, one at a time.
        stop: Lets a signal handler stop the run.
        talk: How hosts are spoken to; the remote program by default.

    Returns:
        One result for each target, in their order; ``unchanged`` means proven.
    """
    stop = stop or Stop()
    crew = Crew(connector, options, watcher, stop)
    talk = talk or RemoteTalk()
    jobs = [_Probed(target.host, target.state) for target in targets]
    second = bool(options.image) and "@" not in options.image
    try:
        crew.emit(PhaseStarted("verify", len(jobs)))
        crew.work_on(jobs, partial(_first, crew, talk, references, options.image, second))
        waiting = [job for job in jobs if job.result is None and job.proofs]
        if second and waiting and not stop.requested():
            digest = _agree(crew, waiting)
            waiting = [job for job in waiting if job.result is None]
            by_digest = f"{_repository(options.image)}@{digest}"
            crew.emit(PhaseStarted("digest", len(waiting)))
            crew.work_on(waiting, partial(_second, crew, talk, references, by_digest))
        for job in jobs:
            if job.result is None:
                crew.skip(job)
    finally:
        for job in jobs:
            job.close()
    return [job.result for job in jobs if job.result is not None]


def _first(
    crew: Crew,
    talk: Talk,
    references: Sequence[RegistryReference],
    image: str,
    second: bool,
    job: _Probed,
) -> None:
    """Look at the host, then probe each of its runtimes; finish it unless a second pull is due."""
    with crew.admitted(job):
        try:
            with crew.clocked(job):
                job.placed = guarded(lambda: crew.attempt(job, partial(_look, crew, talk, job)))
        except HostError as error:
            crew.fail(job, error)
            return
        crew.accepted(job.host)
    try:
        with crew.clocked(job):
            problem = guarded(lambda: _probe_all(crew, talk, job, references, image))
    except HostError as error:
        problem = Problem.of(error)
    if problem is not None:
        crew.finish(job, Outcome.FAILED, problem)
    elif second:
        crew.emit(HostAdvanced(job.host.name, "verify"))
    else:
        crew.finish(job, Outcome.UNCHANGED)


def _look(crew: Crew, talk: Talk, job: Job, connection: Connection) -> PlaceReport:
    limit = crew.host_limit(job.host)
    return talk.place(connection, job.state, check=True, force=False, restarts=False, limit=limit)


def _probe_all(
    crew: Crew, talk: Talk, job: _Probed, references: Sequence[RegistryReference], image: str
) -> Problem | None:
    placed = job.placed
    assert placed is not None
    if not placed.runtimes:
        return nothing_found(job.state)
    for index, report in enumerate(placed.runtimes):
        vouched = any(runtime.vouched for runtime in job.state.runtimes)
        # Where its system vouches, no file is needed; whether it does, the probe shows.
        absent = [
            file.path
            for file in report.files
            if file.result != "same" and (file.previous is not None or not vouched)
        ]
        missing = [f"{path} does not hold the trust that this home has" for path in absent]
        job.runtimes.append(
            RuntimeResult(
                name=shown_name(report),
                version=report.version,
                notes=(*placed_notes(placed, index), *report.notes, *missing),
            )
        )
        job.proofs.append([])
        job.left = job.left or left_problem(report)
    for index, report in enumerate(placed.runtimes):
        if report.problem is None:
            _probe(crew, talk, job, index, references, image)
    return _first_problem(job) or job.left


def _probe(
    crew: Crew,
    talk: Talk,
    job: _Probed,
    index: int,
    references: Sequence[RegistryReference],
    image: str,
) -> None:
    """Probe one runtime and add what it showed."""
    assert job.placed is not None
    report = job.placed.runtimes[index]
    runtime = state_of(job.state, report)
    limit = crew.host_limit(job.host)
    answers = crew.attempt(
        job,
        lambda connection: talk.probe(connection, runtime, report.user, references, image, limit),
    )
    known = {reference.text: reference for reference in references}
    for answer in answers:
        if answer.reference not in known:
            raise HostError(
                ErrorKind.SHELL, f"told of {answer.reference!r}, which it was not asked about"
            )
        job.proofs[index].append(judge_probe(answer, known[answer.reference], image=bool(image)))
    job.amend(index, proofs=tuple(job.proofs[index]))


def _first_problem(job: _Probed) -> Problem | None:
    for runtime in job.runtimes:
        for proof in runtime.proofs:
            if proof.problem is not None:
                return proof.problem
    return None


def _agree(crew: Crew, jobs: Sequence[_Probed]) -> str:
    """Fail the hosts that pulled something else than most did; return the digest of most.

    On a tie the first host's digest is the measure, and the message names both sides.
    """
    pulled = [(proof.digest, job) for job in jobs for proofs in job.proofs for proof in proofs]
    common = Counter(digest for digest, _ in pulled).most_common(1)[0][0]
    witness = next(job.host.name for digest, job in pulled if digest == common)
    for job in jobs:
        other = {digest for digest, one in pulled if one is job} - {common}
        if other:
            crew.finish(
                job,
                Outcome.FAILED,
                Problem(
                    ErrorKind.CONFLICT,
                    f"pulled {sorted(other)[0]}, where {witness} pulled {common}",
                    "the tag was pushed again in between, or a mirror or proxy answers this host",
                ),
            )
    return common


def _second(
    crew: Crew, talk: Talk, references: Sequence[RegistryReference], image: str, job: _Probed
) -> None:
    """Pull by digest from one host, and finish it."""
    proven = [list(proofs) for proofs in job.proofs]
    job.proofs = [[] for _ in proven]
    try:
        with crew.clocked(job):
            for index in range(len(proven)):
                guarded(partial(_probe, crew, talk, job, index, references, image))
    except HostError as error:
        crew.fail(job, error)
        return
    problem = _first_problem(job)
    if problem is not None:
        problem = problem._replace(message=f"{problem.message} (by digest)")
    crew.finish(job, Outcome.FAILED if problem else Outcome.UNCHANGED, problem)


def _repository(image: str) -> str:
    """Drop the tag of an image that has no digest."""
    head, _, tail = image.rpartition("/")
    name = tail.partition(":")[0]
    return f"{head}/{name}" if head else name
