"""Secrets stay where they belong."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from certkit.errors import InputError
from certkit.inventory.files import run_script
from certkit.secret import Secret, environment_for_children, read_secret_file
from certkit.secret import secret_from_environment as from_environment


def test_a_secret_prints_as_stars() -> None:
    secret = Secret("hunter2")
    assert {str(secret), repr(secret), f"{secret}", f"{secret:>3}", f"{[secret]}"[1:-1]} == {"***"}
    assert secret.reveal() == "hunter2"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_no_child_inherits_a_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    variables = ("CERTKIT_CA_PASSPHRASE", "CERTKIT_BECOME_PASSWORD", "MY_OWN_SECRET", "HARMLESS")
    for name in variables:
        monkeypatch.setenv(name, "hunter2")
    assert from_environment("MY_OWN_SECRET") == Secret("hunter2")
    left = environment_for_children()
    assert [name for name in variables if name in left] == ["HARMLESS"]

    script = tmp_path / "hosts"
    script.write_text("#!/bin/sh\nenv\n")
    script.chmod(0o755)
    said = run_script(script, 10)
    assert "HARMLESS=hunter2" in said
    assert said.count("hunter2") == 1


def test_an_empty_variable_is_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CERTKIT_CA_PASSPHRASE", "")
    with pytest.raises(InputError, match="set but empty"):
        from_environment("CERTKIT_CA_PASSPHRASE")
    monkeypatch.delenv("CERTKIT_CA_PASSPHRASE")
    assert from_environment("CERTKIT_CA_PASSPHRASE") is None


@pytest.mark.parametrize("content", [b"one\ntwo\n", b"one\n\n", b"a\0b"])
def test_one_secret_on_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(InputError, match="one line"):
        read_secret_file(path, "the file")
