from __future__ import annotations

import shlex

import pytest

from certkit.errors import ErrorKind
from certkit.inventory.model import Become
from certkit.remote.exchange import Exchange
from certkit.secret import Secret
from certkit.transport.connection import Answer
from certkit.transport.faults import WrongPassword, shown
from certkit.transport.privilege import command_for, explain

EXCHANGE = Exchange(boot="echo READY", stdin=b"", ready=b"READY", nonce="n", limit=1)
PASSWORD = Secret("s3cret")


@pytest.mark.parametrize(
    ("become", "user", "line"),
    [
        (Become(method="none"), "me", "exec sh -c 'echo READY'"),
        (Become(), "root", "exec sh -c 'echo READY'"),
        (Become(user="app"), "app", "exec sh -c 'echo READY'"),
        (Become(), "me", "sudo -n -- sh -c 'echo READY'"),
        (Become(user="app"), "root", "sudo -n -u app -- sh -c 'echo READY'"),
        (Become(password=PASSWORD), "me", "sudo -S -p '' -- sh -c 'echo READY'"),
        (Become(executable="/opt/sudo"), "me", "/opt/sudo -n -- sh -c 'echo READY'"),
        (Become(method="doas"), "me", "doas -n sh -c 'echo READY'"),
        (Become(method="doas", user="app"), "me", "doas -n -u app sh -c 'echo READY'"),
    ],
)
def test_command_lines(become: Become, user: str, line: str) -> None:
    command = command_for(EXCHANGE, become, user)
    assert command.line == line
    assert shlex.split(line.removeprefix("exec ")) == list(command.argv)
    assert "s3cret" not in repr(command)


@pytest.mark.parametrize("boot", ["echo 'x'", "echo !", "echo\necho"])
def test_a_boot_text_that_not_every_shell_takes_is_a_bug(boot: str) -> None:
    with pytest.raises(ValueError, match="every shell"):
        command_for(Exchange(boot, b"", b"", "n", 1), Become(), "me")


@pytest.mark.parametrize(
    ("stderr", "status", "text"),
    [
        (b"sudo: a password is required", 1, "wants a password for sudo, or does not allow"),
        (b"sudo: interactive authentication is required", 1, "wants a password for sudo"),
        (b"sudo: no tty present and no askpass program specified", 1, "wants a password"),
        (b"I'm sorry me. I'm afraid I can't do that", 1, "does not allow this user"),
        (b"sudo: unknown user: app", 1, "does not allow this user"),
        (b"sh: sudo: not found", 127, "has no sudo"),
        (b"", 1, "wants a password"),
        (b"", 255, "did not run a POSIX shell"),
    ],
)
def test_explanations_without_a_password(stderr: bytes, status: int, text: str) -> None:
    become = Become()
    error = explain(Answer(status, b"", stderr), become, command_for(EXCHANGE, become, "me"))
    assert text in str(error)
    assert not isinstance(error, WrongPassword)
    assert not error.retryable


@pytest.mark.parametrize(
    "stderr",
    [b"Sorry, try again.\nsudo: no password was provided", b"sudo: Authentication failed", b""],
)
def test_a_password_that_got_nowhere_stops_the_run(stderr: bytes) -> None:
    become = Become(password=PASSWORD)
    error = explain(Answer(1, b"", stderr), become, command_for(EXCHANGE, become, "me"))
    assert isinstance(error, WrongPassword)
    assert error.kind is ErrorKind.SUDO
    assert error.stops_run


def test_what_a_host_sent_is_shown_tame_and_short() -> None:
    assert shown(b"\x1b[31mred\x07\n" + "ü".encode() + b"\xff") == "\\x1b[31mred\\x07\\nü\ufffd"
    assert len(shown(b"a" * 10_000)) == 200
