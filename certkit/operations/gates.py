"""How hosts come past a gate of a rotation: they prove their trust, or are waived on the record."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from certkit.errors import InputError
from certkit.fleet import status as surveying
from certkit.fleet import verify as verifying
from certkit.fleet.drift.directory import Wanted
from certkit.fleet.proving import host_proofs, served_otherwise
from certkit.fleet.report import FleetReport, HostResult
from certkit.home.rotation import steps as rotation
from certkit.inventory.folding import fold_names
from certkit.operations.run import Run, now, targets_of
from certkit.pki.bundle import fingerprint


def prove(run: Run, *, handshake: bool, besides: Collection[str] = ()) -> None:
    """Read every host, shake hands from it where that is asked, and record what it proves.

    Args:
        run: The run.
        handshake: Whether each host reaches the registry over TLS, too.
        besides: Hosts that are not asked: they could not be reached a moment ago.
    """
    targets = [one for one in targets_of(run) if one.host.name not in besides]
    wanted = Wanted(run.bundle.pem, run.bundle.fingerprints, run.references)
    at = now()
    verified: list[HostResult] = []
    with run.running({"status": "proving"}) as running:
        surveyed = surveying.status(
            targets,
            wanted,
            running.connector,
            running.bounds,
            watcher=running.progress,
            stop=run.stop,
        )
        if handshake and not run.stop.requested():
            verified = verifying.verify(
                targets,
                run.references,
                running.connector,
                verifying.VerifyOptions(**vars(running.bounds)),
                watcher=running.progress,
                stop=run.stop,
            )
    leaf = fingerprint(run.files.leaf)
    for one in (*surveyed, *verified):
        if one.error is not None:
            run.warn(f"{one.name}: {one.error.message}")
        other = served_otherwise(one, leaf)
        if other:
            run.warn(
                f"{one.name} is served another certificate ({other[:16]}) than the one in service "
                f"({leaf[:16]}): does a second registry answer to that name?"
            )
    proofs = host_proofs(surveyed, at, verified, leaf)
    rotation.record(run.home, run.files, now(), proofs=proofs)


def refuse_unknown(run: Run, hosts: Sequence[str]) -> None:
    """Refuse to waive what is no host.

    Raises:
        InputError: The inventory does not know one.
    """
    known = {host.name for host in run.hosts} | set(rotation.read_rotation(run.files).known)
    unknown = sorted(set(hosts) - known)
    if unknown:
        raise InputError(
            f"--waive: the inventory has no host {unknown[0]}", "see certkit inventory"
        )


def waive_hosts(run: Run, hosts: Sequence[str]) -> None:
    """Record that the next gate does not wait for these.

    Raises:
        InputError: The inventory does not know one.
    """
    refuse_unknown(run, hosts)
    _tell_of_skipped(run)
    if hosts:
        rotation.record(run.home, run.files, now(), waive=hosts)


def name_hosts(run: Run) -> None:
    """Record whom the gates will wait for, even where the inventory has lost them by then."""
    rotation.record(run.home, run.files, now(), named=[host.name for host in run.hosts])
    _tell_of_skipped(run)


def _tell_of_skipped(run: Run) -> None:
    skipped = [host.name for host in run.inventory.hosts if host.skip]
    if skipped:
        run.warn(
            f"left out, because the inventory says skip: {fold_names(skipped)}; nothing is known "
            "of the trust there"
        )


def without(report: FleetReport, waived: Collection[str]) -> FleetReport:
    """Return the report without the hosts that the gate does not wait for."""
    return replace(report, hosts=[one for one in report.hosts if one.name not in waived])
