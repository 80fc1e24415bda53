"""What a run tells whoever watches it. The fleet prints nothing: it emits these."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from certkit.fleet.report import HostResult


class PhaseStarted(NamedTuple):
    """A phase begins: ``place``, ``restart`` or ``verify``; `hosts` is how many it covers."""

    phase: str
    hosts: int


class WaveStarted(NamedTuple):
    """A wave of restarts begins; wave 0 is the canary."""

    wave: int
    waves: int
    hosts: tuple[str, ...]


class HostAdvanced(NamedTuple):
    """A host is through a phase, but not yet finished."""

    name: str
    phase: str


class HostRetrying(NamedTuple):
    """A host failed for a passing reason and is tried again after `delay` seconds."""

    name: str
    message: str
    attempt: int
    delay: float


class HostFinished(NamedTuple):
    """A host is finished, for better or worse."""

    result: HostResult


class RunStopping(NamedTuple):
    """No new host is started: the failure budget is spent or the operator interrupted."""

    reason: str
    left: int


Event = PhaseStarted | WaveStarted | HostAdvanced | HostRetrying | HostFinished | RunStopping


class Watcher(Protocol):
    """Receives events, one at a time, from whichever thread; must not raise."""

    def __call__(self, event: Event) -> None:
        """Take note of one event."""
