"""`certkit inspect` from the command line."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from certkit.home.home import Home
from certkit.home.keys.passphrase import PassphraseSources
from certkit.home.rotation import abort as rotation_abort
from certkit.home.rotation import steps as rotation
from tests.unit.cli.running import Command


@pytest.fixture
def certkit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    for name in ("CERTKIT_CA_PASSPHRASE", "CERTKIT_INVENTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CERTKIT_HOME", str(tmp_path / "H"))
    monkeypatch.chdir(tmp_path)
    command = Command(monkeypatch, capsys)
    assert command("init", "registry.lab:5000", "--no-passphrase").code == 0
    return command


def test_words(certkit: Command, tmp_path: Path) -> None:
    assert "registry.lab:5000" in certkit("inspect").out
    registry = certkit("inspect", "registry.lab:5000")
    assert registry.code == 0
    assert "trusted authority" in registry.out and "server certificate" in registry.out
    key = certkit("inspect", tmp_path / "H/registries/registry.lab_5000/ca.key")
    assert "plain" in key.out and "ECDSA P-384" in key.out and "BEGIN" not in key.out


@pytest.mark.parametrize("target", [[], ["registry.lab:5000"], ["H"], ["{}/trust.crt"]])
def test_json(target: list[str], certkit: Command) -> None:
    ran = certkit(
        "inspect", *(t.format("H/registries/registry.lab_5000") for t in target), "-ojson"
    )
    assert ran.code == 0 and ran.err == ""
    assert ran.json["schema"] == "certkit.inspect/1"
    assert ran.json["kind"] in {"home", "registry", "certificate"}


def test_a_directory_in_place_of_a_file_is_bad_input(certkit: Command, tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir(mode=0o755)
    ran = certkit("inspect", "certs")
    assert ran.code == 2 and "certs is a directory and not a certkit home" in ran.err
    assert "chmod" not in ran.err


def test_a_certificate_that_waits_is_shown(certkit: Command) -> None:
    settled = certkit("inspect", "registry.lab:5000", "-o", "json").json
    assert settled["waiting"] is None and settled["rotation"] is None
    assert certkit("renew").code == 0
    for target in ([], ["registry.lab:5000"]):
        shown = certkit("inspect", *target)
        assert shown.code == 0 and "certkit registry deploy --next" in shown.out
    assert "certificate that waits to be served" in shown.out
    found = certkit("inspect", "registry.lab:5000", "-o", "json").json
    assert found["waiting"]["sha256"] not in (found["server"][0]["sha256"], None)
    [registry] = certkit("inspect", "-o", "json").json["registries"]
    assert registry["waiting"] == found["waiting"]


def test_a_rotation_under_way_is_shown(certkit: Command, tmp_path: Path) -> None:
    home = Home.open(tmp_path / "H")
    files = home.registry("registry.lab:5000")
    now = datetime.now(timezone.utc)
    state = rotation.start(home, files, None, now)
    for target in ([], ["registry.lab:5000"]):
        shown = certkit("inspect", *target)
        assert shown.code == 0 and "started" in shown.out
        assert f"certkit rotate status {files.where}" in shown.out
    found = certkit("inspect", "registry.lab:5000", "-o", "json").json
    assert found["rotation"] == {
        **{"phase": "started", "under_way": True, "since": now.isoformat()},
        **{"compromised": False, "old": state.old, "new": state.new},
    }
    rotation.record(home, files, now, waive=["web01"])
    rotation.offer(home, files, PassphraseSources(), ["web01"], now)
    assert "certkit rotate switch" in certkit("inspect", "registry.lab:5000").out
    rotation_abort.abort(home, files, now)
    assert "going back" in certkit("inspect").out


def test_a_lax_key_is_attention(certkit: Command, tmp_path: Path) -> None:
    key = tmp_path / "H/registries/registry.lab_5000/server.key"
    copy = tmp_path / "copy.key"
    copy.write_bytes(key.read_bytes())
    copy.chmod(0o644)
    ran = certkit("inspect", copy)
    assert ran.code == 4 and "chmod 600" in ran.out


@pytest.mark.parametrize(
    ("target", "code"), [("nowhere", 2), ("http://x", 2), ("127.0.0.1:1", 1), ("junk.txt", 2)]
)
def test_what_cannot_be_shown(target: str, code: int, certkit: Command, tmp_path: Path) -> None:
    (tmp_path / "junk.txt").write_text("junk")
    ran = certkit("inspect", target)
    assert ran.code == code
    assert ran.err.startswith("error: ") and "Traceback" not in ran.err


def test_no_home_is_three(certkit: Command, tmp_path: Path) -> None:
    assert certkit("inspect", "--home", tmp_path / "none").code == 3


@pytest.mark.parametrize("target", ["~nobody-here/x.crt", "a" * 300, "no/such/file"])
def test_a_file_that_cannot_be_there_is_bad_input(target: str, certkit: Command) -> None:
    ran = certkit("inspect", target)
    assert ran.code == 2 and "there is no file" in ran.err, ran.err
