"""The state machine: every transition allowed or refused, gates, waivers, and there and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from certkit.errors import CertkitError, InputError
from certkit.pki import rollover as core
from certkit.pki.rollover import GateClosedError
from certkit.pki.rollover_state import HostProof, Phase, Rollover
from tests.unit.pki.chains import NOW

OLD, NEW, LEAF = "a" * 64, "b" * 64, "c" * 64
HOSTS = ("build-01", "build-02")
BOTH = frozenset({OLD, NEW})
LATER = NOW + timedelta(hours=1)


def proof(
    host: str, trusts: frozenset[str] = BOTH, hours: float = 0.5, handshake: bool = True
) -> HostProof:
    return HostProof(host, NOW + timedelta(hours=hours), trusts, handshake)


def started(compromised: bool = False) -> Rollover:
    return core.start(Rollover(), OLD, NEW, NOW, compromised=compromised)


def proven(rollover: Rollover, hours: float = 0.5) -> Rollover:
    return core.prove(rollover, [proof(host, hours=hours) for host in HOSTS])


def offered() -> Rollover:
    return core.offer(proven(started()), LEAF, HOSTS)


def switched() -> Rollover:
    return core.switch(offered(), LEAF, LATER)


STATES: dict[str, Callable[[], Rollover]] = {
    "idle": Rollover,
    "started": started,
    "offered": offered,
    "switched": switched,
    "aborting": lambda: core.abort(switched(), LATER),
    "finished": lambda: core.finish(proven(switched(), 2), HOSTS, LATER),
    "aborted": lambda: core.abort(started(), LATER),
}
STEPS: dict[str, Callable[[Rollover], Rollover]] = {
    "start": lambda r: core.start(r, OLD, NEW, NOW),
    "offer": lambda r: core.offer(proven(r), LEAF, HOSTS),
    "switch": lambda r: core.switch(r, LEAF, LATER),
    "finish": lambda r: core.finish(proven(r, 2), HOSTS, LATER),
    "abort": lambda r: core.abort(r, LATER),
    "abort_done": lambda r: core.abort_done(r, LATER),
    "waive": lambda r: core.waive(r, ["x"], NOW),
}
ALLOWED = {
    ("idle", "start"): Phase.STARTED,
    ("finished", "start"): Phase.STARTED,
    ("aborted", "start"): Phase.STARTED,
    ("started", "offer"): Phase.STARTED,
    ("offered", "offer"): Phase.STARTED,
    ("offered", "switch"): Phase.SWITCHED,
    ("switched", "finish"): Phase.FINISHED,
    ("started", "abort"): Phase.ABORTED,
    ("offered", "abort"): Phase.ABORTING,
    ("switched", "abort"): Phase.ABORTING,
    ("aborting", "abort_done"): Phase.ABORTED,
    ("started", "waive"): Phase.STARTED,
    ("offered", "waive"): Phase.STARTED,
    ("switched", "waive"): Phase.SWITCHED,
}
TRUSTED = {
    "idle": frozenset(),
    "started": BOTH,
    "offered": BOTH,
    "switched": BOTH,
    "aborting": BOTH,
    "finished": frozenset({NEW}),
    "aborted": frozenset({OLD}),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("step", STEPS)
def test_every_step_in_every_state(state: str, step: str) -> None:
    before = STATES[state]()
    expected = ALLOWED.get((state, step))
    if expected is None:
        with pytest.raises(CertkitError):
            STEPS[step](before)
    else:
        assert STEPS[step](before).phase is expected
    assert before == STATES[state]()


@pytest.mark.parametrize("state", STATES)
def test_what_is_trusted_and_kept(state: str) -> None:
    rollover = core.prove(STATES[state](), [proof("x")])
    assert rollover.trusted == TRUSTED[state]
    assert Rollover.from_json(json.loads(json.dumps(rollover.to_json()))) == rollover


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (None, "has proven nothing"),
        (proof("build-02", hours=-1), "since this step began"),
        (proof("build-02", frozenset({OLD})), "the new authority"),
        (proof("build-02", frozenset({NEW})), "the old authority"),
        (proof("build-02", frozenset()), "the new authority"),
    ],
)
def test_the_gate_before_the_switch(bad: HostProof | None, why: str) -> None:
    rollover = core.prove(started(), [proof("build-01"), *([bad] if bad else [])])
    with pytest.raises(GateClosedError, match=why) as caught:
        core.offer(rollover, LEAF, HOSTS)
    assert [host for host, _ in caught.value.missing] == ["build-02"]
    assert caught.value.exit_code == 1
    waived = core.waive(rollover, ["build-02"], NOW)
    assert core.offer(waived, LEAF, HOSTS).offered == LEAF
    assert waived.waivers[0].host == "build-02" and core.waive(waived, HOSTS[1:], NOW) == waived


def test_the_gate_closes_again_until_the_offer_is_in_service() -> None:
    lost = core.prove(offered(), [proof("build-02", frozenset({OLD}), 0.9)])
    with pytest.raises(GateClosedError, match="build-02 does not trust the new authority"):
        core.offer(lost, LEAF, HOSTS)
    assert core.offer(lost, LEAF, None) == lost


@pytest.mark.parametrize(
    ("state", "good", "bad", "why"),
    [
        ("finished", {NEW}, BOTH, "still trusts the old authority"),
        ("finished", {NEW}, {OLD}, "does not trust the new authority"),
        ("aborted", {OLD}, BOTH, "still trusts the new authority"),
        ("aborted", {OLD}, set(), "does not trust the old authority"),
    ],
)
def test_who_lacks_the_trust_it_ended_with(
    state: str, good: set[str], bad: set[str], why: str
) -> None:
    ended = STATES[state]()
    assert [host for host, _ in ended.missing(["build-01"])] == ["build-01"]
    ended = core.prove(
        ended, [proof("build-01", frozenset(good), 3), proof("build-02", frozenset(bad), 3)]
    )
    assert ended.missing(HOSTS) == (("build-02", why),)


def test_the_gate_before_the_end() -> None:
    # What was proven before the switch proves nothing after it; nor does what was waived.
    rollover = core.waive(proven(started()), ["build-02"], NOW)
    rollover = core.switch(core.offer(rollover, LEAF, HOSTS), LEAF, LATER)
    with pytest.raises(GateClosedError) as caught:
        core.finish(rollover, HOSTS, LATER)
    assert len(caught.value.missing) == 2
    unreached = core.prove(proven(rollover, 2), [proof("build-02", hours=3, handshake=False)])
    with pytest.raises(GateClosedError, match="over TLS"):
        core.finish(unreached, HOSTS, LATER)
    alone = core.prove(rollover, [proof(host, frozenset({NEW}), 2) for host in HOSTS])
    assert core.finish(alone, HOSTS, LATER).phase is Phase.FINISHED


def test_an_old_proof_replaces_no_newer_one() -> None:
    rollover = core.prove(started(), [proof("a"), proof("a", frozenset(), 0.1)])
    assert rollover.proofs == (proof("a"),)


def test_many_missing_hosts_are_cut_short() -> None:
    with pytest.raises(GateClosedError, match="and 95 more"):
        core.offer(started(), LEAF, [f"web-{n}" for n in range(100)])


def test_something_else_is_served() -> None:
    with pytest.raises(CertkitError, match="does not serve"):
        core.switch(offered(), "d" * 64, LATER)
    with pytest.raises(CertkitError, match="does not serve"):
        core.switch(started(), "", LATER)


def test_compromised_waits_for_nobody_and_does_not_go_back() -> None:
    rollover = started(compromised=True)
    assert rollover.trusted == {NEW}
    rollover = core.offer(rollover, LEAF, HOSTS)
    with pytest.raises(InputError, match="compromised"):
        core.abort(rollover, LATER)
    assert core.abort(rollover, LATER, back_to_compromised=True).trusted == BOTH
    rollover = core.switch(rollover, LEAF, LATER)
    assert rollover.trusted == {NEW}
    with pytest.raises(GateClosedError):
        core.finish(rollover, HOSTS, LATER)


def test_damaged_values() -> None:
    good = started().to_json()
    for change in ({"phase": "lost"}, {"since": 5}, {"proofs": [{}]}, {"waivers": None}):
        with pytest.raises((ValueError, KeyError, TypeError)):
            Rollover.from_json({**good, **change})
    with pytest.raises(ValueError, match="itself"):
        core.start(replace(Rollover()), OLD, OLD, NOW)


def test_a_host_that_has_proven_something_and_left_the_inventory_is_waited_for() -> None:
    ready = proven(started())
    with pytest.raises(core.GateClosedError, match=f"{HOSTS[1]} has left the inventory"):
        core.offer(ready, LEAF, HOSTS[:1])
    waived = core.waive(ready, HOSTS[1:], NOW)
    assert core.offer(waived, LEAF, HOSTS[:1]).offered == LEAF
    named = core.name(started(), ["build-09"])
    assert dict(named.missing(HOSTS))["build-09"].startswith("has left")
    assert Rollover.from_json(json.loads(json.dumps(named.to_json()))) == named
    assert core.offer(named, LEAF, None).offered == LEAF
