"""What counts as proof at a gate of a rotation."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from certkit.errors import ErrorKind
from certkit.fleet.drift.findings import Finding, Trusted
from certkit.fleet.proving import EXPIRED, host_proofs
from certkit.fleet.report import HostResult, Outcome, Problem, Proof, RuntimeResult, Standing

AT = datetime(2026, 1, 1, tzinfo=timezone.utc)
OLD, NEW, LEAF = "a" * 64, "b" * 64, "c" * 64
HERE, ALIAS = "/etc/docker/certs.d/r.lab:5000", "/etc/docker/certs.d/r:5000"


def trusted(directory: str, *prints: str) -> tuple[Trusted, ...]:
    return tuple(
        Trusted(one, "CN=x", "2030-01-01T00:00:00Z", f"{directory}/ca.crt") for one in prints
    )


def host(*trusts: Trusted, findings: tuple[Finding, ...] = ()) -> HostResult:
    runtime = RuntimeResult("docker", standing=Standing(trusts, findings))
    return HostResult("web01", "web01", Outcome.WOULD_CHANGE, 0.1, (runtime,))


def shaken(*proofs: Proof) -> HostResult:
    runtime = RuntimeResult("docker", proofs=proofs)
    return HostResult("web01", "web01", Outcome.UNCHANGED, 0.1, (runtime,))


def test_only_what_every_reference_trusts_is_proven() -> None:
    both, one = trusted(HERE, OLD, NEW), trusted(ALIAS, OLD)
    [proof] = host_proofs([host(*both, *one)], AT)
    assert (proof.trusts, proof.at, proof.handshake) == (frozenset({OLD}), AT, False)


@pytest.mark.parametrize("kind", ["missing", "unpaired", "shadowed"])
def test_a_spoilt_directory_proves_nothing(kind: str) -> None:
    finding = Finding(kind, f"{ALIAS}/ca.crt", "is not as it should be")
    [proof] = host_proofs([host(*trusted(HERE, OLD, NEW), findings=(finding,))], AT)
    assert proof.trusts == frozenset()


@pytest.mark.parametrize(
    ("until", "proves"), [("2025-12-31T00:00:00Z", True), ("2030-01-01T00:00:00Z", False)]
)
def test_an_old_authority_that_has_ended_does_not_stand_in_the_way(
    until: str, proves: bool
) -> None:
    old, new = trusted(HERE, OLD, NEW)
    refused = Finding(EXPIRED, f"{HERE}/ca.crt", "is not valid by this host's clock")
    [proof] = host_proofs([host(replace(old, not_after=until), new, findings=(refused,))], AT)
    assert proof.trusts == ({OLD, NEW} if proves else frozenset())
    # The new one is refused as well: this host's clock is behind.
    late = host(replace(old, not_after=until), new, findings=(refused, refused))
    [proof] = host_proofs([late], AT)
    assert proof.trusts == frozenset()


def test_a_host_that_was_not_read_has_no_proof() -> None:
    lost = host(*trusted(HERE, OLD, NEW))._replace(
        outcome=Outcome.UNREACHABLE,
        error=Problem(ErrorKind.TIMEOUT, "did not answer"),
    )
    assert host_proofs([lost], AT) == ()


@pytest.mark.parametrize("proven", [True, False])
def test_a_handshake_counts_only_when_every_reference_is_proven(proven: bool) -> None:
    shown = (Proof("r.lab:5000", "ok", "ok", True), Proof("r:5000", "ok", "ok", proven))
    [proof] = host_proofs([host(*trusted(HERE, OLD, NEW))], AT, [shaken(*shown)])
    assert proof.handshake is proven


@pytest.mark.parametrize(("served", "counts"), [(LEAF, True), ("", True), ("d" * 64, False)])
def test_another_certificate_behind_the_name_is_no_proof(served: str, counts: bool) -> None:
    shown = (
        Proof("r.lab:5000", "ok", "ok", True, served=LEAF),
        Proof("r:5000", "ok", "ok", True, served=served),
    )
    [proof] = host_proofs([host(*trusted(HERE, OLD, NEW))], AT, [shaken(*shown)], LEAF)
    assert proof.handshake is counts
