"""How hosts come past a gate of a rotation: they prove their trust, or are waived on the record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

from certkit.cli.session import Session
from certkit.errors import InputError
from certkit.fleet import status as surveying
from certkit.fleet import verify as verifying
from certkit.fleet.directory import Wanted
from certkit.fleet.proving import host_proofs
from certkit.fleet.report import HostResult
from certkit.fleet.targets import targets_for
from certkit.home import rotation


def prove(session: Session, *, handshake: bool) -> None:
    """Read every host, shake hands from it where that is asked, and record what it proves."""
    settings = session.inventory.settings
    targets = targets_for(session.hosts, session.references, session.bundle.pem, settings)
    wanted = Wanted(session.bundle.pem, session.bundle.fingerprints, session.references)
    at = now()
    verified: list[HostResult] = []
    with session.running({"status": "proving"}) as running:
        surveyed = surveying.status(
            targets,
            wanted,
            running.connector,
            running.bounds,
            watcher=running.screen,
            stop=session.stop,
        )
        if handshake and not session.stop.requested():
            verified = verifying.verify(
                targets,
                session.references,
                running.connector,
                verifying.VerifyOptions(**vars(running.bounds)),
                watcher=running.screen,
                stop=session.stop,
            )
    for one in (*surveyed, *verified):
        if one.error is not None:
            session.warn(f"{one.name}: {one.error.message}")
    proofs = host_proofs(surveyed, at, verified)
    rotation.record(session.home, session.files, now(), proofs=proofs)


def waive_hosts(session: Session, known: Sequence[str], hosts: Sequence[str]) -> None:
    """Record that the next gate does not wait for these.

    Raises:
        InputError: The inventory does not know one.
    """
    unknown = sorted(set(hosts) - set(known))
    if unknown:
        raise InputError(
            f"--waive: the inventory has no host {unknown[0]}", "see certkit inventory"
        )
    if hosts:
        rotation.record(session.home, session.files, now(), waive=hosts)


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now(timezone.utc)
