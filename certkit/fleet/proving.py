"""What a survey and a verification prove about each host, for the gates of a rotation. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone

from certkit.fleet.drift.findings import Finding, Trusted
from certkit.fleet.report import HostResult, Outcome, RuntimeResult, Standing
from certkit.pki.bundle import time_text
from certkit.pki.rollover_state import HostProof

# With one of these, what else lies in the directory is not what clients go by.
_SPOILS = frozenset(
    {"missing", "empty", "unreadable", "unpaired", "subdirectory", "dangling_link"}
    | {"hosts_toml", "shadowed", "der", "bom", "glued", "damaged"}
)
EXPIRED = "expired_authority"


def host_proofs(
    surveyed: Iterable[HostResult],
    at: datetime,
    verified: Iterable[HostResult] = (),
    leaf: str = "",
) -> tuple[HostProof, ...]:
    """Say what hosts have proven; one that was not read has proven nothing and is left out.

    Args:
        surveyed: What `certkit.fleet.status` read.
        at: When it began to read: what happened since is not proven.
        verified: What `certkit.fleet.verify` found, where the gate asks for a handshake.
        leaf: The fingerprint of the certificate that the registry is to serve: one that serves
            another, behind the same name, is not reached any more when the old authority goes.
    """
    reached = {one.name for one in verified if _reached(one) and not served_otherwise(one, leaf)}
    return tuple(
        HostProof(one.name, at, _trusted(one, at), one.name in reached)
        for one in surveyed
        if one.error is None and one.outcome in (Outcome.UNCHANGED, Outcome.WOULD_CHANGE)
    )


def _trusted(host: HostResult, at: datetime) -> frozenset[str]:
    """The authorities that every runtime trusts for every reference."""
    every = [one for runtime in host.runtimes for one in _by_directory(runtime, at)]
    return frozenset.intersection(*every) if every else frozenset()


def _by_directory(runtime: RuntimeResult, at: datetime) -> list[frozenset[str]]:
    standing = runtime.standing
    if standing is None:
        return [frozenset()]
    found: dict[str, set[str]] = {}
    for one in standing.trusts:
        found.setdefault(one.path.rpartition("/")[0], set()).add(one.sha256)
    for finding in standing.findings:
        if finding.kind in _SPOILS or _by_a_wrong_clock(finding, standing, at):
            found[finding.path.rpartition("/")[0]] = set()
    return [frozenset(one) for one in found.values()] or [frozenset()]


def _by_a_wrong_clock(finding: Finding, standing: Standing, at: datetime) -> bool:
    """Whether a host refuses an authority that has not ended, one not yet valid by its clock.

    One that has ended does no harm beside its successor, and is why people rotate.
    """
    if finding.kind != EXPIRED:
        return False
    refused = [one for one in standing.findings if (one.kind, one.path) == (EXPIRED, finding.path)]
    ended = {one.sha256 for one in standing.trusts if one.path == finding.path and _ended(one, at)}
    return len(refused) > len(ended)


def _ended(one: Trusted, at: datetime) -> bool:
    return one.not_after <= time_text(at.astimezone(timezone.utc))


def served_otherwise(host: HostResult, leaf: str) -> str:
    """Return the fingerprint of another certificate that a host was served; empty when none was."""
    served = (proof.served for runtime in host.runtimes for proof in runtime.proofs)
    return next((one for one in served if one and one != leaf), "")


def _reached(host: HostResult) -> bool:
    proofs = [proof for runtime in host.runtimes for proof in runtime.proofs]
    return host.outcome is Outcome.UNCHANGED and bool(proofs) and all(p.proven for p in proofs)
