from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from certkit.cli import main as module
from certkit.cli.passwords import BECOME_ENVIRONMENT, KEY_ENVIRONMENT, collect
from certkit.errors import HomeError, InputError
from certkit.inventory.model import Become, Host
from certkit.secret import Secret, environment_for_children

PROGRAM = "import sys; sys.argv[0] = 'certkit'; from certkit.cli.main import main; main()"


def certkit(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        **{
            "capture_output": True,
            "text": True,
            "timeout": 60,
            "stdin": subprocess.DEVNULL,
            **options,
        },
    )


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException, *flags: str) -> int:
    def broken(**_: Any) -> None:
        raise error

    monkeypatch.setattr(module, "app", broken)
    monkeypatch.setattr(sys, "argv", ["certkit", "distribute", *flags])
    return module.run()


def test_errors_are_one_line_and_a_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(monkeypatch, InputError("it is wrong", "do it right")) == 2
    assert capsys.readouterr().err == "error: it is wrong\nhint: do it right\n"
    assert failing(monkeypatch, HomeError("no\x1b[2J home")) == 3
    assert capsys.readouterr().err == "error: no?[2J home\n"
    assert failing(monkeypatch, KeyboardInterrupt()) == 130


def test_a_defect_is_one_line_and_a_traceback_only_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CERTKIT_DEBUG", raising=False)
    assert failing(monkeypatch, ZeroDivisionError("oops")) == 1
    err = capsys.readouterr().err
    assert "ZeroDivisionError: oops" in err and "report it" in err and "Traceback" not in err
    for flags in (("-vv",), ("-v", "-v")):
        assert failing(monkeypatch, ZeroDivisionError("oops"), *flags) == 1
        assert "Traceback" in capsys.readouterr().err
    assert failing(monkeypatch, ZeroDivisionError("oops"), "-v") == 1
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--nope",),
        ("nope",),
        ("distribute", "--restart", "sometimes"),
        ("distribute", "--parallel", "0"),
        ("distribute", "--port", "70000"),
        ("verify", "--output", "html"),
    ],
)
def test_wrong_usage_is_2(arguments: tuple[str, ...]) -> None:
    ran = certkit(*arguments)
    assert ran.returncode == 2 and ran.stdout == "" and "Traceback" not in ran.stderr


def test_the_version_and_the_commands() -> None:
    assert certkit("--version").stdout.startswith("certkit ")
    text = certkit("--help").stdout
    for command in ("init", "distribute", "verify", "inspect", "inventory", "schema", "demo"):
        assert f"\n  {command} " in text
    assert "130 interrupted" in " ".join(text.split())


def test_what_may_be_left_out_stands_in_brackets() -> None:
    group = get_command(module.app)
    for name in group.list_commands(None):
        found = group.get_command(None, name)
        for one in (found, *getattr(found, "commands", {}).values()):
            for parameter in one.params:
                if parameter.param_type_name == "argument":
                    assert parameter.metavar.startswith("[") != parameter.required, one.name


def test_no_home_is_3_and_bad_input_is_2(tmp_path: Path) -> None:
    ran = certkit("distribute", "--home", str(tmp_path / "none"))
    assert ran.returncode == 3 and "certkit init" in ran.stderr
    home = tmp_path / "home"
    made = certkit("init", "registry.lab:5000", "--no-passphrase", "--home", str(home))
    assert made.returncode == 0, made.stderr
    ran = certkit("distribute", "--home", str(home), cwd=tmp_path)
    assert ran.returncode == 2 and "hosts.yaml" in ran.stderr and "-i FILE" in ran.stderr
    (tmp_path / "hosts.yaml").write_text("registry: registry.lab:5000\nhosts: [a.invalid]\n")
    for arguments, said in (
        (("--wave", "0"), "--wave"),
        (("--max-fail", "x"), "--max-fail"),
        (("--limit", "nobody"), "nobody"),
        (("--resume",), "no earlier run"),
        (("--known-hosts", "nowhere"), "known_hosts"),
        (("other.lab:5000",), "other.lab:5000"),
    ):
        environment = {**os.environ, "CERTKIT_STATE": str(tmp_path / "state")}
        ran = certkit("distribute", *arguments, "--home", str(home), cwd=tmp_path, env=environment)
        assert ran.returncode == 2 and said in ran.stderr, (arguments, ran.stderr)
        assert ran.stdout == ""


def test_a_page_that_cannot_be_written_is_refused_before_anything_else(tmp_path: Path) -> None:
    ran = certkit("status", "--html", str(tmp_path), "--home", str(tmp_path / "none"))
    assert ran.returncode == 2 and f"{tmp_path} is no plain file" in ran.stderr


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    shell = f'{sys.executable} -c "{PROGRAM}" schema fleet | head -c 1; true'
    ran = certkit_shell(shell)
    assert "Traceback" not in ran.stderr and "Exception ignored" not in ran.stderr


def certkit_shell(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", text], capture_output=True, text=True, timeout=60, check=False
    )


def gather(**how: Any) -> Any:
    return collect(
        **{
            "ask_login": False,
            "login_file": None,
            "ask_become": False,
            "become_file": None,
            **how,
        }
    )


def test_passwords_come_from_files_and_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p"
    path.write_text("first\n")
    path.chmod(0o600)
    monkeypatch.setenv(BECOME_ENVIRONMENT, "three")
    found = gather(login_file=path)
    assert found.login == Secret("first") and found.become == Secret("three")
    assert BECOME_ENVIRONMENT not in environment_for_children()
    assert "first" not in repr(found)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_password_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "p"
    path.write_text("hunter2\n")
    path.chmod(mode)
    with pytest.raises(InputError, match="others can") as caught:
        gather(become_file=path)
    assert "chmod 600" in caught.value.hint and "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "\n", "\0\n", "one\ntwo\n", "x" * 5000])
def test_a_password_file_without_a_password(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p"
    path.write_text(text)
    path.chmod(0o600)
    for mode in (0o600, 0o644):
        path.chmod(mode)
        with pytest.raises(InputError) as caught:
            gather(login_file=path)
        assert "chmod" not in caught.value.hint, "it may be /etc/passwd"
    for missing in (tmp_path / "none", Path("~nobody-here/p")):
        with pytest.raises(InputError, match="cannot read"):
            gather(login_file=missing)


def test_without_a_terminal_nothing_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    with pytest.raises(InputError) as caught:
        gather(ask_become=True)
    assert "--become-password-file" in caught.value.hint


def test_a_hosts_own_password_stays() -> None:
    own = Host(name="a", address="a", user="u", password=Secret("own"))
    other = Host(name="b", address="b", user="u", become=Become(password=Secret("own")))
    from certkit.cli.passwords import Passwords

    a, b = Passwords(Secret("l"), Secret("b")).fill((own, other))
    assert (a.password, a.become.password) == (Secret("own"), Secret("b"))
    assert (b.password, b.become.password) == (Secret("l"), Secret("own"))


def test_the_passphrase_of_keys_goes_to_hosts_and_bastions_that_have_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(KEY_ENVIRONMENT, "phrase")
    own = Host(name="b", address="b", user="u", key_passphrase=Secret("own"))
    bare = Host(name="j", address="j", user="u")
    [host] = gather().fill([Host(name="a", address="a", user="u", jump=(bare, own))])
    assert host.key_passphrase == Secret("phrase")
    assert [hop.key_passphrase for hop in host.jump] == [Secret("phrase"), Secret("own")]
    assert KEY_ENVIRONMENT not in environment_for_children()
