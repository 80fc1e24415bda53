"""One host on its way through a run, and how a run treats its hosts. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from certkit.fleet.gate import Turn
from certkit.fleet.report import HostResult, Problem, RuntimeResult
from certkit.inventory.model import Host
from certkit.remote.report import PlaceReport
from certkit.runtimes.state import HostState
from certkit.transport.connection import Connection

if TYPE_CHECKING:
    from certkit.fleet.drift.findings import Finding
    from certkit.fleet.drift.insecure import Retirement


DEFAULT_PARALLEL = 64
DEFAULT_RETRIES = 2


@dataclass
class Job:
    """A host, what is wanted of it, and how far it has come. Used by one thread at a time.

    Attributes:
        host: From the inventory.
        state: What the host should look like.
        connection: Open while the host is worked on, and kept until its restart where that is
            cheaper than connecting again.
        address: The address that answered; the inventory's until one did.
        reached: Whether it was ever connected to, so that something may have changed there.
        seconds: Time spent on it, waiting between phases excluded.
        placed: Its answer to the placing of files.
        runtimes: What is known of its runtimes so far, for the report.
        due: Indices into `placed.runtimes` of the daemons that are to be restarted.
        left: What is wrong with a user's own runtime: told once the rest of the host is done.
        retiring: Indices into `placed.runtimes`, each with what its settings are to lose.
        result: Its end; None until then.
        findings: Where it was read how it stands: what is about the host as a whole.
        clock: The same: seconds its clock is ahead.
        turn: To be sent its passwords, while no host may have taken them; see `Crew.admitted`.
    """

    host: Host
    state: HostState
    connection: Connection | None = None
    address: str = ""
    reached: bool = False
    seconds: float = 0.0
    placed: PlaceReport | None = None
    runtimes: list[RuntimeResult] = field(default_factory=list)
    due: tuple[int, ...] = ()
    left: Problem | None = None
    retiring: tuple[tuple[int, Retirement], ...] = ()
    result: HostResult | None = None
    findings: tuple[Finding, ...] = ()
    clock: float | None = None
    turn: Turn | None = None

    def close(self) -> None:
        """Let go of the connection, if there is one."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def amend(self, index: int, **changes: object) -> None:
        """Change what is known of one runtime."""
        self.runtimes[index] = self.runtimes[index]._replace(**changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class RunOptions:
    """How a run treats its hosts, whatever it does there.

    Attributes:
        parallel: Hosts worked on at the same time.
        retries: How often a host is tried again after a failure that may pass.
        host_timeout: Seconds for the work on one host, retries included and restarts excluded;
            None for what the inventory says.
        run_timeout: Seconds after which no new host is started; None for no bound.
        keep: Idle connections that may wait for their restart; more are opened again.
    """

    parallel: int = DEFAULT_PARALLEL
    retries: int = DEFAULT_RETRIES
    host_timeout: float | None = None
    run_timeout: float | None = None
    keep: int = 256
