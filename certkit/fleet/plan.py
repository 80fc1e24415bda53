"""What is asked of a distribution, and what its restarts would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from certkit.fleet.job import Job, RunOptions
from certkit.fleet.policy import stopped_by
from certkit.fleet.waves import DEFAULT_WAVES, Share, WavePlan
from certkit.inventory.model import Host, RestartPolicy
from certkit.runtimes.state import HostState


class Target(NamedTuple):
    """One host, what it should look like, and when its daemons may be restarted."""

    host: Host
    state: HostState
    policy: RestartPolicy = "changed"


class RestartPlan(NamedTuple):
    """What the restarts that are due would do; told to the operator before the first.

    Attributes:
        hosts: Names of the hosts where a daemon is to be restarted, in order.
        containers: Running containers that this stops, by host; hosts that keep theirs are absent.
        unknown: Hosts that could not tell how many containers run.
        waves: Sizes of the waves.
    """

    hosts: tuple[str, ...]
    containers: Mapping[str, int]
    unknown: tuple[str, ...]
    waves: tuple[int, ...]

    @property
    def disturbs(self) -> bool:
        """Whether a running container is stopped, or may be."""
        return bool(self.containers or self.unknown)


@dataclass(frozen=True)
class DistributeOptions(RunOptions):
    """How trust is placed.

    Attributes:
        check: Only look; nothing is changed anywhere.
        force: Overwrite files that certkit did not write.
        diff: Describe what differs in the report.
        waves: Sizes of the restart waves.
        max_fail: How many hosts may fail; see `certkit.fleet.waves.Budget`.
        operator: Who asks, told to whoever meets this run's lock on a host.
    """

    check: bool = False
    force: bool = False
    diff: bool = False
    waves: WavePlan = DEFAULT_WAVES
    max_fail: Share | None = None
    operator: str = ""


def restart_plan(jobs: Sequence[Job], waves: Sequence[Sequence[Job]]) -> RestartPlan:
    """Say what restarting these hosts in these waves would do."""
    stopped: dict[str, int] = {}
    unknown = []
    for job in jobs:
        reports = [job.placed.runtimes[index] for index in job.due] if job.placed else []
        if any(report.running is None and not report.live_restore for report in reports):
            unknown.append(job.host.name)
        count = sum(stopped_by(report) for report in reports)
        if count:
            stopped[job.host.name] = count
    return RestartPlan(
        tuple(job.host.name for job in jobs),
        stopped,
        tuple(unknown),
        tuple(len(wave) for wave in waves),
    )
