"""A new certificate beside the old: made, found again, promoted, thrown away."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from certkit.errors import CertkitError, HomeError, InputError
from certkit.home.home import Home
from certkit.home.keys.passphrase import PassphraseSources
from certkit.home.renewal.promotion import discard, promote
from certkit.home.renewal.renew import RenewalWish, is_due, prepare, refuse_useless
from certkit.home.renewal.waiting import NEXT, NEXT_KEY, NextLeaf, find_next
from certkit.pki.bundle import fingerprint
from certkit.pki.verify import verify_server
from tests.unit.home.killing import steps_of
from tests.unit.home.makers import PLAIN, make, snapshot
from tests.unit.pki.chains import NOW

PLAIN_WISH = RenewalWish()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make(tmp_path / "home", permits=["lab"]).home


def renew(home: Home, **texts: object) -> NextLeaf:
    wish = RenewalWish.parse(**texts)  # type: ignore[arg-type]
    return prepare(home, home.sole_registry(), wish, PLAIN, NOW)


def test_it_lies_beside_until_it_is_served(home: Home) -> None:
    files = home.sole_registry()
    before, old = snapshot(home.path), files.leaf
    waiting = renew(home)
    assert waiting.status == "prepared" and waiting.certificate.public_key() != old.public_key()
    assert {name: value for name, value in snapshot(home.path).items() if name in before} == before
    for name, mode in ((NEXT, 0o644), (NEXT_KEY, 0o600)):
        assert files.path(name).stat().st_mode & 0o777 == mode
    verify_server([waiting.certificate], files.bundle().certificates, files.request.names, NOW)
    with pytest.raises(CertkitError, match="but the old one"):
        promote(home, files, fingerprint(old), NOW)
    with pytest.raises(CertkitError, match="but another one"):
        promote(home, files, "0" * 64, NOW)
    done = promote(home, files, waiting.sha256, NOW)
    assert fingerprint(done.files.leaf) == waiting.sha256
    assert done.files.server_key().public_key() == waiting.certificate.public_key()
    archived = files.directory / done.archived
    assert archived.is_dir() and (archived / "server.key").stat().st_mode & 0o777 == 0o600
    assert (archived / "server.crt").read_bytes() in {content for _, content in before.values()}
    assert find_next(done.files) is None and not done.new_aliases
    with pytest.raises(InputError, match="is waiting"):
        promote(home, files, waiting.sha256, NOW)
    whats = [entry["what"] for entry in home.journal.entries()]
    assert whats[1:] == [
        "server certificate issued, not yet in service",
        "server certificate in service",
    ]


def test_again_returns_the_one_that_waits(home: Home) -> None:
    first = renew(home)
    again = renew(home)
    assert again.status == "unchanged" and again.sha256 == first.sha256
    other = renew(home, sans=["b.lab"])
    assert other.status == "prepared" and other.sha256 != first.sha256
    kept = renew(home, reuse_key=True)
    assert kept.certificate.public_key() == home.sole_registry().leaf.public_key()
    assert renew(home, reuse_key=True).sha256 == kept.sha256
    assert renew(home).sha256 != kept.sha256
    later = NOW + timedelta(days=200)
    late = prepare(home, home.sole_registry(), PLAIN_WISH, PLAIN, later)
    assert late.status == "prepared"


def test_names_key_type_and_days(home: Home) -> None:
    waiting = renew(home, sans=["b.lab"], aliases=["c.lab:5001"], key_type="rsa3072", days=90)
    files = home.sole_registry()
    # Hosts get the alias only once a certificate that holds it is in service.
    assert not files.aliases
    done = promote(home, files, waiting.sha256, NOW)
    assert [alias.text for alias in done.new_aliases] == ["c.lab:5001"]
    assert [name.text for name in done.files.request.names] == ["registry.lab", "c.lab", "b.lab"]
    assert done.files.request.key_type.value == "rsa3072"
    life = done.files.leaf.not_valid_after_utc - done.files.leaf.not_valid_before_utc
    assert life.days == 89
    assert renew(home).request == done.files.request


def test_names_outside_are_refused_and_nothing_is_left(home: Home) -> None:
    before = snapshot(home.path)
    with pytest.raises(InputError, match=r"may not sign for example\.com"):
        renew(home, sans=["example.com"])
    make(home.path, "other.lab:5000")
    files = home.registry("registry.lab:5000")
    wish = RenewalWish.parse(aliases=["other.lab:5000"])
    with pytest.raises(InputError, match="already belongs"):
        prepare(home, files, wish, PLAIN, NOW)
    with pytest.raises(InputError, match="contradict"):
        RenewalWish.parse(reuse_key=True, key_type="p384")
    assert {k: v for k, v in snapshot(home.path).items() if "registry.lab" in k} == before


def test_due(home: Home) -> None:
    files = home.sole_registry()
    assert not is_due(files, timedelta(days=30), NOW)
    assert is_due(files, timedelta(days=30), NOW + timedelta(days=367))
    assert is_due(files, timedelta(0), NOW + timedelta(days=400))
    refuse_useless(files)


def test_no_time_is_gained_from_an_authority_that_ends(tmp_path: Path) -> None:
    home = make(tmp_path / "home", ca_days=397).home
    with pytest.raises(CertkitError, match="gains no time") as caught:
        refuse_useless(home.sole_registry())
    assert "certkit rotate start" in caught.value.hint


def test_an_encrypted_key_without_a_passphrase_names_the_flags(tmp_path: Path) -> None:
    (tmp_path / "pass").write_text("one\n")
    (tmp_path / "pass").chmod(0o600)
    sources = PassphraseSources(tmp_path / "pass")
    home = make(tmp_path / "home", passphrases=sources).home
    before = snapshot(home.path)
    with pytest.raises(HomeError) as caught:
        prepare(home, home.sole_registry(), PLAIN_WISH, PassphraseSources(), NOW)
    assert "--passphrase-file" in caught.value.hint
    assert snapshot(home.path) == before
    done = prepare(home, home.sole_registry(), PLAIN_WISH, sources, NOW)
    assert done.status == "prepared"


def test_thrown_away(home: Home) -> None:
    before = snapshot(home.path)
    assert not discard(home, home.sole_registry())
    waiting = renew(home)
    waiting.files.path(NEXT).write_bytes(b"junk")
    with pytest.raises(HomeError) as caught:
        find_next(waiting.files)
    assert "--discard" in caught.value.hint
    assert discard(home, home.sole_registry())
    assert snapshot(home.path) == before


def test_a_key_that_does_not_belong_is_found(home: Home) -> None:
    waiting = renew(home)
    shutil.copy(waiting.files.path("server.key"), waiting.files.path(NEXT_KEY))
    with pytest.raises(HomeError, match="does not belong"):
        find_next(waiting.files)


@pytest.mark.parametrize("step", ["prepare", "promote"])
def test_kill_before_every_operation(home: Home, tmp_path: Path, step: str) -> None:
    if step == "promote":
        renew(home)
    start = tmp_path / "start"
    shutil.copytree(home.path, start)

    def act() -> None:
        opened = Home.open(home.path)
        files = opened.sole_registry()
        if step == "prepare":
            prepare(opened, files, PLAIN_WISH, PLAIN, NOW)
        else:
            waiting = find_next(files)
            assert waiting is not None
            promote(opened, files, waiting.sha256, NOW)

    kills = 0
    for _ in steps_of(home.path, act):
        kills += 1
        opened = Home.open(home.path)
        files = opened.sole_registry()
        assert files.leaf.public_key() == files.server_key().public_key()
        verify_server(files.server_chain, files.bundle().certificates, files.request.names, NOW)
        # Whatever is left, the same command brings it to its end.
        waiting = find_next(files) or prepare(opened, files, PLAIN_WISH, PLAIN, NOW)
        done = promote(opened, files, waiting.sha256, NOW)
        assert fingerprint(done.files.leaf) == waiting.sha256
        assert not list(home.path.rglob(".certkit-new-*"))
        shutil.rmtree(home.path)
        shutil.copytree(start, home.path)
    assert kills > 8
