"""Replacing an authority without one failed pull, as a pure state machine.

Hosts trust both authorities before the registry serves a certificate of the new one, and lose the
old one only after that. Every transition takes a `Rollover` and returns another; nothing here
reads a clock, a disk or a network.

    idle ──start──► started ──offer, switch──► switched ──finish──► finished
                       └──────abort──────► aborting ──► aborted
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from certkit.errors import CertkitError, InputError
from certkit.pki.rollover_state import VANISHED, HostProof, Phase, Rollover, Waiver

_CURES = {"switch": "rotate start", "finish": "distribute"}


class GateClosedError(CertkitError):
    """Hosts have not proven what the next step needs.

    Args:
        step: The step that was refused: ``switch`` or ``finish``.
        missing: Host and reason.
    """

    def __init__(self, step: str, missing: tuple[tuple[str, str], ...]) -> None:
        shown = "; ".join(f"{host} {why}" for host, why in missing[:5])
        more = f"; and {len(missing) - 5} more" if len(missing) > 5 else ""
        gone = any(why == VANISHED for _, why in missing)
        back = "put back into the inventory what has left it, " if gone else ""
        super().__init__(
            f"rotate {step} is refused, nothing was changed: {shown}{more}",
            f"{back}bring them the trust with certkit {_CURES[step]}, or leave one out, on the "
            "record, with --waive HOST",
        )
        self.missing = missing


def start(
    before: Rollover, old: str, new: str, now: datetime, *, compromised: bool = False
) -> Rollover:
    """A new authority exists; hosts are to trust both, or the new one alone when compromised.

    Raises:
        InputError: A rollover is under way.
    """
    if before.phase.under_way:
        raise InputError(f"a rotation is {before.phase.value} already", "see certkit rotate status")
    if old == new:
        raise ValueError("an authority cannot replace itself")
    return Rollover(Phase.STARTED, old, new, now, compromised)


def prove(rollover: Rollover, proofs: Iterable[HostProof]) -> Rollover:
    """Record what hosts have proven; the latest of each host counts."""
    latest = {proof.host: proof for proof in rollover.proofs}
    for proof in proofs:
        if proof.host not in latest or latest[proof.host].at <= proof.at:
            latest[proof.host] = proof
    return replace(rollover, proofs=tuple(latest[host] for host in sorted(latest)))


def waive(rollover: Rollover, hosts: Iterable[str], now: datetime) -> Rollover:
    """Record that the next gate does not wait for these hosts.

    Raises:
        InputError: No gate is ahead.
    """
    # Going back waits for hosts where they have lost the old authority, whose leaf comes back.
    back = rollover.phase is Phase.ABORTING and rollover.compromised
    if rollover.phase not in (Phase.STARTED, Phase.SWITCHED) and not back:
        raise InputError("there is nothing to waive: no rotation waits for hosts")
    known = {waiver.host for waiver in rollover.waivers if waiver.phase is rollover.phase}
    added = tuple(Waiver(host, rollover.phase, now) for host in hosts if host not in known)
    return replace(rollover, waivers=(*rollover.waivers, *added))


def name(rollover: Rollover, hosts: Iterable[str]) -> Rollover:
    """Record hosts that the gates wait for, whether or not the inventory names them then."""
    if rollover.phase is not Phase.STARTED:
        return rollover
    return replace(rollover, named=rollover.named | frozenset(hosts))


def offer(rollover: Rollover, leaf: str, hosts: Iterable[str] | None) -> Rollover:
    """A certificate of the new authority may go into service: the first half of the switch.

    The gate stands here and not at `switch`: what is in service already cannot be refused. Until
    it is, the gate asks again each time; None for `hosts` says that it is.

    Raises:
        GateClosedError: A host has not proven that it trusts both.
        InputError: This is not the time.
    """
    _require(rollover, "switch", Phase.STARTED)
    # Without an overlap there is nothing to wait for: the hosts lose the registry either way.
    missing = () if rollover.compromised or hosts is None else rollover.missing(hosts)
    if missing:
        raise GateClosedError("switch", missing)
    return replace(rollover, offered=leaf)


def switch(rollover: Rollover, served: str, now: datetime) -> Rollover:
    """The certificate of the new authority was seen in service.

    Raises:
        CertkitError: Something else is served.
        InputError: This is not the time.
    """
    _require(rollover, "switch", Phase.STARTED)
    if not rollover.offered or served != rollover.offered:
        raise CertkitError(
            "the registry does not serve the new authority's certificate",
            "deploy it and run certkit rotate switch again",
        )
    return replace(rollover, phase=Phase.SWITCHED, since=now)


def finish(rollover: Rollover, hosts: Iterable[str], now: datetime) -> Rollover:
    """The old authority may go.

    Raises:
        GateClosedError: A host has not proven that it reaches the registry by the new one.
        InputError: This is not the time.
    """
    _require(rollover, "finish", Phase.SWITCHED)
    missing = rollover.missing(hosts)
    if missing:
        raise GateClosedError("finish", missing)
    return replace(rollover, phase=Phase.FINISHED, since=now)


def abort(rollover: Rollover, now: datetime, *, back_to_compromised: bool = False) -> Rollover:
    """Go back to the old authority.

    While the new one's certificate may be in service, hosts keep both: first the old certificate
    is put back and seen there (`abort_done`), then the new authority goes.

    Raises:
        InputError: Nothing is under way, or the old authority is compromised.
    """
    _require(rollover, "abort", Phase.STARTED, Phase.SWITCHED)
    if rollover.compromised and not back_to_compromised:
        raise InputError(
            "the old authority is compromised: going back would trust whoever has its key",
            "finish this rotation",
        )
    served = bool(rollover.offered)
    return replace(rollover, phase=Phase.ABORTING if served else Phase.ABORTED, since=now)


def abort_done(rollover: Rollover, now: datetime) -> Rollover:
    """The old authority's certificate was seen in service again.

    Raises:
        InputError: This is not the time.
    """
    _require(rollover, "abort", Phase.ABORTING)
    return replace(rollover, phase=Phase.ABORTED, since=now)


def _require(rollover: Rollover, step: str, *phases: Phase) -> None:
    if rollover.phase not in phases:
        raise InputError(
            f"rotate {step} makes no sense now: the rotation is {rollover.phase.value}",
            "see certkit rotate status",
        )
