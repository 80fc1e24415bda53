"""Hosts whose own system trusts the authority of a certificate from elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace

from certkit.cli.render.standing import standing_words
from certkit.errors import ErrorKind
from certkit.fleet.distribute import distribute
from certkit.fleet.drift.findings import Finding
from certkit.fleet.plan import DistributeOptions
from certkit.fleet.report import HostResult, Outcome, RuntimeResult, Standing
from certkit.fleet.system import ALREADY
from certkit.fleet.verify import VerifyOptions, verify
from certkit.remote.report import SettingsReport
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.state import HostState, RuntimeChoice, beside_system, removal
from tests.unit.fleet.fakes import REGISTRY, STATE, FakeFleet, Machine

LEAF = "ab" * 32
VOUCHED = beside_system(STATE, LEAF)
ROOTLESS = beside_system(desired_state((REGISTRY,), b"", RuntimeChoice(("docker",))), LEAF)
UNKNOWN = "x509: certificate signed by unknown authority"


def run(machine: Machine, state: HostState = VOUCHED, *, check: bool = False) -> HostResult:
    fleet = FakeFleet({"a": machine})
    [result] = distribute(
        fleet.targets(state=state), fleet, DistributeOptions(check=check), talk=fleet
    )
    assert fleet.open == 0
    placed = [what for what, _, _ in fleet.log if what == "place"]
    assert bool(placed) is (result.outcome is Outcome.CHANGED or machine.trusted)
    return result


def test_a_host_that_trusts_already_is_left_as_it_is() -> None:
    for check in (False, True):
        for state in (VOUCHED, ROOTLESS):
            result = run(Machine(served=LEAF), state, check=check)
            assert result.outcome is Outcome.UNCHANGED
            assert result.runtimes[0].notes[-1] == ALREADY and not result.runtimes[0].changed


def test_a_host_that_does_not_gets_the_file() -> None:
    for machine in (
        Machine(served=LEAF, pull=UNKNOWN),
        # What is served proves nothing of the home's certificate, or is not known.
        Machine(served="cd" * 32),
        Machine(),
        Machine(pull="connection refused", handshake=1),
    ):
        assert run(machine).outcome is Outcome.CHANGED


def test_a_file_that_stands_already_is_kept_true() -> None:
    machine = Machine(served=LEAF, trusted=True)
    result = run(machine)
    assert result.outcome is Outcome.UNCHANGED and ALREADY not in result.runtimes[0].notes


def test_without_a_root_nothing_is_placed_and_the_host_fails() -> None:
    result = run(Machine(served=LEAF, pull=UNKNOWN), ROOTLESS)
    assert result.outcome is Outcome.FAILED and result.error is not None
    assert result.error.kind is ErrorKind.TRUST
    assert "does not have the root" in result.error.message
    assert "--import-chain" in result.error.hint
    result = run(Machine(served=LEAF, pull="connection refused"), ROOTLESS)
    assert result.error is not None and result.error.kind is ErrorKind.NETWORK
    assert "cannot tell whether its system trusts" in result.error.message
    result = run(Machine(served="cd" * 32), ROOTLESS)
    assert result.error is not None and "registry deploy" in result.error.hint


def test_a_pass_that_proves_nothing_is_none() -> None:
    settings = {"IndexConfigs": {"registry.lab:5000": {"Secure": False}}}
    machine = Machine(served=LEAF, verification=json.dumps(settings))
    result = run(machine, ROOTLESS)
    assert result.error is not None and "without proof" in result.error.message
    assert run(Machine(served=LEAF, verification=json.dumps(settings))).outcome is Outcome.CHANGED
    result = run(Machine(absent=True), ROOTLESS)
    assert result.error is not None and result.error.kind is ErrorKind.DAEMON


def test_taking_trust_away_asks_nobody() -> None:
    fleet = FakeFleet({"a": Machine(served=LEAF, trusted=True)})
    [result] = distribute(
        fleet.targets(state=removal(VOUCHED)), fleet, DistributeOptions(), talk=fleet
    )
    assert result.outcome is Outcome.CHANGED
    assert not any(what.startswith("probe") for what, _, _ in fleet.log)


def test_verify_misses_no_file_where_the_system_vouches() -> None:
    for state, notes in ((VOUCHED, 0), (STATE, 1)):
        fleet = FakeFleet({"a": Machine(served=LEAF)})
        [result] = verify(
            fleet.targets(state=state), (REGISTRY,), fleet, VerifyOptions(), talk=fleet
        )
        said = [one for one in result.runtimes[0].notes if "does not hold the trust" in one]
        assert len(said) == notes


def test_status_says_that_the_system_vouches() -> None:
    found = Finding("system", "", ALREADY)
    for findings, said in (((found,), "trusts by its system"), ((), "trusts nothing")):
        runtime = RuntimeResult("docker", "26.1.5", standing=Standing(findings=findings))
        assert standing_words(runtime) == f"docker 26.1.5, {said}"
    assert not found.attention


def test_an_insecure_setting_goes_where_the_system_vouches() -> None:
    file = b'{"insecure-registries": ["registry.lab:5000"]}'
    listed = json.dumps({"IndexConfigs": {REGISTRY.text: {"Secure": False}}})
    asked = replace(ROOTLESS, retire_insecure=(REGISTRY.text,))
    for handshake, ends in ((0, Outcome.CHANGED), (1, Outcome.FAILED)):
        machine = Machine(
            served=LEAF,
            handshake=handshake,
            verification=listed,
            settings=SettingsReport("/d.json", "file", file, running=True),
        )
        fleet = FakeFleet({"a": machine})
        [result] = distribute(fleet.targets(state=asked), fleet, DistributeOptions(), talk=fleet)
        assert result.outcome is ends
        assert fleet.names("retire") == (["a"] if ends is Outcome.CHANGED else [])
        assert not fleet.names("place"), "nothing to place"
