"""Where a rotation stands, in words and as the document ``certkit.rotation/1``. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from certkit.pki.rollover_state import VANISHED, Phase, Rollover

SCHEMA = "certkit.rotation/1"

_STANDS = {
    Phase.IDLE: "no rotation is under way",
    Phase.STARTED: "started: the registry serves the old authority's certificate",
    Phase.SWITCHED: "switched: the registry serves the new authority's certificate",
    Phase.ABORTING: "going back: the old certificate is to be served again",
    Phase.FINISHED: "finished: the new authority alone is trusted",
    Phase.ABORTED: "aborted: the old authority alone is trusted",
}


@dataclass(frozen=True)
class RotationReport:
    """What ``certkit rotate status`` tells.

    Attributes:
        registry: The registry.
        rollover: The state.
        hosts: Every host of the inventory.
    """

    registry: str
    rollover: Rollover
    hosts: Sequence[str]

    @property
    def stands(self) -> str:
        """One clause."""
        return _STANDS[self.rollover.phase]

    @property
    def missing(self) -> tuple[tuple[str, str], ...]:
        """Which hosts keep the next gate closed, and why; after the end, which lack its trust."""
        state = self.rollover
        if state.phase is Phase.STARTED and state.compromised:
            return ()
        if state.phase in (Phase.IDLE, Phase.ABORTING):
            return ()
        return state.missing(self.hosts)

    @property
    def listed(self) -> tuple[str, ...]:
        """Every host of the inventory, then those that have left it while a gate is ahead."""
        state = self.rollover
        return (*self.hosts, *(state.vanished(self.hosts) if state.phase.under_way else ()))

    @property
    def open(self) -> bool:
        """Whether something remains to be done: a step, or a host that lacks the last trust."""
        ended = self.rollover.phase in (Phase.FINISHED, Phase.ABORTED)
        return self.rollover.phase.under_way or (ended and bool(self.missing))

    @property
    def waived(self) -> tuple[str, ...]:
        """Which hosts the next gate does not wait for."""
        state = self.rollover
        return tuple(one.host for one in state.waivers if one.phase is state.phase)

    @property
    def next_step(self) -> tuple[str, str]:
        """A sentence and a command; both empty while idle."""
        phase = self.rollover.phase
        if phase is Phase.STARTED:
            if any(why != VANISHED for _, why in self.missing):
                return "bring the trust to the hosts that lack it", "certkit rotate start"
            return "put the new certificate into service", "certkit rotate switch"
        if phase is Phase.SWITCHED:
            return "take the old authority off the hosts", "certkit rotate finish"
        if phase is Phase.ABORTING:
            return "go on going back", "certkit rotate abort"
        if phase in (Phase.FINISHED, Phase.ABORTED):
            if self.missing:
                step = "finish" if phase is Phase.FINISHED else "abort"
                return "bring the trust to the hosts that lack it", f"certkit rotate {step}"
            return "see that every host has it", "certkit status"
        return "", ""

    def to_json(self) -> dict[str, Any]:
        """Return the document, ready for ``json.dumps``."""
        state = self.rollover
        lacks = dict(self.missing)
        proofs = {one.host: one for one in state.proofs}
        return {
            "schema": SCHEMA,
            "registry": self.registry,
            "phase": state.phase.value,
            "under_way": state.phase.under_way,
            "since": state.since.isoformat() if state.since else None,
            "compromised": state.compromised,
            "old": state.old or None,
            "new": state.new or None,
            "offered": state.offered or None,
            "hosts": [
                {
                    "name": name,
                    "lacks": lacks.get(name),
                    "waived": name in self.waived,
                    "proven_at": proofs[name].at.isoformat() if name in proofs else None,
                }
                for name in self.listed
            ],
            "next": self.next_step[1] or None,
        }
