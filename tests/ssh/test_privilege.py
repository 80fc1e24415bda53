"""sudo and doas by protocol, over SSH and on this machine, with stand-ins that keep their rules."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from certkit.errors import ErrorKind, HostError
from certkit.inventory.model import Become, Host
from certkit.secret import Secret
from certkit.transport.connection import Connector
from certkit.transport.faults import WrongPassword
from tests.ssh import stub
from tests.ssh.sshd import Sshd
from tests.ssh.sudo import asking, write_sudo
from tests.tiers import need

pytestmark = pytest.mark.timeout(60)

ASKS = asking("open sesame")
PASSWORD = Secret("open sesame")


class Stage:
    """A host, over SSH or local, whose sudo is a stand-in."""

    def __init__(self, connector: Connector, host: Host, directory: Path) -> None:
        self.connector = connector
        self.host = host
        self.directory = directory

    def run(self, behaviour: str, exchange: Any = None, **become: Any) -> Any:
        """Run one exchange; `behaviour` is what sudo does before it runs the command."""
        program = self.directory / f"sudo-{time.monotonic_ns()}"
        record = self.directory / "record"
        record.touch()
        record.chmod(0o666)
        write_sudo(program, behaviour, str(record))
        settings = Become(**{"executable": str(program), "user": "somebody-else", **become})
        values = {f: getattr(self.host, f) for f in self.host.__dataclass_fields__}
        connection = self.connector.connect(Host(**{**values, "become": settings}))
        try:
            return connection.run(exchange or stub.exchange())
        finally:
            connection.close()

    @property
    def record(self) -> str:
        return (self.directory / "record").read_text()


@pytest.fixture(params=["ssh", "local"])
def stage(
    request: pytest.FixtureRequest, sshd: Sshd, connector: Connector, tmp_path: Path
) -> Iterator[Stage]:
    if request.param == "ssh":
        directory = sshd.directory / tmp_path.name
        directory.mkdir()
        directory.chmod(0o755)
        yield Stage(connector, sshd.host_entry(), directory)
    else:
        local = Host(name="here", address="localhost", user="root", connection="local")
        yield Stage(connector, local, tmp_path)


WHOLE = stub.READY + b"\nhello\n"


def test_no_privilege_needed(stage: Stage) -> None:
    answer = stage.run("exit 99", method="none")
    assert (answer.status, answer.stdout) == (0, WHOLE)


def test_nopasswd(stage: Stage) -> None:
    assert stage.run("").stdout == WHOLE


def test_password_is_given(stage: Stage) -> None:
    answer = stage.run(ASKS, password=PASSWORD)
    assert (answer.status, answer.stdout) == (0, WHOLE)
    assert stage.record == "open sesame\n"


def test_password_that_nobody_asks_for_is_no_command(stage: Stage) -> None:
    answer = stage.run("", password=Secret("touch /tmp/never"))
    assert (answer.status, answer.stdout) == (0, WHOLE)


def test_password_missing(stage: Stage) -> None:
    with pytest.raises(HostError, match="wants a password for sudo") as caught:
        stage.run(ASKS)
    assert caught.value.kind is ErrorKind.SUDO
    assert not isinstance(caught.value, WrongPassword)
    for way in ("--ask-become-pass", "--become-password-file", "CERTKIT_BECOME_PASSWORD"):
        assert way in caught.value.hint
    assert stage.record == ""


def test_wrong_password_is_tried_once(stage: Stage) -> None:
    started = time.monotonic()
    with pytest.raises(WrongPassword) as caught:
        stage.run(ASKS, password=Secret("guess"))
    assert caught.value.stops_run
    assert caught.value.kind is ErrorKind.SUDO
    assert stage.record == "guess\n"
    assert "guess" not in str(caught.value)
    # Where silence says less, 20 s of it are waited for.
    assert time.monotonic() - started < 16


def test_slow_check_after_the_lecture(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("certkit.transport.conversation._PATIENCE_AFTER_WORDS", 0.5)
    # The check takes until nothing more is hoped for: its input is closed.
    slowly = "[ $(wc -l <$record) = 2 ] || cat >/dev/null"
    lecture = f"echo We trust you have received the usual lecture >&2\n{ASKS}\n{slowly}"
    answer = stage.run(lecture, password=PASSWORD)
    assert (answer.status, answer.stdout) == (0, WHOLE)
    assert stage.record == "open sesame\n" * 2


@pytest.mark.parametrize(
    ("says", "status", "text"),
    [
        ("tester is not in the sudoers file.", 1, "does not allow this user"),
        ("sorry, you must have a tty to run sudo", 1, "only on a terminal"),
        ("Sorry, user tester is not allowed to execute sh", 1, "does not allow this user"),
        ("sudo: command not found", 127, "has no "),
    ],
)
@pytest.mark.parametrize("password", [None, PASSWORD])
def test_reasons(stage: Stage, says: str, status: int, text: str, password: Secret | None) -> None:
    with pytest.raises(HostError, match=text) as caught:
        stage.run(f'echo "{says}" >&2; exit {status}', password=password)
    assert caught.value.kind is ErrorKind.SUDO
    assert not isinstance(caught.value, WrongPassword)


def test_unknown_words_of_a_refusal_count_as_a_wrong_password(stage: Stage) -> None:
    with pytest.raises(WrongPassword):
        stage.run('echo "sudo: Anmeldung gescheitert" >&2; exit 1', password=PASSWORD)


def test_doas(stage: Stage) -> None:
    assert stage.run("", method="doas").stdout == WHOLE
    with pytest.raises(HostError, match="does not let doas") as caught:
        stage.run('echo "doas: Authentication required" >&2; exit 1', method="doas")
    assert "permit nopass" in caught.value.hint


@pytest.mark.parametrize("word", ["-u", "a b", "$(id)", "x;y", "", "x'y"])
def test_words_that_are_not_words(stage: Stage, word: str) -> None:
    with pytest.raises(HostError, match="not a plain name"):
        stage.run("", executable=word or " ")
    with pytest.raises(HostError, match="not a plain name"):
        stage.run("", user=word or " ")


def test_nothing_after_the_program_is_gone_without_privilege(stage: Stage) -> None:
    with pytest.raises(HostError, match="did not run a POSIX shell"):
        stage.run("echo strange; exit 3")


def test_a_login_that_is_closed_is_no_refusal_of_sudo(stage: Stage) -> None:
    with pytest.raises(HostError, match="currently not available") as caught:
        stage.run("echo 'This account is currently not available.'; exit 1")
    assert caught.value.kind is ErrorKind.SHELL


def test_already_the_user(sshd: Sshd, connector: Connector) -> None:
    become = Become(user=sshd.user, executable="/no/such/sudo")
    connection = connector.connect(sshd.host_entry(become=become))
    assert connection.run(stub.exchange()).status == 0
    connection.close()


@pytest.mark.parametrize("shell", ["bash", "dash", "csh", "tcsh", "fish", "zsh", "busybox"])
def test_login_shells(shell: str, start_sshd: Callable[..., Sshd], connector: Connector) -> None:
    path = shutil.which(shell)
    need("ssh", None if path else f"{shell} is not installed")
    sshd = start_sshd(shell=path)
    need("ssh", None if sshd.user == "tester" else "nobody can be given a login shell here")
    if shell == "busybox":
        link = sshd.directory / "sh"
        link.symlink_to(str(path))
        passwd = sshd.directory / "passwd"
        passwd.write_text(passwd.read_text().replace(f":{path}\n", f":{link}\n"))
    connection = connector.connect(sshd.host_entry())
    assert connection.run(stub.exchange()).stdout == WHOLE
    connection.close()


def test_local_large_input_and_limit(connector: Connector) -> None:
    become = Become(method="none")
    host = Host(name="here", address="localhost", user="x", connection="local", become=become)
    connection = connector.connect(host)
    data = b"0123456789\n" * 200_000
    answer = connection.run(stub.exchange(stdin=data))
    assert answer.stdout == stub.READY + b"\n" + data
    with pytest.raises(HostError, match=r"within 0\.5 s") as caught:
        connection.run(stub.exchange("sleep 30", limit=0.5))
    assert caught.value.kind is ErrorKind.TIMEOUT
    connection.close()
