"""Homes that can be used, and the ones that must not be."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from certkit.errors import ExitCode, HomeError, InputError
from certkit.home.home import Home, find_in
from certkit.home.place import home_path
from certkit.names import RegistryReference
from tests.unit.home.makers import make
from tests.unit.pki.chains import key_pem, make_chain


def test_where_the_home_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("CERTKIT_HOME", raising=False)
    if os.uname().sysname == "Linux":
        assert home_path() == (tmp_path / "data" / "certkit").resolve()
    monkeypatch.setenv("CERTKIT_HOME", str(tmp_path / "env"))
    assert home_path() == (tmp_path / "env").resolve()
    assert home_path(tmp_path / "option") == (tmp_path / "option").resolve()
    monkeypatch.chdir(tmp_path)
    assert home_path(Path("relative")).is_absolute()
    with pytest.raises(HomeError, match="home directory") as caught:
        home_path(Path("~nobody-here/x"))
    assert "--home" in caught.value.hint


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o777])
@pytest.mark.parametrize("which", [".", "registries", "registries/registry.lab_5000"])
def test_a_lax_directory_is_refused_with_the_cure(which: str, mode: int, tmp_path: Path) -> None:
    make(tmp_path / "home")
    lax = tmp_path / "home" / which
    lax.chmod(mode)
    with pytest.raises(HomeError, match=f"mode {mode:04o}") as caught:
        Home.open(tmp_path / "home").registry("registry.lab:5000")
    assert caught.value.hint == f"chmod 700 {lax}"
    assert caught.value.exit_code is ExitCode.HOME_UNUSABLE
    with pytest.raises(HomeError):
        make(tmp_path / "home")


@pytest.mark.parametrize("name", ["ca.key", "server.key", "registry.json"])
def test_a_lax_key_is_refused_with_the_cure(name: str, tmp_path: Path) -> None:
    files = make(tmp_path / "home").files
    files.path(name).chmod(0o640)
    with pytest.raises(HomeError, match="mode 0640") as caught:
        make(tmp_path / "home")
    assert caught.value.hint == f"chmod 600 {files.path(name)}"


def test_somebody_elses_home_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "home")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(HomeError, match="belongs to user"):
        Home.open(tmp_path / "home")


def test_a_directory_with_other_things_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir(mode=0o700)
    (tmp_path / "documents" / "letter").write_bytes(b"x")
    with pytest.raises(HomeError, match="not empty"):
        Home.create(tmp_path / "documents")
    with pytest.raises(HomeError, match="not a certkit home"):
        Home.open(tmp_path / "documents")
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(HomeError, match="Not a directory"):
        Home.create(tmp_path / "file")
    with pytest.raises(HomeError, match="there is no home"):
        Home.open(tmp_path / "missing")


@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_a_directory_given_by_mistake_is_not_to_be_changed(mode: int, tmp_path: Path) -> None:
    """A chmod 700 of /etc or /tmp, pasted as root, breaks the machine."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_bytes(b"x")
    (tmp_path / "etc").chmod(mode)
    for take in (Home.open, Home.create):
        with pytest.raises(HomeError, match="not a certkit home") as caught:
            take(tmp_path / "etc")
        assert "chmod" not in caught.value.hint and "chown" not in caught.value.hint


def test_somebody_elses_directory_is_not_to_be_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir(mode=0o700)
    (tmp_path / "etc" / "passwd").write_bytes(b"x")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    for take in (Home.open, Home.create):
        with pytest.raises(HomeError, match="not a certkit home") as caught:
            take(tmp_path / "etc")
        assert "chown" not in caught.value.hint


def test_a_home_behind_a_closed_door_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its owner can tell whether it is there; root can too, so the kernel is played."""

    def refuse(path: Path) -> os.stat_result:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "lstat", refuse)
    reference = RegistryReference.parse("registry.lab:5000")
    for look in (Home.open, Home.create, lambda path: find_in(path, reference)):
        with pytest.raises(HomeError, match=r"cannot look into .*: Permission denied") as caught:
            look(tmp_path)
        assert "as its owner" in caught.value.hint


def test_what_a_registrys_directory_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, reference = Home(tmp_path / "home"), RegistryReference.parse("registry.lab:5000")
    assert not home.holds(reference)
    Home.create(tmp_path / "home")
    home.directory_of(reference).mkdir(mode=0o700)
    assert not home.holds(reference), "nothing is there to lose"
    (home.directory_of(reference) / "ca.key").touch()
    assert home.holds(reference), "half made, it is not for anybody to make anew"

    def refuse(path: Path) -> Iterator[Path]:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(HomeError, match=r"cannot read .*registry\.lab_5000: Permission denied"):
        home.holds(reference)


def test_an_empty_private_directory_is_taken(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    assert Home.create(tmp_path / "home").registries() == ()
    assert Home.create(tmp_path / "home").registries() == ()


def test_which_registry_is_meant(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    with pytest.raises(InputError, match="has no registry") as caught:
        home.sole_registry()
    assert "certkit init" in caught.value.hint
    make(tmp_path / "home")
    assert home.sole_registry().reference.text == "registry.lab:5000"
    with pytest.raises(InputError, match=r"no registry other\.lab") as caught:
        home.registry("other.lab")
    assert "registry.lab:5000" in caught.value.hint
    make(tmp_path / "home", "other.lab:5000")
    with pytest.raises(InputError, match="2 registries") as caught:
        home.sole_registry()
    assert "other.lab:5000, registry.lab:5000" in caught.value.hint
    # Not the same text, so not the same directory under certs.d: an alias has to say so.
    with pytest.raises(InputError):
        home.registry("registry.lab")


A, B = make_chain("registry.lab"), make_chain("registry.lab", number=5)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda pem: pem + key_pem(A.leaf_key), "private key"),
        (lambda pem: pem.rstrip(b"\n") + pem, "glued"),
        (lambda pem: pem + b"junk\n", "not PEM"),
        (lambda pem: pem[:200], "ends within"),
        (lambda pem: b"", "no certificate"),
    ],
)
def test_a_damaged_trust_file_is_refused(damage: object, says: str, tmp_path: Path) -> None:
    files = make(tmp_path / "home").files
    path = files.path("trust.crt")
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(HomeError, match=says):
        files.bundle()
    path.write_bytes(files.read("server.crt"))
    with pytest.raises(HomeError, match="server's certificate"):
        files.bundle()


@pytest.mark.parametrize(
    "record", [b"", b"{", b"[]", b"{}", b'{"schema": "certkit.registry/9"}', b"\xff"]
)
def test_a_damaged_record_is_told(record: bytes, tmp_path: Path) -> None:
    files = make(tmp_path / "home").files
    files.path("registry.json").write_bytes(record)
    with pytest.raises(HomeError, match=r"is damaged|another version"):
        Home.open(tmp_path / "home").registry("registry.lab:5000")
