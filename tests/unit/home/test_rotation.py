"""A rotation on the disk: the files of every phase, real handshakes, kill -9 in every step."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from certkit.errors import CertkitError, HomeError, InputError
from certkit.home.home import Home
from certkit.home.keys.keyfile import decode_key
from certkit.home.keys.passphrase import PassphraseSources
from certkit.home.registry import MODES, RegistryFiles
from certkit.home.renewal.promotion import discard, promote
from certkit.home.renewal.renew import RenewalWish, prepare
from certkit.home.renewal.waiting import find_next
from certkit.home.rotation.abort import abort, abort_done
from certkit.home.rotation.steps import finish, offer, read_rotation, record, start, switch
from certkit.pki.bundle import TrustBundle, fingerprint
from certkit.pki.constraints import Permit
from certkit.pki.rollover import GateClosedError
from certkit.pki.rollover_state import HostProof, Phase
from certkit.pki.verify import verify_server
from certkit.secret import Secret
from tests.unit.home.killing import steps_of
from tests.unit.home.makers import PLAIN, make, snapshot
from tests.unit.pki.chains import NOW, Chain
from tests.unit.pki.test_handshake import shake_hands

HOSTS = ("build-01", "build-02")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make(tmp_path / "home").home


def sole(home: Home) -> RegistryFiles:
    return home.sole_registry()


def begin(home: Home) -> None:
    start(home, sole(home), None, NOW)


def prove(home: Home, now: datetime = NOW) -> None:
    state = read_rotation(sole(home))
    both = frozenset({state.old, state.new})
    proofs = [HostProof(host, now, both, True) for host in HOSTS]
    record(home, sole(home), now, proofs=proofs)


def propose(home: Home) -> None:
    offer(home, sole(home), PLAIN, HOSTS, NOW)


def turn(home: Home) -> None:
    switch(home, sole(home), read_rotation(sole(home)).offered, NOW)


def end(home: Home) -> None:
    finish(home, sole(home), HOSTS, NOW)


def back(home: Home) -> None:
    abort(home, sole(home), NOW)


def back_done(home: Home) -> None:
    abort_done(home, sole(home), fingerprint(sole(home).leaf), NOW)


PATHS: dict[str, list[Callable[[Home], None]]] = {
    "through": [begin, prove, propose, turn, prove, end],
    "back at once": [begin, back],
    "back from the offer": [begin, prove, propose, back, back_done],
    "back from the switch": [begin, prove, propose, turn, back, back_done],
}


def chain_of(files: RegistryFiles) -> Chain:
    """What the registry serves, as the handshakes of the profile's tests take it."""
    return Chain((), files.authority, files.server_key(), files.leaf, files.server_key(), ())


def trusts(trust: TrustBundle, chain: Chain, directory: Path) -> bool:
    try:
        return shake_hands(chain, trust, "registry.lab", directory) == b"hello"
    except ssl.SSLCertVerificationError:
        return False


def test_from_the_old_authority_to_the_new(home: Home, tmp_path: Path) -> None:
    files = sole(home)
    old, old_leaf, old_key = files.authority, chain_of(files), files.read("ca.key")
    only_old = files.bundle()
    begin(home)
    (new,) = (one for one in sole(home).bundle().certificates if one != old)
    both, only_new = TrustBundle.of([old, new]), TrustBundle.of([new])
    assert sole(home).bundle() == both and sole(home).authority == old
    with pytest.raises(GateClosedError):
        propose(home)
    prove(home)
    propose(home)
    assert sole(home).leaf == old_leaf.leaf
    turn(home)
    new_leaf = chain_of(sole(home))
    assert sole(home).authority == new and sole(home).bundle() == both
    # Every state of a host against both certificates, over TLS.
    expected = {
        (only_old, old_leaf): True,
        (only_old, new_leaf): False,
        (both, old_leaf): True,
        (both, new_leaf): True,
        (only_new, old_leaf): False,
        (only_new, new_leaf): True,
    }
    for (trust, chain), accepted in expected.items():
        assert trusts(trust, chain, tmp_path) is accepted
    with pytest.raises(GateClosedError):
        finish(home, sole(home), (*HOSTS, "late-01"), NOW)
    prove(home)
    end(home)
    assert sole(home).bundle() == only_new and read_rotation(sole(home)).phase is Phase.FINISHED
    assert not list(files.directory.glob("*-old*")) and not list(files.directory.glob("*-next*"))
    (archive,) = (files.directory / "archive").glob("rotated-*")
    assert (archive / "ca.key").read_bytes() == old_key
    assert (archive / "ca.key").stat().st_mode & 0o777 == 0o600
    # And again, years later: nothing of the first one is in the way.
    begin(home)
    assert read_rotation(sole(home)).old == fingerprint(new)


@pytest.mark.parametrize("path", PATHS)
def test_in_every_phase_no_host_is_refused(home: Home, tmp_path: Path, path: str) -> None:
    """A host has the trust of this phase or of the one before; both take whatever is served."""
    first = chain_of(sole(home))
    known = [sole(home).bundle()]
    served = [first]
    for step in PATHS[path]:
        step(home)
        known.append(sole(home).bundle())
        waiting = find_next(sole(home))
        current = chain_of(sole(home))
        if waiting is not None:
            loaded = decode_key(waiting.key_pem, None, "key")
            served.append(Chain((), current.authority, loaded, waiting.certificate, loaded, ()))
        # A host has got this step's trust already, or still has the one before. The last steps
        # take an authority away only once nothing of it is served.
        for trust in known[-2:]:
            assert trusts(trust, current, tmp_path), step.__name__
        if waiting is not None:
            # Deployed and not yet proven: this is what may be served now.
            assert trusts(known[-1], served[-1], tmp_path)


def test_aborted_is_as_before(home: Home) -> None:
    for path in ("back at once", "back from the offer", "back from the switch"):
        before = snapshot(home.path)
        for step in PATHS[path]:
            step(home)
        after = snapshot(home.path)
        state = "registries/registry.lab_5000/rollover.json"
        after.pop(state)
        before.pop(state, None)
        assert after == before
        assert read_rotation(sole(home)).phase is Phase.ABORTED


def test_every_step_again_changes_nothing(home: Home) -> None:
    for path in ("through", "back from the switch"):
        for step in PATHS[path]:
            step(home)
            before = snapshot(home.path)
            if step in (end, turn, begin, propose, back):
                step(home)
                assert snapshot(home.path) == before


# A hundred kills on a busy machine take their time.
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", PATHS)
def test_kill_before_every_operation(home: Home, tmp_path: Path, path: str) -> None:
    start_copy = tmp_path / "copy"
    for step in PATHS[path]:
        shutil.rmtree(start_copy, ignore_errors=True)
        shutil.copytree(home.path, start_copy)
        phase = read_rotation(sole(home)).phase
        kills = 0
        for _ in steps_of(home.path, lambda step=step: step(Home.open(home.path))):  # type: ignore[misc]
            kills += 1
            opened = Home.open(home.path)
            files = sole(opened)
            assert not files.missing
            trusted = files.bundle().certificates
            assert files.leaf.public_key() == files.server_key().public_key()
            assert files.authority_key(None)
            verify_server(files.server_chain, trusted, files.request.names, NOW)
            state = read_rotation(files)
            if state.phase is not Phase.IDLE:
                assert files.bundle().fingerprints == state.trusted
            if state.phase is phase and step is not prove:
                step(opened)
            with opened.lock("test"):
                assert not list(home.path.rglob(".certkit-new-*"))
            shutil.rmtree(home.path)
            shutil.copytree(start_copy, home.path)
        # The same proof at the same moment is nothing new to write.
        assert kills > 5 or step is prove, step.__name__


def test_waived_hosts_are_on_record(home: Home) -> None:
    begin(home)
    record(home, sole(home), NOW, waive=HOSTS)
    propose(home)
    entry = list(home.journal.entries())[-2]
    assert entry["hosts"] == {"waived": list(HOSTS)}
    assert [waiver.host for waiver in read_rotation(sole(home)).waivers] == list(HOSTS)


def test_the_old_key_can_be_destroyed(home: Home) -> None:
    old = sole(home).read("ca.key")
    for step in PATHS["through"][:-1]:
        step(home)
    finish(home, sole(home), HOSTS, NOW, destroy=True)
    contents = [path.read_bytes() for path in home.path.rglob("*") if path.is_file()]
    assert old not in contents
    (archive,) = sole(home).directory.glob("archive/rotated-*")
    assert sorted(path.name for path in archive.iterdir()) == [
        "ca.crt",
        "registry.json",
        "server.crt",
    ]


def test_the_archived_key_can_be_destroyed_afterwards(home: Home) -> None:
    old, old_server = sole(home).read("ca.key"), sole(home).server_key_pem
    for step in PATHS["through"]:
        step(home)
    contents = {path.read_bytes() for path in home.path.rglob("*") if path.is_file()}
    assert {old, old_server} <= contents
    finish(home, sole(home), HOSTS, NOW, destroy=True)
    contents = {path.read_bytes() for path in home.path.rglob("*") if path.is_file()}
    assert not {old, old_server} & contents
    assert list(home.journal.entries())[-1]["what"].endswith("key destroyed in the archive")
    before = snapshot(home.path)
    finish(home, sole(home), HOSTS, NOW, destroy=True)
    assert snapshot(home.path) == before


def test_a_compromised_authority_is_gone_at_once(home: Home) -> None:
    old = fingerprint(sole(home).authority)
    start(home, sole(home), None, NOW, compromised=True)
    assert old not in sole(home).bundle().fingerprints
    propose(home)
    with pytest.raises(InputError, match="compromised"):
        back(home)
    turn(home)
    prove(home)
    end(home)
    assert read_rotation(sole(home)).phase is Phase.FINISHED


def test_another_zone_comes_with_the_new_authority(home: Home) -> None:
    start(home, sole(home), None, NOW, permits=[Permit.parse("example.com")])
    prove(home)
    propose(home)
    turn(home)
    assert [permit.text for permit in sole(home).request.permits] == ["example.com"]
    wish = RenewalWish.parse(sans=["b.example.com"])
    waiting = prepare(home, sole(home), wish, PLAIN, NOW)
    # A renewal meanwhile is signed by the new authority, and leaves the rotation alone.
    promote(home, sole(home), waiting.sha256, NOW)
    prove(home)
    end(home)


def test_a_renewal_does_not_touch_what_a_rotation_offers(home: Home) -> None:
    begin(home)
    prove(home)
    propose(home)
    waiting = find_next(sole(home))
    assert waiting is not None
    before = snapshot(home.path)
    for action in (
        lambda: prepare(home, sole(home), RenewalWish(), PLAIN, NOW),
        lambda: promote(home, sole(home), waiting.sha256, NOW),
        lambda: discard(home, sole(home)),
    ):
        with pytest.raises(InputError, match="belongs to a rotation"):
            action()
    assert snapshot(home.path) == before
    with pytest.raises(CertkitError, match="does not serve"):
        switch(home, sole(home), fingerprint(sole(home).leaf), NOW)


def test_no_step_takes_the_place_of_a_renewal_that_waits(home: Home) -> None:
    """It may be in service already, put there by hand: the home has its only key."""
    begin(home)
    prove(home)
    for step in (propose, back):
        renewed = prepare(home, sole(home), RenewalWish(reuse_key=True), PLAIN, NOW)
        before = snapshot(home.path)
        with pytest.raises(InputError, match="would be lost") as caught:
            step(home)
        assert snapshot(home.path) == before
        assert "--discard" in caught.value.hint and "deploy registry.lab" in caught.value.hint
        # Both ways that the hint names lead on.
        if step is propose:
            promote(home, sole(home), renewed.sha256, NOW)
            propose(home)
            turn(home)
        else:
            assert discard(home, sole(home))
            back(home)
    assert read_rotation(sole(home)).phase is Phase.ABORTING


def test_encrypted_keys(home: Home, tmp_path: Path) -> None:
    (tmp_path / "pass").write_text("new one")
    (tmp_path / "pass").chmod(0o600)
    start(home, sole(home), Secret("new one"), NOW)
    prove(home)
    with pytest.raises(HomeError, match="no passphrase was given"):
        offer(home, sole(home), PassphraseSources(), HOSTS, NOW)
    made = offer(home, sole(home), PassphraseSources(tmp_path / "pass"), HOSTS, NOW)
    assert offer(home, sole(home), PassphraseSources(), HOSTS, NOW).sha256 == made.sha256
    turn(home)
    assert sole(home).authority_key_protection.strong
    assert sole(home).authority_key(Secret("new one"))


def test_no_way_back_to_a_certificate_that_has_ended(home: Home) -> None:
    for step in PATHS["through"][:4]:
        step(home)
    with pytest.raises(CertkitError, match="no way back"):
        abort(home, sole(home), NOW + timedelta(days=500))
    back(home)
    with pytest.raises(CertkitError, match="does not serve the old"):
        abort_done(home, sole(home), "0" * 64, NOW)


def test_a_damaged_state_is_told(home: Home) -> None:
    begin(home)
    path = sole(home).directory / "rollover.json"
    for text in ("{", '{"schema": "certkit.rollover/9"}', '{"schema": "certkit.rollover/1"}'):
        path.write_text(text)
        with pytest.raises(HomeError):
            read_rotation(sole(home))
    assert set(MODES) <= {one.name for one in sole(home).directory.iterdir()}
