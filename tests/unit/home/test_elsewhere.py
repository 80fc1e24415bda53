"""Certificates from other authorities in the home: taken, renewed, replaced, and never torn."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from certkit.errors import CertkitError, HomeError, InputError
from certkit.home.backup.archive import back_up
from certkit.home.backup.restore import restore
from certkit.home.elsewhere.answering import Taken, import_pair, take_answer
from certkit.home.elsewhere.material import Material
from certkit.home.elsewhere.requesting import (
    discard_request,
    find_request,
    init_request,
    renew_request,
)
from certkit.home.home import Home
from certkit.home.initialise import initialise
from certkit.home.inspection.inspect import inspect_home
from certkit.home.registry import REQUEST, REQUEST_MODES, SERVER, SERVER_KEY, TRUST, RegistryFiles
from certkit.home.renewal.promotion import discard, promote
from certkit.home.renewal.renew import RenewalWish, prepare
from certkit.home.renewal.waiting import NEXT, find_next
from certkit.home.repassphrase import change_passphrase
from certkit.home.request import Origin, RegistryRequest
from certkit.home.rotation.steps import start
from certkit.pki.bundle import fingerprint
from certkit.secret import Secret
from tests.unit.home.killing import steps_of
from tests.unit.home.makers import PLAIN, snapshot
from tests.unit.pki.chains import NOW
from tests.unit.pki.foreign import Party, authority, server

IMPORTED = RegistryRequest.parse("registry.lab:5000", origin=Origin.IMPORTED)
REQUESTED = RegistryRequest.parse("registry.lab:5000", origin=Origin.REQUESTED)

ROOT = authority("Corporate Root", number=41)
ISSUING = authority("Corporate Issuing", ROOT, number=42)
OTHER = authority("Another Root", number=43)
PAIR = server(ISSUING, number=44)


def material(*parties: Party, key: Party | None = None) -> Material:
    return Material(tuple(one.certificate for one in parties), None if key is None else key.key)


def imported(home: Path, *chain: Party) -> Taken:
    return import_pair(home, IMPORTED, material(PAIR, *(chain or (ISSUING, ROOT)), key=PAIR), NOW)


def answer(files: RegistryFiles, signer: Party = ISSUING) -> Party:
    """What the authority makes of the request that waits."""
    csr = x509.load_pem_x509_csr(files.path(REQUEST).read_bytes())
    assert csr.is_signature_valid
    found = find_request(files)
    assert found is not None
    issued = server(signer, "registry.lab", number=45)
    builder = (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .subject_name(csr.subject)
        .issuer_name(signer.certificate.subject)
        .public_key(csr.public_key())
        .not_valid_before(NOW - timedelta(hours=1))
        .not_valid_after(NOW + timedelta(days=200))
    )
    for extension in issued.certificate.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return Party(builder.sign(signer.key, hashes.SHA256()), found[1])


def requested(home: Path) -> RegistryFiles:
    done = init_request(home, REQUESTED, NOW)
    return take_answer(
        done.home, done.files, material(answer(done.files), ISSUING, ROOT), NOW
    ).files


def test_imported(tmp_path: Path) -> None:
    done = imported(tmp_path / "H")
    assert done.status == "created" and done.warnings == ()
    files = Home.open(tmp_path / "H").sole_registry()
    assert files.missing == () and not files.waits
    assert files.request == IMPORTED
    assert files.server_chain == (PAIR.certificate, ISSUING.certificate)
    assert files.bundle().certificates == (ROOT.certificate,)
    assert sorted(path.name for path in files.directory.iterdir()) == [
        *("registry.json", "server.crt", "server.key", "trust.crt")
    ]
    files.verify(files.server_chain, IMPORTED.names, NOW)
    # The same again is recognised; anything else is refused and touches nothing.
    before = snapshot(tmp_path / "H")
    assert imported(tmp_path / "H").status == "unchanged"
    other = server(ISSUING, number=46)
    with pytest.raises(InputError, match="has another certificate"):
        import_pair(tmp_path / "H", IMPORTED, material(other, ISSUING, ROOT, key=other), NOW)
    with pytest.raises(InputError, match="origin is imported, asked for own"):
        initialise(tmp_path / "H", RegistryRequest.parse("registry.lab:5000"), PLAIN, NOW)
    assert snapshot(tmp_path / "H") == before


def test_a_root_that_comes_later_completes_the_chain(tmp_path: Path) -> None:
    done = imported(tmp_path / "H", ISSUING)
    assert done.accepted.root is None and not done.files.path(TRUST).exists()
    assert done.files.bundle().certificates == ()
    done.files.verify(done.files.server_chain, IMPORTED.names, NOW)
    with pytest.raises(CertkitError):
        stranger = server(OTHER, number=47)
        done.files.verify([stranger.certificate], IMPORTED.names, NOW)
    again = take_answer(done.home, done.files, material(PAIR, ROOT), NOW)
    assert (again.status, again.new_root) == ("completed", True)
    assert again.files.bundle().certificates == (ROOT.certificate,)
    assert again.files.server_chain == (PAIR.certificate, ISSUING.certificate)


def test_nothing_is_made_of_what_is_refused(tmp_path: Path) -> None:
    wrong = server(ISSUING, "other.lab", number=44)
    with pytest.raises(InputError, match="is not for"):
        import_pair(tmp_path / "H", IMPORTED, material(wrong, ISSUING, ROOT, key=wrong), NOW)
    assert not (tmp_path / "H").exists()


def test_requested_and_answered(tmp_path: Path) -> None:
    done = init_request(tmp_path / "H", REQUESTED, NOW)
    assert done.status == "created" and done.files.waits and done.files.missing == ()
    before = snapshot(tmp_path / "H")
    assert init_request(tmp_path / "H", REQUESTED, NOW).status == "unchanged"
    with pytest.raises(InputError, match="differs"):
        init_request(
            tmp_path / "H",
            RegistryRequest.parse("registry.lab:5000", sans=["a.lab"], origin=Origin.REQUESTED),
            NOW,
        )
    assert snapshot(tmp_path / "H") == before
    waits: list[Callable[[], object]] = [
        lambda: done.files.leaf,
        lambda: done.files.bundle(),
        lambda: done.files.server_key_pem,
        lambda: done.files.server_chain_pem,
        lambda: discard_request(done.home, done.files),
    ]
    for use in waits:
        with pytest.raises(HomeError, match="waits for its answer") as refused:
            use()
        assert "certkit import-signed" in refused.value.hint
    signed = answer(done.files)
    taken = take_answer(done.home, done.files, material(ROOT, ISSUING, signed), NOW)
    assert taken.status == "created"
    files = taken.files
    assert not files.waits and files.missing == ()
    assert files.request == REQUESTED
    assert not any(files.path(name).exists() for name in REQUEST_MODES)
    assert files.leaf.public_key() == files.server_key().public_key()
    assert take_answer(done.home, files, material(signed), NOW).status == "unchanged"
    with pytest.raises(InputError, match="has its certificate already"):
        init_request(tmp_path / "H", REQUESTED, NOW)


def test_an_answer_for_another_key_is_refused(tmp_path: Path) -> None:
    done = init_request(tmp_path / "H", REQUESTED, NOW)
    before = snapshot(tmp_path / "H")
    with pytest.raises(InputError, match="belongs to the ECDSA P-256 key"):
        take_answer(done.home, done.files, material(PAIR, ISSUING, ROOT), NOW)
    assert snapshot(tmp_path / "H") == before


def test_a_later_answer_waits_until_it_is_served(tmp_path: Path) -> None:
    files = requested(tmp_path / "H")
    home = Home.open(tmp_path / "H")
    old = files.leaf
    wish = RenewalWish.parse(aliases=["registry.lab"])
    asked = renew_request(home, files, wish, NOW)
    assert asked.status == "created"
    assert renew_request(home, files, wish, NOW).status == "unchanged"
    with pytest.raises(InputError, match="another request"):
        renew_request(home, files, RenewalWish(), NOW)
    # The chain is known, so the certificate alone will do.
    done = take_answer(home, files, material(answer(files)), NOW)
    assert (done.status, done.new_root) == ("prepared", False)
    assert files.leaf == old and find_request(files) is None
    waiting = find_next(files)
    assert waiting is not None and waiting.chain[1:] == (ISSUING.certificate,)
    with pytest.raises(CertkitError, match="does not serve the new certificate"):
        promote(home, files, fingerprint(old), NOW)
    promoted = promote(home, files, waiting.sha256, NOW)
    assert promoted.files.leaf == waiting.certificate
    assert [alias.text for alias in promoted.new_aliases] == ["registry.lab"]
    assert promoted.files.bundle().certificates == (ROOT.certificate,)


def test_a_renewed_certificate_for_the_same_key_or_with_its_own(tmp_path: Path) -> None:
    done = imported(tmp_path / "H")
    same = server(ISSUING, number=44, days=350)
    assert take_answer(done.home, done.files, material(same), NOW).status == "prepared"
    own = server(ISSUING, number=48)
    with pytest.raises(InputError, match="belongs to"):
        take_answer(done.home, done.files, material(own), NOW)
    assert take_answer(done.home, done.files, material(own, key=own), NOW).status == "prepared"
    waiting = find_next(done.files)
    assert waiting is not None and waiting.certificate == own.certificate


def test_a_new_root_is_trusted_beside_the_old_until_it_is_served(tmp_path: Path) -> None:
    done = imported(tmp_path / "H")
    files, new = done.files, server(OTHER, number=44)
    taken = take_answer(done.home, files, material(new, OTHER), NOW)
    assert (taken.status, taken.new_root) == ("prepared", True)
    both = {ROOT.certificate, OTHER.certificate}
    assert set(files.bundle().certificates) == both
    assert discard(done.home, files)
    assert files.bundle().certificates == (ROOT.certificate,)
    take_answer(done.home, files, material(new, OTHER), NOW)
    for chain in (files.server_chain, (new.certificate,)):
        files.verify(chain, IMPORTED.names, NOW)
    promote(done.home, files, fingerprint(new.certificate), NOW)
    assert files.bundle().certificates == (OTHER.certificate,)
    assert files.server_chain == (new.certificate,)


def test_a_chain_without_a_root_takes_the_old_trust_away_once_served(tmp_path: Path) -> None:
    done = imported(tmp_path / "H")
    issuing = authority("Third Issuing", authority("Third", number=51), number=52)
    new = server(issuing, number=44)
    take_answer(done.home, done.files, material(new, issuing), NOW)
    assert done.files.bundle().certificates == (ROOT.certificate,)
    promote(done.home, done.files, fingerprint(new.certificate), NOW)
    assert done.files.bundle().certificates == () and done.files.missing == ()


def test_what_only_an_own_authority_can_do_is_refused(tmp_path: Path) -> None:
    done = imported(tmp_path / "H")
    before = snapshot(tmp_path / "H")
    uses: list[Callable[[], object]] = [
        lambda: prepare(done.home, done.files, RenewalWish(), PLAIN, NOW),
        lambda: start(done.home, done.files, None, NOW),
        lambda: change_passphrase(done.home, done.files, PLAIN, PLAIN),
        lambda: done.files.authority,
    ]
    for use in uses:
        with pytest.raises(InputError, match="comes from another authority") as refused:
            use()
        assert "certkit import-signed" in refused.value.hint
    assert snapshot(tmp_path / "H") == before


def test_a_registry_with_its_own_authority_takes_none_and_asks_for_none(tmp_path: Path) -> None:
    done = initialise(tmp_path / "H", RegistryRequest.parse("registry.lab:5000"), PLAIN, NOW)
    with pytest.raises(InputError, match="its own authority"):
        take_answer(done.home, done.files, material(PAIR, ISSUING, ROOT, key=PAIR), NOW)
    with pytest.raises(InputError, match="needs no request"):
        renew_request(done.home, done.files, RenewalWish(), NOW)
    assert done.files.request.to_json()["origin"] == "own"


def test_inspected(tmp_path: Path) -> None:
    imported(tmp_path / "H")
    init_request(tmp_path / "H", RegistryRequest.parse("b.lab:5000", origin=Origin.REQUESTED), NOW)
    found = inspect_home(Home.open(tmp_path / "H"), NOW)
    b, a = found.values["registries"]
    assert found.attention and b["attention"] and not a["attention"]
    assert (a["origin"], b["origin"]) == ("imported", "requested")
    assert b["request"].endswith(REQUEST) and b["server"] == [] and a["request"] is None
    assert "imported with its key" in str(found.sections)


def test_backed_up_and_restored(tmp_path: Path) -> None:
    done = imported(tmp_path / "H")
    init_request(tmp_path / "H", RegistryRequest.parse("b.lab:5000", origin=Origin.REQUESTED), NOW)
    secret = Secret("correct horse")
    back_up(done.home, tmp_path / "backup.age", secret, NOW)
    before = snapshot(tmp_path / "H")
    restore(tmp_path / "backup.age", lambda: secret, tmp_path / "R")
    assert snapshot(tmp_path / "R") == before


def test_homes_of_the_first_version_are_read(tmp_path: Path) -> None:
    values = RegistryRequest.parse("registry.lab:5000").to_json()
    del values["origin"]
    assert RegistryRequest.from_json(values).origin is Origin.OWN
    with pytest.raises(ValueError, match="stolen"):
        RegistryRequest.from_json({**values, "origin": "stolen"})
    assert RegistryRequest.from_json(IMPORTED.to_json()) == IMPORTED
    assert RegistryRequest.from_json(REQUESTED.to_json()) == REQUESTED
    assert replace(REQUESTED, origin=Origin.IMPORTED) == IMPORTED


def test_killed_at_any_moment_an_import_is_whole_or_absent(tmp_path: Path) -> None:
    home, absent = tmp_path / "H", 0
    for _ in steps_of(tmp_path, lambda: imported(home)):
        directory = home / "registries" / "registry.lab_5000"
        absent += not directory.exists()
        assert imported(home).status in ("created", "unchanged")
        assert Home.open(home).sole_registry().missing == ()
        shutil.rmtree(home)
    assert absent >= 5


def test_killed_at_any_moment_an_answer_is_taken_or_not(tmp_path: Path) -> None:
    home, kept = tmp_path / "H", tmp_path / "kept"
    files = init_request(kept, REQUESTED, NOW).files
    signed = material(answer(files), ISSUING, ROOT)
    shutil.copytree(kept, home)
    seen = set()

    def act() -> None:
        opened = Home.open(home)
        take_answer(opened, opened.sole_registry(), signed, NOW)

    for _ in steps_of(tmp_path, act):
        found = Home.open(home).sole_registry()
        seen.add(found.waits)
        assert found.missing == () and (found.waits or find_request(found) is None)
        act()
        assert Home.open(home).sole_registry().leaf == signed.certificates[0]
        shutil.rmtree(home)
        shutil.copytree(kept, home)
    assert seen == {True, False}


def test_killed_at_any_moment_a_replacement_waits_whole_or_not_at_all(tmp_path: Path) -> None:
    home, kept = tmp_path / "H", tmp_path / "kept"
    imported(kept)
    shutil.copytree(kept, home)
    new, seen = server(OTHER, number=44), set()
    leaf = fingerprint(new.certificate)

    def act() -> None:
        opened = Home.open(home)
        take_answer(opened, opened.sole_registry(), material(new, OTHER), NOW)
        promote(opened, opened.sole_registry(), leaf, NOW)

    for _ in steps_of(tmp_path, act):
        found = Home.open(home).sole_registry()
        waiting, roots = find_next(found), set(found.bundle().certificates)
        state = (found.leaf == new.certificate, waiting is not None)
        seen.add(state)
        wanted = {
            (False, False): {ROOT.certificate},
            (False, True): {ROOT.certificate, OTHER.certificate},
            (True, False): {OTHER.certificate},
        }
        assert roots == wanted[state]
        assert found.leaf.public_key() == found.server_key().public_key()
        shutil.rmtree(home)
        shutil.copytree(kept, home)
    assert len(seen) == 3


def test_files_of_the_home_are_those_that_are_served(tmp_path: Path) -> None:
    done = imported(tmp_path / "H")
    text = done.files.path(SERVER).read_text()
    assert text.count("BEGIN CERTIFICATE") == 2
    assert done.files.path(SERVER_KEY).stat().st_mode & 0o777 == 0o600
    assert not done.files.path(NEXT).exists()
