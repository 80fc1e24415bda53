from __future__ import annotations

import json
from typing import Any

import pytest

from certkit.errors import ErrorKind, HostError, InputError
from certkit.fleet.image import image_of
from certkit.fleet.report import HostResult, Outcome
from certkit.fleet.verify import VerifyOptions, verify
from certkit.remote.report import RuntimeReport
from tests.unit.fleet.fakes import DIGEST, REGISTRY, FakeFleet, Machine, fleet_of, unreachable

INSECURE = json.dumps({"IndexConfigs": {"registry.lab:5000": {"Secure": False}}})
UNKNOWN = "x509: certificate signed by unknown authority"


def run(fleet: FakeFleet, **changes: Any) -> dict[str, HostResult]:
    results = verify(fleet.targets(), (REGISTRY,), fleet, VerifyOptions(**changes), talk=fleet)
    assert fleet.open == 0
    return {result.name: result for result in results}


def test_a_proven_fleet_is_unchanged() -> None:
    results = run(fleet_of(3, trusted=True))
    assert {result.outcome for result in results.values()} == {Outcome.UNCHANGED}
    [proof] = results["web-01"].runtimes[0].proofs
    assert (proof.handshake, proof.daemon, proof.proven) == ("ok", "ok", True)


@pytest.mark.parametrize(
    ("machine", "kind", "said"),
    [
        (Machine(pull=UNKNOWN, handshake=1), ErrorKind.TRUST, "does not trust"),
        (Machine(pull="connection refused"), ErrorKind.NETWORK, "cannot be reached"),
        (
            Machine(pull="http: server gave HTTP response to HTTPS client"),
            ErrorKind.NOT_TLS,
            "not with TLS",
        ),
        (Machine(verification=INSECURE), ErrorKind.TRUST, "passes without proof"),
        (Machine(handshake=1), ErrorKind.TRUST, "does not trust"),
        (Machine(absent=True), ErrorKind.DAEMON, "no container runtime"),
    ],
)
def test_what_is_not_proven_fails_with_its_cause(
    machine: Machine, kind: ErrorKind, said: str
) -> None:
    machine.trusted = True
    result = run(FakeFleet({"a": machine}))["a"]
    assert result.outcome is Outcome.FAILED
    assert result.error is not None and result.error.kind is kind
    assert said in result.error.message and result.error.hint


def test_a_users_own_runtime_keeps_nobody_from_proving_roots() -> None:
    problem = HostError(ErrorKind.CONFLICT, "/home/mallory/x is a symlink", "replace it")
    mallory = RuntimeReport("docker-rootless", "mallory", nested=True, problem=problem)
    result = run(fleet_of(1, trusted=True, beside=(mallory,)))["web-01"]
    docker, apart = result.runtimes
    assert docker.proofs[0].proven and apart.proofs == ()
    assert result.outcome is Outcome.FAILED
    assert result.error is not None and result.error.kind is ErrorKind.CONFLICT
    assert "mallory" in result.error.message


def test_no_openssl_on_the_host_is_said_and_is_no_failure() -> None:
    result = run(fleet_of(1, trusted=True, handshake=None))["web-01"]
    assert result.outcome is Outcome.UNCHANGED
    assert result.runtimes[0].proofs[0].handshake == "not_checked"


def test_a_missing_file_is_noted() -> None:
    result = run(fleet_of(1, pull=UNKNOWN))["web-01"]
    assert "does not hold the trust" in " ".join(result.runtimes[0].notes)


def test_every_host_pulls_by_tag_and_then_by_the_agreed_digest() -> None:
    fleet = fleet_of(4, trusted=True)
    results = run(fleet, image="app:1")
    assert {result.outcome for result in results.values()} == {Outcome.UNCHANGED}
    assert {result.runtimes[0].proofs[0].digest for result in results.values()} == {DIGEST}
    probes = [what for what, _, _ in fleet.log if what.startswith("probe")]
    assert probes == ["probe app:1"] * 4 + [f"probe app@{DIGEST}"] * 4


def test_a_host_that_pulls_something_else_is_a_conflict() -> None:
    fleet = fleet_of(4, trusted=True)
    fleet.machines["web-02"].digest = "sha256:" + "b" * 64
    results = run(fleet, image="app:1")
    odd = results.pop("web-02")
    assert odd.error is not None and odd.error.kind is ErrorKind.CONFLICT
    assert "bbbb" in odd.error.message and DIGEST in odd.error.message
    assert {result.outcome for result in results.values()} == {Outcome.UNCHANGED}


def test_by_digest_once_is_enough() -> None:
    fleet = fleet_of(2, trusted=True)
    run(fleet, image=f"app@{DIGEST}")
    assert [what for what, _, _ in fleet.log if what.startswith("probe")] == [
        f"probe app@{DIGEST}"
    ] * 2


def test_an_unreachable_host_does_not_spoil_the_others() -> None:
    fleet = fleet_of(3, trusted=True)
    fleet.machines["web-01"].connect = [unreachable()]
    results = run(fleet, image="app:1")
    assert [result.outcome.value for result in results.values()] == [
        "unreachable",
        "unchanged",
        "unchanged",
    ]


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("app", "app:latest"),
        ("team/app:1.2", "team/app:1.2"),
        ("registry.lab:5000/team/app", "team/app:latest"),
        (f"app@{DIGEST}", f"app@{DIGEST}"),
    ],
)
def test_images_as_people_write_them(text: str, image: str) -> None:
    assert image_of(text, (REGISTRY,)) == image


@pytest.mark.parametrize(
    "text", ["", "App", "-x", "a b", "app@sha256:12", "other.lab:5000/app", "a:"]
)
def test_images_that_are_none(text: str) -> None:
    with pytest.raises(InputError):
        image_of(text, (REGISTRY,))
