"""A registry, a host with a stand-in for Docker, and somebody who types certkit; no root needed."""

from __future__ import annotations

import json
import os
import pty
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import certkit
from certkit.demo.host import EmbeddedHost, make_key
from certkit.demo.registry import Registry
from tests.unit.cli.running import Command, Ran

NAME = "registry.demo"
# This machine knows the registry by its name too, as the host does.
PROGRAM = f"""\
import socket, sys
ask = socket.getaddrinfo
socket.getaddrinfo = lambda name, *rest, **more: ask(
    "127.0.0.1" if name == {NAME!r} else name, *rest, **more
)
sys.argv[0] = "certkit"
from certkit.cli.main import main
main()
"""


@dataclass
class Person:
    """Somebody with a home, one host and a registry."""

    directory: Path
    host: EmbeddedHost
    registry: Registry
    command: Command

    @property
    def reference(self) -> str:
        return f"{NAME}:{self.registry.port}"

    @property
    def files(self) -> Path:
        [found] = (self.directory / "home/registries").iterdir()
        return found

    @property
    def trust(self) -> Path:
        return self.host.certs_dir / self.reference / "ca.crt"

    def serve(self, pair: str = "server") -> None:
        """Let the registry serve a pair of the home."""
        self.registry.serve(self.files / f"{pair}.crt", self.files / f"{pair}.key")

    def types(self, *words: str, expect: int = 0) -> Ran:
        """Run certkit with no terminal."""
        ran = self.command(*words)
        assert ran.code == expect, (words, ran)
        return ran

    def converses(
        self, words: Sequence[str], answers: Sequence[tuple[str, str | Callable[[], str]]]
    ) -> Ran:
        """Run certkit on a terminal, and type each answer once its question stands there."""
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            cwd="/",
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(Path(certkit.__file__).parent.parent),
                "HOME": str(self.directory),
                "CERTKIT_STATE": str(self.directory / "state"),
                "TERM": "xterm",
            },
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        ) as process:
            os.close(theirs)
            seen, read, waiting = "", 0, list(answers)
            try:
                while chunk := os.read(ours, 4096):
                    seen += chunk.decode(errors="replace")
                    while waiting and waiting[0][0] in seen[read:]:
                        question, answer = waiting.pop(0)
                        read = seen.index(question, read) + len(question)
                        typed = answer if isinstance(answer, str) else answer()
                        os.write(ours, f"{typed}\n".encode())
            except OSError:
                pass  # How Linux says that the terminal's other side is closed.
            except BaseException:
                process.kill()
                raise
            process.wait(timeout=60)
        os.close(ours)
        assert not waiting, seen
        return Ran(process.returncode, seen, "")


@pytest.fixture
def person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Person]:
    """Nobody has made anything yet."""
    for name, value in (("HOME", ""), ("CERTKIT_HOME", "home"), ("CERTKIT_STATE", "state")):
        monkeypatch.setenv(name, str(tmp_path / value))
    for name in ("CERTKIT_CA_PASSPHRASE", "CERTKIT_INVENTORY", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    ask = socket.getaddrinfo

    def resolve(name: Any, *rest: Any, **more: Any) -> Any:
        return ask("127.0.0.1" if name == NAME else name, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    identity = tmp_path / "id_ed25519"
    login = make_key(identity)
    with (
        Registry() as registry,
        EmbeddedHost("build-01", tmp_path / "host", login, {NAME: "127.0.0.1"}) as host,
    ):
        someone = Person(tmp_path, host, registry, Command(monkeypatch, capsys))
        entry = {**host.inventory_entry(identity), "restart": "never"}
        document = {"version": 1, "registry": someone.reference, "hosts": {host.name: entry}}
        (tmp_path / "hosts.yaml").write_text(json.dumps(document))
        yield someone
