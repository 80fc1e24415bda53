"""Taking the registry out of a host's lists of insecure ones, once its trust is proven there."""

from __future__ import annotations

from collections.abc import Sequence

from certkit.errors import ErrorKind, HostError
from certkit.fleet.crew import Crew
from certkit.fleet.drift.insecure import Retirement, network_notes, retirement
from certkit.fleet.job import Job
from certkit.fleet.proof import judge_beside_insecure
from certkit.fleet.report import Outcome, Problem
from certkit.fleet.stock import placed_end, state_of
from certkit.fleet.talk import Talk
from certkit.names import RegistryReference
from certkit.remote.report import RuntimeReport
from certkit.remote.retire import RetireReport
from certkit.runtimes import answers


def take_settings(job: Job, *, check: bool, diff: bool) -> None:
    """Note what of a host's settings is to go, and what is in the way of that.

    Args:
        job: The host, placed; `retiring` and `left` are filled in, and in a check its `runtimes`.
        check: Whether nothing is to be changed.
        diff: Whether differences are described.
    """
    assert job.placed is not None
    references = _references(job)
    retiring = []
    for index, report in enumerate(job.placed.runtimes):
        if report.problem is not None or any(file.result == "foreign" for file in report.files):
            continue
        found = retirement(report, references)
        _add_notes(job, index, network_notes(report, references))
        if isinstance(found, Problem):
            job.left = job.left or found
            _add_notes(job, index, [found.message])
        elif found is not None:
            retiring.append((index, found))
            if diff:
                job.amend(index, diff=(*job.runtimes[index].diff, *_difference(found)))
            if check:
                _changed(job, index, found)
                what = _what(found, "would be taken")
                _add_notes(job, index, [f"{what}, once the trust is proven there"])
    job.retiring = () if check else tuple(retiring)


def retire_job(crew: Crew, talk: Talk, job: Job) -> tuple[Outcome, Problem | None]:
    """Take what is to go out of one host's settings; a failure of one runtime stops no other.

    Args:
        crew: The run.
        talk: How the host is spoken to.
        job: The host, with what is to go.

    Returns:
        How the host ends, and why when that is not well.
    """
    problem: Problem | None = None
    outcome = Outcome.FAILED
    with crew.clocked(job):
        for index, going in job.retiring:
            try:
                trouble, ended = _retire(crew, talk, job, index, going)
            except HostError as error:
                trouble, ended = Problem.of(error), Outcome.FAILED
            if trouble is not None and problem is None:
                problem, outcome = trouble, ended
    return (outcome, problem) if problem is not None else placed_end(job, check=False)


def _retire(
    crew: Crew, talk: Talk, job: Job, index: int, going: Retirement
) -> tuple[Problem | None, Outcome]:
    assert job.placed is not None
    report = job.placed.runtimes[index]
    unproven = _prove(crew, talk, job, index, going)
    if unproven is not None:
        return unproven, Outcome.FAILED
    runtime = state_of(job.state, report)
    done = crew.attempt(
        job,
        lambda connection: talk.retire(
            connection, runtime, report.user, going.references, going.before, going.after
        ),
    )
    if done.result == "retired":
        # That it is listed was told before it went.
        stale = {
            answers.insecure_note(report.name, one.text, report.verification)
            for one in going.references
        }
        kept = (note for note in job.runtimes[index].notes if note not in stale)
        job.amend(index, notes=tuple(kept))
        _changed(job, index, going)
        _add_notes(job, index, [_what(going, "was taken"), "reloaded, not restarted"])
        return None, Outcome.CHANGED
    _add_notes(job, index, done.journal)
    return _failed(report, going, done)


def _prove(crew: Crew, talk: Talk, job: Job, index: int, going: Retirement) -> Problem | None:
    """Return why the trust is not proven there; None when it is."""
    assert job.placed is not None
    report = job.placed.runtimes[index]
    references = _references(job)
    runtime = state_of(job.state, report)
    limit = crew.host_limit(job.host)
    probes = crew.attempt(
        job,
        lambda connection: talk.probe(
            connection, runtime, report.user, going.references, "", limit
        ),
    )
    seen = {probe.reference: probe for probe in probes}
    addresses = [address for probe in probes for address in probe.addresses]
    plain = network_notes(report, references)
    notes = [note for note in job.runtimes[index].notes if note not in plain]
    job.amend(index, notes=(*notes, *network_notes(report, references, addresses)))
    for reference in going.references:
        probe = seen.get(reference.text)
        if probe is None:
            raise HostError(ErrorKind.SHELL, f"did not tell of {reference.text}")
        problem = judge_beside_insecure(probe)
        if problem is not None:
            return Problem(
                problem.kind,
                f"keeps {reference.text} in its insecure-registries, since its trust is not proven "
                f"there: {problem.message}",
                problem.hint,
            )
    return None


def _references(job: Job) -> tuple[RegistryReference, ...]:
    return tuple(RegistryReference.parse(text) for text in job.state.retire_insecure)


def _failed(
    report: RuntimeReport, going: Retirement, done: RetireReport
) -> tuple[Problem, Outcome]:
    """Say how it ended where the registry is still insecure, or worse."""
    kind, why = ErrorKind.DAEMON, "did not answer after the reload"
    if done.why == "listed":
        why = "did not take up its settings by a reload"
    elif done.why == "pull":
        verdict = answers.pull(1, done.pull_text, expected=False)
        kind = verdict.kind or kind
        why = f"does not pull once it verifies: {verdict.message}"
    hint = "see its log: journalctl -u docker, and what is in the way: certkit doctor --host HOST"
    if done.result == "rolled_back":
        said = f"{report.name} {why}; {going.path} is as it was"
        return Problem(kind, said, hint), Outcome.ROLLED_BACK
    if done.result == "kept":
        return Problem(kind, f"{report.name} {why}; nothing was written", hint), Outcome.FAILED
    return (
        Problem(
            kind,
            f"{report.name} {why}, and not either on {going.path} as it was",
            "log in and see what its service manager says; the file as it was is below "
            "/var/lib/certkit/retired/old if it could not be put back",
        ),
        Outcome.FAILED,
    )


def _what(going: Retirement, verb: str) -> str:
    if not going.entries:
        return f"{going.path} does not list the registry, and a reload makes that count"
    return f"{', '.join(going.entries)} {verb} out of insecure-registries"


def _difference(going: Retirement) -> tuple[str, ...]:
    """The lines of a diff; nothing else of the file is shown."""
    return (going.path, *(f"- insecure-registries: {entry}" for entry in going.entries))


def _changed(job: Job, index: int, going: Retirement) -> None:
    job.amend(index, changed=(*job.runtimes[index].changed, going.path))


def _add_notes(job: Job, index: int, lines: Sequence[str]) -> None:
    notes = dict.fromkeys((*job.runtimes[index].notes, *lines))
    job.amend(index, notes=tuple(notes))
