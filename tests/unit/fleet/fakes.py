"""A fleet in memory: hosts that behave as a test says, and a record of what was asked of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from certkit.errors import ErrorKind, HostError
from certkit.fleet.plan import Target
from certkit.fleet.talk import link_lost
from certkit.inventory.model import Host, RestartPolicy
from certkit.names import RegistryReference
from certkit.remote.exchange import Exchange
from certkit.remote.report import (
    FileReport,
    PlaceReport,
    ProbeReport,
    RestartReport,
    RestartResult,
    RuntimeReport,
    SettingsReport,
)
from certkit.remote.retire import RetireReport, RetireResult, RetireWhy
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.state import HostState, RuntimeChoice, RuntimeState
from certkit.transport.connection import Answer, BeforeLogin, Connection

REGISTRY = RegistryReference.parse("registry.lab:5000")
PATH = "/etc/docker/certs.d/registry.lab:5000/ca.crt"
DIGEST = "sha256:" + "a" * 64
STATE = desired_state((REGISTRY,), b"bundle\n", RuntimeChoice(("docker",)))


class RefusedPasswordError(HostError):
    stops_run = True


def unreachable(*, retryable: bool = False) -> HostError:
    return HostError(
        ErrorKind.REFUSED, "refuses connections", "sshd?", retryable=retryable, unreachable=True
    )


def wrong_password() -> HostError:
    return RefusedPasswordError(ErrorKind.SUDO, "did not take the sudo password")


@dataclass
class Machine:
    """One host of the fake fleet.

    Attributes:
        served: The fingerprint of what it is served; empty when it cannot tell.
        trusted: Whether the file stands as it should already.
        foreign: Whether somebody else's file is in its place.
        running: Containers running; None when it cannot tell.
        live_restore: Whether they survive a restart.
        daemon: Whether the daemon runs; None for a runtime without one.
        restart: How its restart ends.
        connect: Errors of the first connects, in order.
        reach: How it answers before any login: never with the error, and once the event is set.
        cut: How many restarts lose their link; True in `cut_after` when the restart is done then.
        clock: Seconds its clock is ahead.
        meanwhile: How another run's restart ended, before this one's.
        reason: Of how its restart ends; `restored` with it.
        beside: What users report of their own runtimes.
        seconds: How long a restart takes.
        settings: What is told of the daemon's own file.
        retires: How taking an entry out of it ends, and why.
    """

    served: str = ""
    trusted: bool = False
    foreign: bool = False
    running: int | None = 0
    live_restore: bool | None = False
    daemon: bool | None = True
    restart: RestartResult = "restarted"
    connect: list[HostError] = field(default_factory=list)
    reach: tuple[HostError | None, threading.Event | None] = (None, None)
    cut: int = 0
    cut_after: bool = True
    clock: float = 0
    seconds: float = 0.0
    place_seconds: float = 0.0
    digest: str = DIGEST
    pull: str = "manifest unknown"
    verification: str = ""
    handshake: int | None = 0
    due: bool = False
    absent: bool = False
    beside: tuple[RuntimeReport, ...] = ()
    meanwhile: str = ""
    reason: str = ""
    restored: bool | None = None
    settings: SettingsReport | None = None
    retires: tuple[RetireResult, RetireWhy] = ("retired", "")


@dataclass
class Wire:
    name: str
    fleet: FakeFleet
    closed: bool = False

    @property
    def peer(self) -> str:
        return f"10.0.0.{len(self.name)}"

    def run(self, exchange: Exchange) -> Answer:
        raise AssertionError("the fake talks by itself")

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            with self.fleet.lock:
                self.fleet.open -= 1


@dataclass
class FakeFleet:
    """Connector and talk in one."""

    machines: dict[str, Machine]
    lock: threading.RLock = field(default_factory=threading.RLock)
    log: list[tuple[str, str, float]] = field(default_factory=list)
    connects: dict[str, int] = field(default_factory=dict)
    open: int = 0
    most_open: int = 0
    busy: int = 0
    most_busy: int = 0

    def targets(self, policy: RestartPolicy = "changed", state: HostState = STATE) -> list[Target]:
        return [
            Target(Host(name=name, address=f"{name}.lab", user="root"), state, policy)
            for name in self.machines
        ]

    def connect(self, host: Host, before_login: BeforeLogin | None = None) -> Connection:
        error, answers = self.machines[host.name].reach
        assert answers is None or answers.wait(60), "what it waits for never came"
        if error is not None:
            raise error
        if before_login is not None:
            before_login()
        with self.lock:
            self.connects[host.name] = self.connects.get(host.name, 0) + 1
            errors = self.machines[host.name].connect
            if errors:
                raise errors.pop(0)
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        return Wire(host.name, self)

    def abort(self) -> None: ...

    def close(self) -> None: ...

    def note(self, what: str, name: str) -> None:
        with self.lock:
            self.log.append((what, name, time.monotonic()))

    def names(self, what: str) -> list[str]:
        return [name for event, name, _ in self.log if event == what]

    def place(
        self,
        connection: Connection,
        state: HostState,
        *,
        check: bool,
        force: bool,
        restarts: bool,
        limit: float,
    ) -> PlaceReport:
        assert isinstance(connection, Wire) and not connection.closed
        machine = self.machines[connection.name]
        self.note("check" if check else "place", connection.name)
        with self.lock:
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
        time.sleep(machine.place_seconds)
        with self.lock:
            self.busy -= 1
        if machine.absent:
            return PlaceReport((), int(time.time()))
        wanted = not state.removes
        if machine.foreign and not force:
            file = FileReport(PATH, "foreign", b"other", ("content",))
        elif machine.trusted is wanted:
            file = FileReport(PATH, "same")
        else:
            before = None if wanted else b"bundle\n"
            file = FileReport(PATH, "would_change" if check else "changed", before, ("content",))
            if not check:
                machine.trusted = wanted
                machine.due = restarts and machine.daemon is True
        report = RuntimeReport(
            "docker",
            version="26.1.5",
            files=(file,),
            running=machine.running,
            live_restore=machine.live_restore,
            daemon=machine.daemon,
            restart_due=machine.due,
            verification=machine.verification,
            settings=machine.settings if state.retire_insecure else None,
        )
        return PlaceReport((report, *machine.beside), int(time.time() + machine.clock))

    def restart(
        self,
        connection: Connection,
        runtime: RuntimeState,
        user: str,
        paths: Sequence[str],
        *,
        due: bool,
    ) -> RestartReport:
        assert isinstance(connection, Wire) and not connection.closed
        machine = self.machines[connection.name]
        if machine.meanwhile:
            machine.due = False
            machine.trusted = machine.meanwhile == "restarted"
        if due and not machine.due:
            return RestartReport("docker", user, "refused", 0.0, reason="done")
        self.note("restart", connection.name)
        lost = machine.cut > 0
        machine.cut -= lost
        if lost and not machine.cut_after:
            raise link_lost()
        time.sleep(machine.seconds)
        machine.due = machine.restart == "stuck"
        if machine.restart == "rolled_back":
            machine.trusted = not machine.trusted
        elif machine.restart == "stuck":
            machine.trusted = False
        self.note("restarted", connection.name)
        if lost:
            raise link_lost()
        journal = () if machine.restart == "restarted" else ("dockerd: failed to start",)
        return RestartReport(
            "docker", user, machine.restart, 0.1, journal, machine.reason, machine.restored
        )

    def probe(
        self,
        connection: Connection,
        runtime: RuntimeState,
        user: str,
        references: Sequence[RegistryReference],
        image: str,
        limit: float,
    ) -> tuple[ProbeReport, ...]:
        assert isinstance(connection, Wire)
        machine = self.machines[connection.name]
        self.note(f"probe {image}", connection.name)
        good = bool(image) and machine.pull == "manifest unknown"
        return tuple(
            ProbeReport(
                "docker",
                user,
                reference.text,
                machine.handshake,
                f"{_fingerprint(machine.served)}Verify return code: 0 (ok)"
                if machine.handshake == 0
                else "self-signed certificate",
                0 if good else 1,
                "" if good else machine.pull,
                (f"{reference.text}/app@{machine.digest}",) if good else (),
                machine.verification,
            )
            for reference in references
        )

    def retire(
        self,
        connection: Connection,
        runtime: RuntimeState,
        user: str,
        references: Sequence[RegistryReference],
        before: bytes,
        after: bytes,
    ) -> RetireReport:
        assert isinstance(connection, Wire) and not connection.closed
        machine = self.machines[connection.name]
        self.note("retire", connection.name)
        assert machine.settings is not None and machine.settings.content == before
        if machine.retires[0] == "retired":
            machine.settings = replace(machine.settings, content=after)
            machine.verification = ""
        return RetireReport(
            runtime.name,
            user,
            machine.settings.path,
            *machine.retires,
            "x509: unknown",
            ("a line",),
        )


def _fingerprint(served: str) -> str:
    pairs = ":".join(served[at : at + 2] for at in range(0, len(served), 2))
    return f"sha256 Fingerprint={pairs.upper()}\n" if served else ""


def fleet_of(count: int, **changes: object) -> FakeFleet:
    return FakeFleet({f"web-{n:02}": Machine(**changes) for n in range(1, count + 1)})  # type: ignore[arg-type]
