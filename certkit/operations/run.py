"""What an operation works on, and the little that it asks of whoever runs it."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Protocol, TypeVar

from certkit.fleet.events import Watcher
from certkit.fleet.job import RunOptions
from certkit.fleet.plan import RestartPlan, Target
from certkit.fleet.report import BundleEntry, FleetReport, HostResult
from certkit.fleet.stop import Stop
from certkit.fleet.targets import targets_for
from certkit.home.home import Home
from certkit.home.registry import RegistryFiles
from certkit.home.request import Origin
from certkit.inventory.inventory import Inventory
from certkit.inventory.model import Host, RestartPolicy
from certkit.names import RegistryReference
from certkit.pki.bundle import TrustBundle
from certkit.transport.connection import Connector

if TYPE_CHECKING:
    from certkit.inventory.registry_host import RegistryHost

T = TypeVar("T")


class Running(Protocol):
    """What there is while hosts are worked on."""

    @property
    def connector(self) -> Connector:
        """Opens connections; closed by whoever made it."""

    @property
    def bounds(self) -> RunOptions:
        """How wide it is, how often a host is tried again, how long it may take."""

    @property
    def progress(self) -> Watcher:
        """Shows how far it is."""

    @property
    def watcher(self) -> Watcher:
        """Shows how far it is, and tells of each host that is finished."""

    def confirm(self, plan: RestartPlan) -> bool:
        """Say whether these daemons may be restarted."""


class Run(Protocol):
    """One command's run.

    Attributes:
        home: The home.
        files: The registry's part of it.
        bundle: What hosts are to trust.
        inventory: As understood.
        hosts: Those selected, passwords filled in.
        references: The registry, then its aliases.
        stop: Stops the run.
    """

    home: Home
    files: RegistryFiles
    bundle: TrustBundle
    inventory: Inventory
    hosts: tuple[Host, ...]
    references: tuple[RegistryReference, ...]
    stop: Stop

    @property
    def server(self) -> RegistryHost | None:
        """The registry's own machine, passwords filled in, where the inventory names it."""

    def chosen(self, pattern: str | None) -> tuple[Host, ...]:
        """Hosts of the inventory beside those of the run, passwords filled in."""

    def running(self, phases: dict[str, str] | None = None) -> AbstractContextManager[Running]:
        """Be ready to connect while the block runs; `phases` says how its phases are called."""

    def warn(self, text: str) -> None:
        """Tell of something that does not stop the run."""

    def say(self, text: str) -> None:
        """Tell people one line."""

    def again(self, text: str) -> str:
        """Return words, their commands ready to paste: with the same home, registry, inventory."""

    def told(self, one: T) -> T:
        """Return what is reported, the commands in its cures and hints ready to paste."""

    def ran(self, report: FleetReport) -> None:
        """Take note of a part of the run that is through, where there are several."""


def targets_of(
    run: Run,
    restart: RestartPolicy | None = None,
    *,
    remove: bool = False,
    retire_insecure: bool = False,
) -> tuple[Target, ...]:
    """Return what every host of the run should look like, with its restart policy."""
    return targets_for(
        run.hosts,
        run.references,
        run.bundle.pem,
        run.inventory.settings,
        restart,
        vouched=run.files.vouched,
        shared=run.files.request.origin is not Origin.OWN,
        remove=remove,
        retire_insecure=retire_insecure,
    )


def report_of(
    run: Run, command: str, results: Sequence[HostResult], *, check: bool = False
) -> FleetReport:
    """Return the report of what was done."""
    entries = run.bundle.entries
    return FleetReport(
        command=command,
        registry=run.files.reference.text,
        check=check,
        bundle=tuple(BundleEntry(one.sha256, one.subject, one.not_after) for one in entries),
        hosts=[run.told(one) for one in results],
        interrupted=run.stop.interrupted,
    )


def operator() -> str:
    """Who runs this, for whoever finds a host locked: ``ann@bastion``."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "somebody"
    host = socket.gethostname()
    return "".join(mark for mark in f"{name}@{host}" if mark.isprintable())[:100]


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now(timezone.utc)
