"""Putting a pair into service: placed, taken up, seen from outside; or everything as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from certkit.errors import HostError
from certkit.fleet.crew import Crew, guarded
from certkit.fleet.events import Event, PhaseStarted, Watcher
from certkit.fleet.job import Job, RunOptions
from certkit.fleet.report import HostResult, Outcome, Problem, RuntimeResult
from certkit.fleet.stop import Stop
from certkit.inventory.model import Host
from certkit.inventory.registry_host import RegistryHost
from certkit.names import RegistryReference
from certkit.pki.bundle import time_text
from certkit.registry.objections import OVERTAKEN, after, foreign, not_seen, not_up
from certkit.registry.pair import Pair
from certkit.registry.plan import deployment, endpoint
from certkit.registry.sight import Fetch, Sight, fetch, from_here, from_hosts, watch
from certkit.remote import deploy as phase
from certkit.remote.deployment import Deployment, DeployReport
from certkit.runtimes.state import HostState
from certkit.transport.connection import Connection, Connector

NAME = "registry"
"""What the registry is called among a report's runtimes."""

_RESTARTS = ("create", "recreate", "restart")


@dataclass(frozen=True)
class DeployOptions:
    """How a deployment is done.

    Attributes:
        check: Only look; nothing is changed.
        force: Replace files that certkit did not write.
        operator: Who asks, for whoever finds the host locked.
        retries: How often the host is tried again after a failure that may pass.
        known: Certificate files of certkit's own that may stand on the host already.
        witnesses: Hosts that must see the new certificate too.
    """

    check: bool = False
    force: bool = False
    operator: str = ""
    retries: int = 2
    known: tuple[bytes, ...] = ()
    witnesses: tuple[Host, ...] = ()


@dataclass(frozen=True)
class Deployed:
    """How a deployment ended.

    Attributes:
        result: The host, as reports have it.
        served: Whether the pair is in service, seen from at least one place and by nobody
            otherwise. Only then may a waiting certificate become the current one.
        sights: What was seen from outside.
    """

    result: HostResult
    served: bool
    sights: tuple[Sight, ...] = ()


def deploy(
    server: RegistryHost,
    reference: RegistryReference,
    pair: Pair,
    connector: Connector,
    options: DeployOptions | None = None,
    *,
    watcher: Watcher | None = None,
    stop: Stop | None = None,
    fetcher: Fetch = fetch,
) -> Deployed:
    """Put a pair into service on the registry's host.

    Can be run again after any interruption: the host knows what was begun.

    Args:
        server: The host, and how the registry runs there.
        reference: The registry.
        pair: What it is to serve; see `Pair.checked`.
        connector: Opens connections; the caller closes it.
        options: How.
        watcher: Told of retries and of the end.
        stop: Keeps a failed connection from being tried again.
        fetcher: How this machine shakes hands.

    Raises:
        InputError: Something of the inventory cannot be sent; nothing was touched.
    """
    options = options or DeployOptions()
    state = deployment(server, reference, pair, options.known)
    phase.deploy(state)  # what cannot be sent is refused before anything connects
    crew = Crew(connector, RunOptions(1, options.retries), watcher or _silent, stop or Stop())
    job = Job(server.host, HostState(reference.text, ()))
    crew.emit(PhaseStarted("deploy", 1))
    work = _Work(server, reference, pair, state, connector, options, fetcher)
    try:
        with crew.clocked(job):
            end = guarded(lambda: crew.attempt(job, work.run, limit=state.timeout * 8 + 700))
    except HostError as error:
        return Deployed(crew.fail(job, error), False)
    job.runtimes.append(end.runtime)
    return Deployed(crew.finish(job, end.outcome, end.problem), end.served, end.sights)


@dataclass(frozen=True)
class _End:
    outcome: Outcome
    runtime: RuntimeResult
    served: bool
    problem: Problem | None = None
    sights: tuple[Sight, ...] = ()


@dataclass(frozen=True)
class _Work:
    """One deployment on an open connection."""

    server: RegistryHost
    reference: RegistryReference
    pair: Pair
    state: Deployment
    connector: Connector
    options: DeployOptions
    fetcher: Fetch

    def run(self, connection: Connection) -> _End:
        options = self.options
        report = self._ask(connection, "deploy")
        runtime = self._runtime(report)
        if report.result == "foreign":
            return _End(Outcome.FAILED, runtime, False, foreign(report))
        if report.result == "would_change":
            return _End(Outcome.WOULD_CHANGE, runtime, False)
        if report.result not in ("changed", "unchanged"):
            return self._failed(report, runtime)
        if options.check:
            return _End(Outcome.UNCHANGED, runtime, report.served == self.pair.sha256)
        fresh = report.result == "changed"
        outcome = Outcome.CHANGED if fresh else Outcome.UNCHANGED
        sights = self._look_around(connection, report)
        problem = not_seen(sights, self.reference, self.pair.sha256)
        runtime = runtime._replace(notes=(*runtime.notes, *self._notes(sights)))
        # Where placing is all that was asked, what is served is told, not judged.
        if problem is None or self.server.run == "files":
            if fresh and self._ask(connection, "settle").result == "none":
                return _End(Outcome.FAILED, runtime, False, OVERTAKEN, sights)
            return _End(outcome, runtime, problem is None, None, sights)
        if not fresh:
            return _End(Outcome.FAILED, runtime, False, problem, sights)
        back = self._ask(connection, "revert")
        good = back.result == "rolled_back"
        outcome = Outcome.ROLLED_BACK if good else Outcome.FAILED
        return _End(outcome, runtime, False, after(problem, back), sights)

    def _ask(self, connection: Connection, step: phase.Step) -> DeployReport:
        from certkit.fleet.talk import link_lost

        options = self.options
        exchange = phase.deploy(
            self.state, step, check=options.check, force=options.force, operator=options.operator
        )
        answer = connection.run(exchange)
        if answer.status is None:
            raise link_lost()
        return phase.decode_deploy(answer.stdout, exchange.nonce)

    def _look_around(self, connection: Connection, report: DeployReport) -> tuple[Sight, ...]:
        fallback = connection.peer if self.server.host.connection == "ssh" else "127.0.0.1"
        wanted, reference = self.pair.sha256, self.reference
        here = from_here(reference, fallback, until=wanted, fetcher=self.fetcher)
        # Who sees another one here objects already, so that nobody else is waited for.
        until = wanted if here.sha256 in ("", wanted) else ""
        witnesses = from_hosts(self.options.witnesses, reference, self.connector, until=until)
        return (here, self._from_its_host(connection, report, until), *witnesses)

    def _from_its_host(self, connection: Connection, report: DeployReport, until: str) -> Sight:
        host = self.server.host
        if report.served == self.pair.sha256:
            return Sight(host.name, report.served)
        try:
            # What reloads by itself may have done so since the files were placed.
            return watch(connection, host, endpoint(self.server, self.reference), until=until)
        except HostError as error:
            return Sight(host.name, problem=Problem.of(error))

    def _failed(self, report: DeployReport, runtime: RuntimeResult) -> _End:
        problem = not_up(report, self.state.timeout)
        if report.result == "failed":
            return _End(Outcome.FAILED, runtime, False, problem)
        good = report.result == "rolled_back"
        outcome = Outcome.ROLLED_BACK if good else Outcome.FAILED
        return _End(outcome, runtime, False, after(problem, report))

    def _runtime(self, report: DeployReport) -> RuntimeResult:
        changed = tuple(
            file.path for file in report.files if file.result in ("changed", "would_change")
        )
        done = report.result in ("changed", "rolled_back", "rollback_failed", "failed")
        notes = []
        if report.result == "would_change" and report.plan != "none":
            notes.append(f"the registry would be told to {report.plan}")
        if self.options.check and report.before and report.before != self.pair.sha256:
            notes.append(f"serves another certificate now ({report.before[:16]})")
        if not report.at_boot:
            notes.append(
                "nothing starts Podman's containers after a reboot there: "
                "systemctl enable podman-restart"
            )
        return RuntimeResult(
            NAME,
            changed=changed,
            restarted=done and report.plan in _RESTARTS,
            notes=tuple(notes),
        )

    def _notes(self, sights: Sequence[Sight]) -> list[str]:
        wanted = self.pair.sha256
        places = [sight.place for sight in sights if sight.sha256 == wanted]
        until = time_text(self.pair.leaf.not_valid_after_utc)[:10]
        notes = []
        if places:
            notes.append(
                f"serves {wanted[:16]}, valid until {until}; seen from {' and '.join(places)}"
            )
        for sight in sights:
            if sight.problem is not None:
                notes.append(f"not seen from {sight.place}: {sight.problem.message}")
            elif self.server.run == "files" and sight.sha256 != wanted:
                notes.append(
                    f"{sight.place} is still served another certificate ({sight.sha256[:16]}): "
                    "reload the registry"
                )
        return notes


def _silent(event: Event) -> None:
    """Watch nothing."""
