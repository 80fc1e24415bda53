"""Making a registry: all of it or nothing, the same request twice, and what is half made."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from certkit.errors import ExitCode, HomeError, InputError
from certkit.home.home import Home
from certkit.home.keys.passphrase import PassphraseSources
from certkit.home.registry import MODES
from certkit.pki.verify import verify_server
from certkit.secret import Secret
from tests.unit.home.makers import PLAIN, make, snapshot
from tests.unit.pki.chains import NOW


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CERTKIT_CA_PASSPHRASE", raising=False)
    monkeypatch.delenv("SUDO_USER", raising=False)


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_bytes(b"secret\n")
    path.chmod(0o600)
    return path


def test_everything_is_there_with_its_mode(tmp_path: Path) -> None:
    done = make(
        tmp_path / "a" / "home", aliases=["reg.lab"], sans=["10.0.0.20"], permits=["lab.example"]
    )
    files = done.files
    assert done.status == "created"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    assert stat.S_IMODE(files.directory.stat().st_mode) == 0o700
    assert {path.name for path in files.directory.iterdir()} == set(MODES)
    for name, mode in MODES.items():
        assert stat.S_IMODE(files.path(name).stat().st_mode) == mode
    assert [reference.text for reference in files.references] == ["registry.lab:5000", "reg.lab"]
    assert [name.text for name in files.request.names] == ["registry.lab", "reg.lab", "10.0.0.20"]
    verify_server(files.server_chain, files.bundle().certificates, files.request.names, NOW)
    assert files.leaf.public_key() == files.server_key().public_key()
    assert files.authority_key(None).public_key() == files.authority.public_key()
    assert files.read("trust.crt") == files.read("ca.crt")
    assert files.server_chain_pem.count(b"BEGIN CERTIFICATE") == 1
    (entry,) = done.home.journal.entries()
    assert entry["command"] == "init" and len(entry["certificates"]) == 2
    assert b"PRIVATE" not in done.home.journal.path.read_bytes()


def test_the_same_request_changes_nothing(tmp_path: Path) -> None:
    make(tmp_path / "home", sans=["10.0.0.20", "b.lab"], aliases=["x.lab:1", "y.lab"])
    before = snapshot(tmp_path / "home")
    again = make(
        tmp_path / "home",
        "registry.lab:5000",
        sans=["b.lab", "10.0.0.20", "registry.lab"],
        aliases=["y.lab", "x.lab:1", "registry.lab:5000"],
    )
    assert again.status == "unchanged"
    assert snapshot(tmp_path / "home") == before
    assert len(list(again.home.journal.entries())) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sans": ["10.0.0.20"]}, "--san is none, asked for 10.0.0.20"),
        ({"aliases": ["reg.lab"]}, "--alias is none, asked for reg.lab"),
        ({"permits": ["lab"]}, "--permit is none, asked for lab"),
        ({"days": 90}, "--days is 397, asked for 90"),
        ({"ca_days": 90}, "--ca-days is 3650, asked for 90"),
        ({"key_type": "rsa3072"}, "--key-type is p256, asked for rsa3072"),
    ],
)
def test_a_different_request_is_told_and_changes_nothing(
    options: dict[str, object], says: str, tmp_path: Path
) -> None:
    make(tmp_path / "home")
    before = snapshot(tmp_path / "home")
    with pytest.raises(InputError) as caught:
        make(tmp_path / "home", **options)
    assert says in caught.value.message
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    assert snapshot(tmp_path / "home") == before


def test_encryption_is_part_of_the_request_when_it_was_asked_for(
    tmp_path: Path, passphrase_file: Path
) -> None:
    make(tmp_path / "home")
    with pytest.raises(InputError, match="key is plain, asked for encrypted"):
        make(tmp_path / "home", passphrases=PassphraseSources(passphrase_file))
    assert make(tmp_path / "home", passphrases=PassphraseSources()).status == "unchanged"


def test_a_passphrase_encrypts_the_authoritys_key_and_only_that(
    tmp_path: Path, passphrase_file: Path
) -> None:
    done = make(tmp_path / "home", passphrases=PassphraseSources(passphrase_file))
    assert done.files.authority_key_protection.strong
    assert done.files.authority_key(Secret("secret")).public_key()
    with pytest.raises(HomeError, match="does not open"):
        done.files.authority_key(Secret("secret\n"))
    with pytest.raises(HomeError, match="no passphrase was given"):
        done.files.authority_key(None)
    assert done.warnings == ()
    assert done.files.server_key_pem.startswith(b"-----BEGIN PRIVATE KEY")
    everything = b"".join(content for _, content in snapshot(tmp_path / "home").values())
    assert b"secret" not in everything + done.home.journal.path.read_bytes()


def test_a_plain_key_is_told_with_the_way_out(tmp_path: Path) -> None:
    done = make(tmp_path / "home", passphrases=PassphraseSources(ask=lambda _: ""))
    assert not done.files.authority_key_protection.encrypted
    assert any("certkit passphrase registry.lab:5000" in warning for warning in done.warnings)


def test_bad_input_touches_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        make(tmp_path / "home", passphrases=PassphraseSources(tmp_path / "missing"))
    with pytest.raises(InputError, match="no terminal"):
        make(tmp_path / "home", passphrases=PassphraseSources())
    with pytest.raises(InputError):
        make(tmp_path / "home", days=826)
    with pytest.raises(InputError):
        make(tmp_path / "home", ca_days=0)
    with pytest.raises(InputError):
        make(tmp_path / "home", sans=["https://x"])
    assert not (tmp_path / "home").exists()


def test_the_question_comes_only_when_there_is_something_to_make(tmp_path: Path) -> None:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return ""

    make(tmp_path / "home", passphrases=PassphraseSources(ask=ask))
    assert len(asked) == 1
    make(tmp_path / "home", passphrases=PassphraseSources(ask=ask))
    assert len(asked) == 1


def test_an_alias_belongs_to_one_registry(tmp_path: Path) -> None:
    make(tmp_path / "home", aliases=["reg.lab"])
    with pytest.raises(InputError, match=r"reg\.lab already belongs to the registry registry\.lab"):
        make(tmp_path / "home", "reg.lab")
    with pytest.raises(InputError, match="already belongs"):
        make(tmp_path / "home", "other.lab:5000", aliases=["registry.lab:5000"])
    make(tmp_path / "home", "other.lab:5000")
    home = Home.open(tmp_path / "home")
    assert [str(files.reference) for files in home.registries()] == [
        "other.lab:5000",
        "registry.lab:5000",
    ]
    assert home.registry("reg.lab").reference.text == "registry.lab:5000"


@pytest.mark.parametrize(
    ("lost", "made"),
    [
        (["trust.crt"], ["trust.crt"]),
        (["server.crt"], ["server.crt"]),
        (["server.crt", "server.key"], ["server.crt", "server.key"]),
        (["server.crt", "server.key", "trust.crt"], ["server.crt", "server.key", "trust.crt"]),
    ],
)
def test_what_can_be_made_again_is_finished(
    lost: list[str], made: list[str], tmp_path: Path, passphrase_file: Path
) -> None:
    sources = PassphraseSources(passphrase_file)
    files = make(tmp_path / "home", passphrases=sources).files
    before = snapshot(tmp_path / "home")
    for name in lost:
        files.path(name).unlink()
    done = make(tmp_path / "home", passphrases=sources)
    assert done.status == "finished"
    assert {path.name for path in files.directory.iterdir()} == set(MODES)
    after = snapshot(tmp_path / "home")
    changed = {Path(name).name for name in after if after[name] != before[name]}
    assert changed <= set(made)
    verify_server(files.server_chain, files.bundle().certificates, files.request.names, NOW)
    assert files.leaf.public_key() == files.server_key().public_key()
    assert make(tmp_path / "home", passphrases=sources).status == "unchanged"


@pytest.mark.parametrize(
    "lost", [["ca.key"], ["ca.crt"], ["server.key"], ["registry.json"], ["ca.key", "server.crt"]]
)
def test_what_cannot_be_made_again_is_refused_and_kept(lost: list[str], tmp_path: Path) -> None:
    files = make(tmp_path / "home").files
    for name in lost:
        files.path(name).unlink()
    before = snapshot(tmp_path / "home")
    with pytest.raises(HomeError, match="half made: it lacks") as caught:
        make(tmp_path / "home")
    assert all(name in caught.value.message for name in lost)
    assert "back-up" in caught.value.hint
    assert snapshot(tmp_path / "home") == before


def test_an_empty_directory_of_a_registry_is_filled(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    (home.path / "registries" / "registry.lab_5000").mkdir(mode=0o700)
    assert home.registries() == ()
    assert make(tmp_path / "home").status == "created"


def test_a_locked_home_is_told(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    with home.lock("certkit renew"), pytest.raises(HomeError, match="locked by certkit renew"):
        make(tmp_path / "home")


def test_keys_that_do_not_belong_are_told(tmp_path: Path) -> None:
    one = make(tmp_path / "home").files
    two = make(tmp_path / "other").files
    one.path("server.key").write_bytes(two.path("server.key").read_bytes())
    with pytest.raises(HomeError, match="does not belong"):
        make(tmp_path / "home", passphrases=PLAIN)
    one.path("ca.key").write_bytes(two.path("ca.key").read_bytes())
    with pytest.raises(HomeError, match="does not belong"):
        one.authority_key(None)
