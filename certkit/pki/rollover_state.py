"""Where the replacement of an authority stands, as data; `rollover` moves it on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum
from typing import Any

BUILD_CACHE_MINUTES = 10
"""How long BuildKit goes on with the trust it read before, in minutes: `docker build` may fail for
that long after a change of trust, although `docker pull` does not (BuildKit's resolver pool)."""


class Phase(str, Enum):
    """Where a rollover stands."""

    IDLE = "idle"
    STARTED = "started"
    SWITCHED = "switched"
    ABORTING = "aborting"
    FINISHED = "finished"
    ABORTED = "aborted"

    @property
    def under_way(self) -> bool:
        """Whether something remains to be done."""
        return self in (Phase.STARTED, Phase.SWITCHED, Phase.ABORTING)


VANISHED = "has left the inventory, or is skipped by it"


@dataclass(frozen=True)
class HostProof:
    """What one host has proven.

    Attributes:
        host: Its name in the inventory.
        at: When, with a time zone.
        trusts: Fingerprints of the authorities in its own trust files, for every runtime and
            reference: 64 hex digits each.
        handshake: Whether the host reached the registry over TLS with exactly these files.
    """

    host: str
    at: datetime
    trusts: frozenset[str]
    handshake: bool


@dataclass(frozen=True)
class Waiver:
    """A host that one gate does not wait for.

    Attributes:
        host: Its name.
        phase: The phase whose gate it was waived for; the next one asks again.
        at: When.
    """

    host: str
    phase: Phase
    at: datetime


@dataclass(frozen=True)
class Rollover:
    """A rollover. Fingerprints are SHA-256, 64 hex digits.

    Attributes:
        phase: Where it stands.
        old: The old authority.
        new: The new authority.
        since: When the phase began; older proofs prove nothing. None while idle.
        compromised: No overlap: the old authority is not trusted from the start on.
        offered: The certificate of the new authority that may be in service; empty before.
        proofs: The latest of each host.
        waivers: All that were given.
        named: Hosts that the inventory named when it was started; see `vanished`.
    """

    phase: Phase = Phase.IDLE
    old: str = ""
    new: str = ""
    since: datetime | None = None
    compromised: bool = False
    offered: str = ""
    proofs: tuple[HostProof, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    named: frozenset[str] = frozenset()

    @property
    def trusted(self) -> frozenset[str]:
        """The authorities that hosts are to trust now; empty while idle: whatever they do."""
        if self.phase is Phase.IDLE:
            return frozenset()
        if self.phase is Phase.ABORTED:
            return frozenset({self.old})
        if self.phase is Phase.FINISHED or (self.compromised and self.phase is not Phase.ABORTING):
            return frozenset({self.new})
        return frozenset({self.old, self.new})

    @property
    def known(self) -> tuple[str, ...]:
        """Every host that was named or has proven something since it was started."""
        return tuple(sorted(self.named | {proof.host for proof in self.proofs}))

    def vanished(self, hosts: Iterable[str]) -> tuple[str, ...]:
        """Which of the known hosts are not among these: nobody asks them any more."""
        present = set(hosts)
        return tuple(host for host in self.known if host not in present)

    def missing(self, hosts: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """Which hosts keep the next gate closed, and why; waived ones do not.

        After the end there is no gate: these are the hosts that may not have what it ended with.
        A host that has no proof, was not reached for instance, is not proven; one that has left
        the inventory may be there all the same.
        """
        hosts = tuple(dict.fromkeys(hosts))
        proofs = {proof.host: proof for proof in self.proofs}
        waived = {waiver.host for waiver in self.waivers if waiver.phase is self.phase}
        listed = [(host, self._lacks(proofs.get(host))) for host in hosts]
        if self.phase.under_way:
            listed += [(host, VANISHED) for host in self.vanished(hosts)]
        return tuple((host, why) for host, why in listed if why and host not in waived)

    def _lacks(self, proof: HostProof | None) -> str:
        if proof is None:
            return "has proven nothing"
        if self.since is not None and proof.at < self.since:
            return "has proven nothing since this step began"
        aborted, finished = self.phase is Phase.ABORTED, self.phase is Phase.FINISHED
        if self.new not in proof.trusts and not aborted:
            return "does not trust the new authority"
        if self.new in proof.trusts and aborted:
            return "still trusts the new authority"
        # The old one still signs what is served, and the switch may have to be taken back.
        needs_old = aborted or (self.phase is Phase.STARTED and not self.compromised)
        if self.old not in proof.trusts and needs_old:
            return "does not trust the old authority"
        if self.old in proof.trusts and finished:
            return "still trusts the old authority"
        if self.phase is Phase.SWITCHED and not proof.handshake:
            return "did not reach the new certificate over TLS"
        return ""

    def to_json(self) -> dict[str, Any]:
        """The values for the file that keeps it."""
        values = asdict(self)
        values["phase"] = self.phase.value
        values["named"] = sorted(self.named)
        values["since"] = _text(self.since)
        values["proofs"] = [
            {
                "host": p.host,
                "at": _text(p.at),
                "trusts": sorted(p.trusts),
                "handshake": p.handshake,
            }
            for p in self.proofs
        ]
        values["waivers"] = [
            {"host": w.host, "phase": w.phase.value, "at": _text(w.at)} for w in self.waivers
        ]
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Rollover:
        """Read what `to_json` wrote.

        Raises:
            ValueError: A value is wrong.
            KeyError: A value is missing.
            TypeError: A value has the wrong type.
        """
        return cls(
            Phase(values["phase"]),
            values["old"],
            values["new"],
            None if values["since"] is None else datetime.fromisoformat(values["since"]),
            values["compromised"] is True,
            values["offered"],
            tuple(
                HostProof(
                    one["host"],
                    datetime.fromisoformat(one["at"]),
                    frozenset(one["trusts"]),
                    one["handshake"] is True,
                )
                for one in values["proofs"]
            ),
            tuple(
                Waiver(one["host"], Phase(one["phase"]), datetime.fromisoformat(one["at"]))
                for one in values["waivers"]
            ),
            frozenset(values.get("named", ())),
        )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
