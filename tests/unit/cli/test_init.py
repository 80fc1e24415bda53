"""`certkit init` from the command line: words, JSON, exit codes, questions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from certkit.home import choose
from tests.unit.cli.running import Command


@pytest.fixture
def certkit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    for name in ("CERTKIT_CA_PASSPHRASE", "CERTKIT_HOME", "CERTKIT_INVENTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("certkit.cli.words.on_terminal", lambda: False)
    return Command(monkeypatch, capsys)


def test_it_tells_what_was_made_and_what_comes_next(certkit: Command, tmp_path: Path) -> None:
    home = tmp_path / "H"
    ran = certkit(
        *("init", "registry.lab:5000", "--san", "10.0.0.20"), "--no-passphrase", "--home", home
    )
    assert ran.code == 0, ran.err
    assert ran.err == ""
    directory = home / "registries" / "registry.lab_5000"
    lines = ran.out.splitlines()
    (run,) = (line for line in lines if "docker run" in line)
    assert f"-v {directory}/server.crt:/certs/server.crt:ro" in run
    assert "-p 5000:5000 --restart=always" in run and run.endswith("registry:2")
    assert "REGISTRY_HTTP_TLS_KEY=/certs/server.key" in run
    assert "ca.key" not in run
    (distribute,) = (line.strip() for line in lines if "certkit distribute" in line)
    assert distribute == f"certkit distribute --home {home} -i hosts.yaml"
    for text in ("0600", "0644", "0700", "valid until", "10.0.0.20", "certkit passphrase"):
        assert text in ran.out
    assert any(line.count(":") == 31 for line in (part.split("  ")[-1] for part in lines))
    assert "\x1b" not in ran.out
    assert "PRIVATE KEY" not in ran.out


def test_json_alone_on_standard_output(certkit: Command, tmp_path: Path) -> None:
    ran = certkit(
        "init", "registry.lab:5000", "--no-passphrase", "--home", tmp_path / "H", "-ojson"
    )
    document = ran.json
    assert document["schema"] == "certkit.init/1" and document["status"] == "created"
    assert document["registry"] == "registry.lab:5000"
    assert document["authority"]["permitted"] == ["registry.lab"]
    assert document["authority"]["key_encrypted"] is False
    assert {Path(file["path"]).name: file["mode"] for file in document["files"]}["ca.key"] == "0600"
    assert all(Path(file["path"]).is_file() for file in document["files"])
    assert "Made an authority" in ran.err


def test_again_and_different(certkit: Command, tmp_path: Path) -> None:
    arguments = ("init", "registry.lab:5000", "--no-passphrase", "--home", tmp_path / "H")
    assert certkit(*arguments).code == 0
    again = certkit(*arguments)
    assert again.code == 0 and "nothing to do" in again.out
    different = certkit(*arguments, "--san", "b.lab")
    assert different.code == 2
    assert "--san is none, asked for b.lab" in different.err
    assert "hint: " in different.err and "Traceback" not in different.err


BAD = [
    ["https://registry.lab:5000"],
    ["registry.lab:5000/app"],
    ["registry.lab:99999"],
    ["registry.lab.:5000"],
    ["999.1.2.3:5000"],
    ["my_registry:5000"],
    ["registry"],
    [""],
    ["registry.lab:5000", "--san", "*.lab"],
    ["registry.lab:5000", "--san", "registry.lab:5000"],
    ["registry.lab:5000", "--alias", "http://x"],
    ["registry.lab:5000", "--permit", ".lab"],
    ["registry.lab:5000", "--permit", "10.0.0.1/24"],
    ["registry.lab:5000", "--key-type", "ed25519"],
    ["registry.lab:5000", "--days", "826"],
    ["registry.lab:5000", "--days", "soon"],
    ["registry.lab:5000", "--ca-days", "0"],
    ["registry.lab:5000", "--passphrase-file", "missing"],
    ["registry.lab:5000", "--passphrase-file", "lax"],
    ["registry.lab:5000", "--passphrase-file", "fine", "--no-passphrase"],
    ["registry.lab:5000", "--output", "yaml"],
    ["registry.lab:5000", "--nonsense"],
    ["-i", "missing.yaml"],
]


@pytest.mark.parametrize("arguments", BAD, ids=" ".join)
def test_bad_input_is_told_in_a_sentence_and_touches_nothing(
    arguments: list[str], certkit: Command, tmp_path: Path
) -> None:
    for name, mode in (("lax", 0o644), ("fine", 0o600)):
        (tmp_path / name).write_text("secret")
        (tmp_path / name).chmod(mode)
    ran = certkit("init", *arguments, "--home", tmp_path / "H")
    assert ran.code == 2, ran
    assert "Traceback" not in ran.err and ran.out == ""
    assert "no terminal" not in ran.err
    assert not (tmp_path / "H").exists()


def test_with_nobody_to_ask_no_key_is_left_plain_silently(certkit: Command, tmp_path: Path) -> None:
    ran = certkit("init", "registry.lab:5000", "--home", tmp_path / "H")
    assert ran.code == 2 and ran.out == ""
    assert "--passphrase-file" in ran.err and "--no-passphrase" in ran.err
    assert not (tmp_path / "H").exists()
    words = ("init", "registry.lab:5000", "--home", tmp_path / "H")
    assert certkit(*words, "--no-passphrase").code == 0
    # What is there already needs no answer.
    assert certkit(*words).code == 0


def test_an_unusable_home_is_three(certkit: Command, tmp_path: Path) -> None:
    (tmp_path / "H").mkdir(mode=0o700)
    (tmp_path / "H").chmod(0o755)
    ran = certkit("init", "registry.lab:5000", "--no-passphrase", "--home", tmp_path / "H")
    assert ran.code == 3
    assert f"hint: chmod 700 {tmp_path / 'H'}" in ran.err
    assert list((tmp_path / "H").iterdir()) == []


def test_a_home_that_cannot_be_made_is_told_with_a_way_out(
    certkit: Command, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file" / "H", tmp_path / ("x" * 300)):
        ran = certkit("init", "registry.lab:5000", "--no-passphrase", "--home", home)
        assert ran.code == 3 and "cannot make" in ran.err, ran
        assert "hint: " in ran.err and "--home" in ran.err


def test_the_inventory_names_the_registry(certkit: Command, tmp_path: Path) -> None:
    text = "registry: registry.lab:5000\nhosts: [build-01]\n"
    (tmp_path / "hosts.yaml").write_text(text)
    ran = certkit("init", "--no-passphrase", "-o", "json")
    assert ran.code == 0, ran.err
    assert ran.json["registry"] == "registry.lab:5000"
    assert "from the inventory" in ran.err
    (tmp_path / "other.yaml").write_text(text.replace("registry.lab", "other.lab"))
    for given in (["-i", "other.yaml"], ["--inventory", str(tmp_path / "other.yaml")]):
        ran = certkit("init", "--no-passphrase", "-o", "json", *given)
        assert ran.json["registry"] == "other.lab:5000"


def test_without_anything_the_default_is_said_aloud(
    certkit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose.socket, "getfqdn", lambda: "build-01.lab")
    ran = certkit("init", "--no-passphrase")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("no REGISTRY given: taking build-01.lab:5000")
    # And in the default home the commands to paste need no --home.
    assert "certkit distribute -i hosts.yaml" in ran.out
    monkeypatch.setattr(choose.socket, "getfqdn", lambda: "my_machine")
    ran = certkit("init", "--no-passphrase")
    assert ran.code == 2 and "certkit init registry.example.com:5000" in ran.err


def test_on_a_terminal_it_asks(certkit: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ["s", "s"]
    monkeypatch.setattr("certkit.cli.words.on_terminal", lambda: True)
    monkeypatch.setattr("certkit.cli.words.ask_text", lambda question, default: "asked.lab:5000")
    monkeypatch.setattr("certkit.cli.words.ask_secret", lambda question: secrets.pop(0))
    ran = certkit("init", "-o", "json")
    assert ran.code == 0, ran.err
    assert ran.json["registry"] == "asked.lab:5000"
    assert ran.json["authority"]["key_encrypted"] is True
    assert not secrets


def test_a_passphrase_from_the_environment_stays_there(
    certkit: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CERTKIT_CA_PASSPHRASE", "hunter2-and-more")
    ran = certkit("init", "registry.lab:5000", "--home", tmp_path / "H")
    assert ran.code == 0 and "PBKDF2-HMAC-SHA256 600000" in ran.out
    assert "hunter2" not in ran.out + ran.err
    for path in (tmp_path / "H").rglob("*"):
        assert path.is_dir() or b"hunter2" not in path.read_bytes()


def test_help_is_fast_because_it_does_not_load_cryptography() -> None:
    code = (
        "import sys\nfrom certkit.cli import init, inspect, passphrase\n"
        "print([name for name in ('cryptography', 'paramiko', 'rich') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cryptography" not in ran.stdout and "paramiko" not in ran.stdout


@pytest.mark.parametrize("columns", ["20", "40", "200"])
def test_a_narrow_place_breaks_nothing_to_paste(columns: str, tmp_path: Path) -> None:
    command = "from certkit.cli.main import main; main()"
    ran = subprocess.run(
        [
            *(sys.executable, "-c", command, "init", "registry.lab:5000", "--no-passphrase"),
            *("--home", str(tmp_path / "H")),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": columns, "NO_COLOR": "1", "FORCE_COLOR": ""},
        stdin=subprocess.DEVNULL,
    )
    assert ran.returncode == 0, ran.stderr
    assert any(line.strip().endswith("registry:2") for line in ran.stdout.splitlines())


def test_an_empty_home_is_not_the_current_directory(
    certkit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path / "here")
    for command in (["init", "x.lab", "--no-passphrase"], ["status"], ["inspect"], ["rotate"]):
        ran = certkit(*command, "--home", "")
        assert ran.code == 2 and "--home was given nothing" in ran.err, ran
    assert list((tmp_path / "here").iterdir()) == []
    # As POSIX has it, a variable that is empty says nothing.
    monkeypatch.setenv("CERTKIT_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert certkit("init", "x.lab", "--no-passphrase").code == 0
    assert list((tmp_path / "here").iterdir()) == []


def test_what_is_to_be_pasted_names_the_home(
    certkit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "sp" / "a b"
    ran = certkit("init", "x.lab", "--no-passphrase", "--home", home)
    assert f"certkit passphrase x.lab --home '{home}'" in ran.out
    ran = certkit("status", "--home", tmp_path / "none here")
    assert f"certkit init --home '{tmp_path}/none here'" in ran.err
    monkeypatch.setenv("CERTKIT_HOME", str(home))
    assert "--home" not in certkit("init", "x.lab").out
