"""A real OpenSSH sshd on loopback, run as an ordinary user, for any test that needs one.

    with sshd_running() as sshd:
        connection = connector.connect(sshd.host_entry())

Run by root, the server gets a mount namespace of its own, in which a user `tester` exists, and it
runs as that user: nothing of this machine is changed. Where root may not make namespaces, the
login is root's own. Run by anybody else, the login is theirs.
"""

from __future__ import annotations

import functools
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from certkit.inventory.model import Become, Host, Timeouts
from tests.tiers import need

_SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/sbin"])
_TESTER = 64999
_AS_TESTER = """
mount --make-rprivate / && mount --bind "$1" /etc/passwd && shift &&
exec setpriv --reuid=64999 --regid=64999 --clear-groups -- "$@"
"""


@dataclass
class Sshd:
    """A running server.

    Attributes:
        host: The address it listens on.
        port: Its port.
        user: Who may log in, with `key`.
        directory: Holds everything below; the user can write there.
        key: The private key; its public half is beside it as ``.pub``.
        host_key: The server's private key; its public half is beside it.
        known_hosts: A file that knows the server under its address and port.
        authority: The private key that signed the host's certificate, where one was asked for.
        home: The user's home.
    """

    host: str
    port: int
    user: str
    directory: Path
    process: subprocess.Popen[bytes]
    authority: Path | None = None
    name: str = field(default="")

    @property
    def key(self) -> Path:
        return self.directory / "id_ed25519"

    @property
    def host_key(self) -> Path:
        return self.directory / "host_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    @property
    def home(self) -> Path:
        return self.directory / "home"

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def host_entry(self, **changes: Any) -> Host:
        """An inventory entry that logs in there, without privilege unless `changes` say so."""
        values: dict[str, Any] = {
            "name": self.name or f"host-{self.port}",
            "address": self.host,
            "port": self.port,
            "user": self.user,
            "identity_files": (self.key,),
            "use_agent": False,
            "known_hosts_files": (self.known_hosts,),
            "global_known_hosts_files": (),
            "become": Become(method="none"),
            "timeouts": Timeouts(connect=10, handshake=20, host=60),
        }
        return Host(**{**values, **changes})

    def connections(self) -> list[int]:
        """The process of the server's for each connection; it leads a group of its own."""
        return _processes(lambda process: _parent(process) == self.process.pid)

    def started(self) -> list[int]:
        """Processes that a login started and that still run, whoever their parent is by now."""
        return _processes(lambda process: (process / "cwd").readlink() == self.home)

    def wait_until_idle(self, seconds: float = 30) -> None:
        """Wait until nothing of a login is left."""
        deadline = time.monotonic() + seconds
        # Connections first: one whose client is gone may still start what it had been told to.
        while pids := self.connections() or self.started():
            assert time.monotonic() < deadline, pids
            time.sleep(0.02)

    def wait_for_log(self, text: str, seconds: float = 30) -> bool:
        deadline = time.monotonic() + seconds
        while text not in self.log:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def _processes(such: Callable[[Path], bool]) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        # It may have ended.
        with suppress(OSError):
            if such(process):
                found.append(int(process.name))
    return found


def _parent(process: Path) -> int:
    # The name that stands before it may hold anything.
    return int((process / "stat").read_bytes().rpartition(b")")[2].split()[1])


@contextmanager
def held_port(address: str = "127.0.0.1") -> Iterator[int]:
    """A port that nobody else is given until the block is left; it refuses connections.

    Whoever is told of it can listen there by SO_REUSEADDR, which every server sets.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, 0))
        yield int(sock.getsockname()[1])


def keygen(path: Path, *arguments: str) -> Path:
    """Make a key pair; ed25519 without a passphrase unless `arguments` say otherwise."""
    defaults = [] if "-t" in arguments else ["-t", "ed25519"]
    phrase = [] if "-N" in arguments else ["-N", ""]
    command = ["ssh-keygen", "-q", *defaults, *phrase, *arguments, "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return path


def public(path: Path) -> str:
    """The public half of a key as ``<type> <base64>``."""
    return " ".join(Path(f"{path}.pub").read_text().split()[:2])


@functools.cache
def _can_be_tester() -> bool:
    probe = ["unshare", "-m", "mount", "--bind", "/etc/passwd", "/etc/passwd"]
    return (
        os.geteuid() == 0
        and all(shutil.which(tool) for tool in ("unshare", "setpriv"))
        and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    )


@contextmanager
def sshd_running(
    address: str = "127.0.0.1",
    *,
    config: Mapping[str, str] | None = None,
    shell: str = "/bin/sh",
    certificate_for: str | None = None,
    key_options: str = "",
    more_host_keys: tuple[str, ...] = (),
) -> Iterator[Sshd]:
    """Run a server until the block is left.

    Args:
        address: Where to listen; any address of 127.0.0.0/8 will do, and ``::1``.
        config: Further lines of sshd_config; they win over the defaults.
        shell: The user's login shell, where the user can be `tester`.
        certificate_for: Sign the host key by an authority of its own, for these principals.
        key_options: Put before the user's key in authorized_keys.
        more_host_keys: Types of host keys beside ed25519, each in `directory`/host_TYPE.
    """
    binary = shutil.which("sshd", path=_SEARCH)
    if binary is None or shutil.which("ssh-keygen") is None:
        need("ssh", "OpenSSH's sshd and ssh-keygen are not installed")
    assert binary is not None
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="certkit-sshd-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        tester = _can_be_tester()
        user = "tester" if tester else subprocess.check_output(["id", "-un"], text=True).strip()
        sshd = Sshd(
            address,
            stack.enter_context(held_port(address)),
            user,
            directory,
            None,  # type: ignore[arg-type]
        )
        for kind in more_host_keys:
            size = ["-b", "2048"] if kind == "rsa" else []
            keygen(directory / f"host_{kind}", "-t", kind, *size)
        keys = [f"{directory}/host_{kind}" for kind in more_host_keys]
        _write_files(sshd, dict(config or {}), certificate_for, key_options, keys)
        command = [binary, "-D", "-e", "-f", str(directory / "sshd_config")]
        if tester:
            passwd = directory / "passwd"
            home = sshd.home
            line = f"tester:x:{_TESTER}:{_TESTER}::{home}:{shell}\n"
            passwd.write_text(Path("/etc/passwd").read_text().rstrip("\n") + "\n" + line)
            for path in (directory, *directory.rglob("*")):
                os.chown(path, _TESTER, _TESTER)
            directory.chmod(0o755)
            command = ["unshare", "-m", "sh", "-c", _AS_TESTER, "sshd", str(passwd), *command]
        with (directory / "log").open("wb") as log:
            sshd.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        stack.callback(_stop, sshd.process)
        _wait_until_listening(sshd)
        yield sshd


def _write_files(
    sshd: Sshd,
    config: dict[str, str],
    certificate_for: str | None,
    key_options: str,
    more_host_keys: list[str],
) -> None:
    directory = sshd.directory
    sshd.home.mkdir()
    keygen(sshd.key)
    keygen(sshd.host_key)
    authorized = f"{key_options} {public(sshd.key)}\n".lstrip()
    (directory / "authorized_keys").write_text(authorized)
    lines = {
        "ListenAddress": f"[{sshd.host}]:{sshd.port}",
        "HostKey": str(sshd.host_key),
        "AuthorizedKeysFile": str(directory / "authorized_keys"),
        "PidFile": "none",
        "UsePAM": "no",
        "StrictModes": "no",
        "PermitRootLogin": "prohibit-password",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "LogLevel": "VERBOSE",
        "MaxStartups": "100",
        "PrintMotd": "no",
    }
    if certificate_for is not None:
        sshd.authority = keygen(directory / "authority")
        sign = ["ssh-keygen", "-q", "-s", str(sshd.authority), "-I", "host", "-h"]
        sign += ["-n", certificate_for, "-V", "-1h:+1d", f"{sshd.host_key}.pub"]
        subprocess.run(sign, check=True, capture_output=True)
        lines["HostCertificate"] = f"{sshd.host_key}-cert.pub"
    lines.update(config)
    text = "".join(f"{key} {value}\n" for key, value in lines.items())
    text += "".join(f"HostKey {path}\n" for path in more_host_keys)
    (directory / "sshd_config").write_text(text)
    sshd.known_hosts.write_text(f"[{sshd.host}]:{sshd.port} {public(sshd.host_key)}\n")


def _wait_until_listening(sshd: Sshd) -> None:
    deadline = time.monotonic() + 30
    while "Server listening" not in sshd.log:
        if sshd.process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"sshd did not start: {sshd.log}")
        time.sleep(0.01)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
