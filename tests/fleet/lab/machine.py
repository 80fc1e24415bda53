"""One machine of the lab, and everything a test does to it."""

from __future__ import annotations

import shlex
import socket
import subprocess
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fleet.lab import network, process, recipe
from tests.fleet.lab.seed import UpperTree
from tests.fleet.lab.shell import Argument, CommandError, run

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BOOT_TIMEOUT = 60.0
_POLL = 0.05

# Engines keep their layers here, and an overlay cannot be the upper layer of another one.
_ENGINE_STORES = ("/var/lib/docker", "/var/lib/containerd", "/var/lib/containers")

_DOCKER_FILES = (
    "/etc/docker",
    "/etc/init.d/docker",
    "/usr/bin/docker",
    "/usr/sbin/dockerd",
    "/usr/lib/systemd/system/docker.service",
    "/usr/lib/systemd/system/docker.socket",
)
_PODMAN_FILES = ("/etc/containers", "/usr/bin/podman", "/usr/share/containers")


@dataclass(frozen=True)
class Spec:
    """A machine to boot. An engine that is not asked for is absent, not only stopped."""

    name: str
    release: str = "bookworm"
    docker: bool = True
    podman: bool = False


@dataclass
class Login:
    """How people get into the machines of one lab."""

    public_key: str
    password_hash: str


@dataclass
class Machine:
    """A booted machine. Commands run in it as root, without going through ssh."""

    spec: Spec
    address: str
    directory: Path
    _base: Path
    _group: str
    _identifier: str
    _bridge: str
    _nspawn: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _first: int | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Its host name; the other machines know it as `NAME` and as `NAME.lab`."""
        return self.spec.name

    # -- power ---------------------------------------------------------------------------------

    def seed(self, login: Login, hosts: str) -> None:
        """Lay out the machine's own files, before its first boot."""
        for part in ("work", "root"):
            (self.directory / part).mkdir(parents=True)
        upper = UpperTree(self._base, self.directory / "upper")
        upper.write("/etc/hostname", f"{self.name}\n")
        upper.write("/etc/hosts", hosts)
        # An id from the start: without one systemd goes through a first boot.
        upper.write("/etc/machine-id", f"{uuid.uuid4().hex}\n", 0o444)
        upper.write(
            "/etc/systemd/network/10-lab.network",
            f"[Match]\nName=host0\n\n[Network]\nAddress={self.address}/24\n"
            "LinkLocalAddressing=no\nIPv6AcceptRA=no\n",
        )
        for home in ("/root", f"/home/{recipe.LOGIN_USER}", f"/home/{recipe.PASSWORD_USER}"):
            upper.write(f"{home}/.ssh/authorized_keys", login.public_key, 0o600)
        upper.replace_line(
            "/etc/shadow",
            f"{recipe.PASSWORD_USER}:",
            f"{recipe.PASSWORD_USER}:{login.password_hash}:19000:0:99999:7:::",
        )
        key = self.directory / "host_key"
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", key])
        upper.write("/etc/ssh/ssh_host_ed25519_key", key.read_bytes(), 0o600)
        upper.write("/etc/ssh/ssh_host_ed25519_key.pub", self._public_key_file().read_bytes())
        self._leave_out_engines(upper)

    def start(self) -> None:
        """Switch it on; `wait_until_up` says when it is there. From the main thread only."""
        for store in _ENGINE_STORES:
            self._store_on_this_box(store).mkdir(exist_ok=True)
        options: list[Argument] = [
            *("--quiet", "--boot", "--directory", self.directory / "root"),
            *(f"--machine={self._identifier}", f"--hostname={self.name}"),
            f"--network-bridge={self._bridge}",
            # The clock is the box's own: no machine may set it.
            *("--capability=all", "--drop-capability=CAP_SYS_TIME"),
            "--system-call-filter=add_key keyctl bpf",
            *("--private-users=no", "--register=no", "--keep-unit", "--pipe"),
            *("--resolv-conf=off", "--timezone=off", "--link-journal=no"),
            *(f"--bind={self._store_on_this_box(store)}:{store}" for store in _ENGINE_STORES),
        ]
        self._first = None
        self._nspawn = process.start_machine(
            root=self.directory / "root",
            base=self._base,
            upper=self.directory / "upper",
            work=self.directory / "work",
            group=self._group,
            options=options,
            log=self.directory / "console.log",
        )

    def wait_until_up(self, timeout: float = _BOOT_TIMEOUT) -> None:
        """Wait until sshd answers, and Docker too where the machine has it."""
        deadline = time.monotonic() + timeout
        while not self._sshd_answers():
            if self._nspawn is None or self._nspawn.poll() is not None:
                raise AssertionError(f"{self.name} did not start:\n{self.console()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} has no sshd yet:\n{self.console()}")
            time.sleep(_POLL)
        if self.spec.docker:
            self.docker_loaded()

    def poweroff(self) -> None:
        """Cut its power: the host is gone, nothing is said to anyone. Its files stay."""
        if self._nspawn is not None:
            process.kill_machine(self._nspawn)
            network.forget(self._bridge, self.address)
        self._nspawn = self._first = None

    def poweron(self) -> None:
        """Switch it on again after `poweroff`, and wait until it is up."""
        if self._nspawn is None:
            self.start()
        self.wait_until_up()

    @property
    def is_on(self) -> bool:
        """Whether the machine's process lives."""
        return self._nspawn is not None and self._nspawn.poll() is None

    # -- commands and files --------------------------------------------------------------------

    def run(
        self,
        command: str | Sequence[Argument],
        *,
        input: str | bytes | None = None,
        check: bool = True,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root inside; a string goes to `sh -c`.

        Raises:
            CommandError: when it ends with another exit code than 0, unless `check` is false.
        """
        argv = ["sh", "-c", command] if isinstance(command, str) else list(command)
        return run(
            [
                *("nsenter", "--target", str(self._first_process()), "--all"),
                # Entering does not drop what the machine itself was never given.
                *("setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time"),
                *("env", "-i", f"PATH={_PATH}", "HOME=/root", "LANG=C.UTF-8", "USER=root"),
                *("--chdir=/root", *argv),
            ],
            where=self.name,
            shown=command,
            stdin=input,
            check=check,
            timeout=timeout,
        )

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Write a file, replacing it whole, and the directories above it."""
        quoted, temporary = shlex.quote(path), shlex.quote(f"{path}.lab-new")
        self.run(
            f'mkdir -p "$(dirname {quoted})" && cat > {temporary} && '
            f"chmod {mode:o} {temporary} && mv {temporary} {quoted}",
            input=content,
        )

    def read(self, path: str) -> bytes:
        """The content of a file."""
        # Through od, because what commands answer is text.
        dumped = self.run(f"cat {shlex.quote(path)} | od -An -v -tx1").stdout
        return bytes.fromhex(dumped)

    def exists(self, path: str) -> bool:
        """Whether there is something at a path; a dangling link counts."""
        quoted = shlex.quote(path)
        return self.run(f"[ -e {quoted} ] || [ -L {quoted} ]", check=False).returncode == 0

    def set_hosts(self, content: str) -> None:
        """Replace its /etc/hosts, also while it is off."""
        if self.is_on:
            self.write("/etc/hosts", content)
        else:
            (self.directory / "upper/etc/hosts").write_text(content)

    @property
    def root(self) -> Path:
        """Its file system while it is on, for what has to be quicker than a command."""
        return Path(f"/proc/{self._first_process()}/root")

    # -- services ------------------------------------------------------------------------------

    def forgive_restarts(self) -> None:
        """Let Docker be restarted as if it had not been lately.

        systemd refuses a fourth start within a minute, and tests restart more often than people.
        """
        if self.spec.docker:
            self.run(["systemctl", "reset-failed", "docker.service", "docker.socket"], check=False)

    def docker_loaded(self, timeout: float = _BOOT_TIMEOUT) -> None:
        """Wait until the Docker daemon answers."""
        deadline = time.monotonic() + timeout
        while True:
            asked = self.run(["docker", "version", "-f", "{{.Server.Version}}"], check=False)
            if asked.returncode == 0:
                return
            if time.monotonic() > deadline:
                raise CommandError(self.name, asked)
            time.sleep(_POLL)

    def load_image(self, archive: Path, engine: str = "docker") -> None:
        """Load an image's archive into Docker or podman."""
        self.run([engine, "load", "--quiet"], input=archive.read_bytes(), timeout=120)

    def journal(self, unit: str) -> str:
        """What a unit has logged since the machine was made."""
        return self.run(["journalctl", "--no-pager", "--output=short-iso", "--unit", unit]).stdout

    def console(self) -> str:
        """What systemd-nspawn and the boot said."""
        log = self.directory / "console.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def host_public_key(self) -> str:
        """The public host key of its sshd: `ssh-ed25519 AAAA…`."""
        return " ".join(self._public_key_file().read_text().split()[:2])

    def rekey(self) -> str:
        """Give its sshd a new host key, as a reinstalled host has; answers the new public key."""
        path = "/etc/ssh/ssh_host_ed25519_key"
        self.run(f"rm -f {path} && ssh-keygen -q -t ed25519 -N '' -f {path}")
        self.run(["systemctl", "restart", "ssh"])
        self._public_key_file().write_bytes(self.read(f"{path}.pub"))
        return self.host_public_key()

    # -- internals -----------------------------------------------------------------------------

    def _leave_out_engines(self, upper: UpperTree) -> None:
        if not self.spec.docker:
            for unit in ("docker.service", "docker.socket", "containerd.service"):
                upper.mask(unit)
            for path in _DOCKER_FILES:
                upper.hide(path)
        if not self.spec.podman:
            for unit in ("podman.service", "podman.socket"):
                upper.mask(unit)
            for path in _PODMAN_FILES:
                upper.hide(path)

    def _store_on_this_box(self, store: str) -> Path:
        return self.directory / Path(store).name

    def _public_key_file(self) -> Path:
        return self.directory / "host_key.pub"

    def _first_process(self) -> int:
        if self._nspawn is not None and self._first is None:
            self._first = process.first_process(self._nspawn.pid)
        if self._first is None:
            raise AssertionError(f"{self.name} is off")
        return self._first

    def _sshd_answers(self) -> bool:
        try:
            with socket.create_connection((self.address, 22), timeout=1) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False
