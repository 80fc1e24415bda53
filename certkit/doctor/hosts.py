"""Asking hosts: how they stand, what else the doctor wants to know, and the client's own word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial

from certkit.doctor.host import HostFacts
from certkit.errors import ErrorKind, HostError
from certkit.fleet.crew import Crew, bounded, guarded
from certkit.fleet.events import PhaseStarted, Watcher
from certkit.fleet.job import Job, RunOptions
from certkit.fleet.plan import Target
from certkit.fleet.proof import judge_probe
from certkit.fleet.report import Outcome
from certkit.fleet.stop import Stop
from certkit.fleet.talk import RemoteTalk, link_lost
from certkit.names import RegistryReference
from certkit.remote import program
from certkit.remote.examined import decode_examine
from certkit.remote.framing import nonsense
from certkit.runtimes.questions import general_questions, questions
from certkit.transport.connection import Connection, Connector


@dataclass
class _Patient(Job):
    """A host being examined."""

    facts: HostFacts | None = None
    error: HostError | None = None


def examine(
    targets: Sequence[Target],
    references: Sequence[RegistryReference],
    connector: Connector,
    options: RunOptions,
    *,
    watcher: Watcher = lambda event: None,
    stop: Stop | None = None,
) -> tuple[list[HostFacts], list[tuple[str, HostError]]]:
    """Ask hosts everything; nothing is changed anywhere.

    Args:
        targets: Which hosts, and what they should look like.
        references: The registry, by all its names.
        connector: Opens the connections; closing it is the caller's.
        options: Bounds.
        watcher: Told of every event, one at a time.
        stop: Lets a signal handler stop the run.

    Returns:
        The answers, in the order of the targets, and the hosts that could not be asked, with why.
    """
    stop = stop or Stop()
    crew = Crew(connector, options, watcher, stop)
    patients = [_Patient(target.host, target.state) for target in targets]
    try:
        crew.emit(PhaseStarted("examine", len(patients)))
        crew.work_on(patients, partial(_ask_all, crew, references))
        for patient in patients:
            if patient.result is None:
                crew.skip(patient)
                patient.error = HostError(ErrorKind.INTERRUPTED, f"not tried: {stop.reason}")
    finally:
        for patient in patients:
            patient.close()
    facts = [patient.facts for patient in patients if patient.facts is not None]
    failed = [(one.host.name, one.error) for one in patients if one.error is not None]
    return facts, failed


def _ask_all(crew: Crew, references: Sequence[RegistryReference], patient: _Patient) -> None:
    with crew.admitted(patient):
        try:
            with crew.clocked(patient):
                patient.facts = guarded(
                    lambda: crew.attempt(patient, partial(_ask, crew, patient, references))
                )
        except HostError as error:
            patient.error = error
            crew.fail(patient, error)
            return
        crew.accepted(patient.host)
        crew.finish(patient, Outcome.UNCHANGED)


def _ask(
    crew: Crew, patient: _Patient, references: Sequence[RegistryReference], connection: Connection
) -> HostFacts:
    limit = crew.host_limit(patient.host)
    state = patient.state
    talk = RemoteTalk()
    survey = talk.survey(connection, state, limit)
    received = datetime.now(timezone.utc)
    runtimes = {one.name: one for one in state.runtimes}
    for found in survey.runtimes:
        if found.name not in runtimes:
            raise nonsense(f"a runtime {found.name}, which was not asked about")
    about = [
        (runtimes[found.name], found.user, questions(runtimes[found.name]))
        for found in survey.runtimes
        if found.problem is None
    ]
    exchange = program.examine(references, about, general_questions())
    answer = connection.run(bounded(exchange, limit))
    if answer.status is None:
        raise link_lost()
    examination = decode_examine(answer.stdout, exchange.nonce)
    facts = HostFacts(patient.host.name, state, survey, examination, received)
    known = {reference.text: reference for reference in references}
    for runtime, user, _ in about:
        for probed in talk.probe(connection, runtime, user, references, "", limit):
            if probed.reference in known:
                key = (runtime.name, user, probed.reference)
                facts.proofs[key] = judge_probe(probed, known[probed.reference], image=False)
    return facts
