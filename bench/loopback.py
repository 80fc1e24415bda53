"""Many real sshd on loopback, each with a private /etc/docker: the fleet that benchmarks run on.

Needs root and `unshare`, because every host gets a mount namespace of its own. Hosts are
127.1.x.y on one high port, so each has its own line in known_hosts and nothing leaves the box.
A second port stands in known_hosts as well: there a relay (wire.py) can stand before each host.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

PORT = 22022
RELAY_PORT = 22023
# What a peer may write to is the host's own, and empty at first.
HOME = "/var/lib"
MOUNT_POINTS = ("/etc/docker", HOME, "/run/sshd")

# A login shell that sources a heavy rc file would dominate what is measured, so root logs in to
# dash with an empty home inside each host's own namespace.
HOST_SETUP = """
mount -t tmpfs tmpfs /etc/docker && mount -t tmpfs -o mode=755 tmpfs /var/lib &&
mount --bind "$1/passwd" /etc/passwd &&
mount --bind "$1/bin" /usr/local/sbin &&
directory=$1 sshd=$2 && shift 2 &&
exec "$sshd" -D -e -f "$directory/sshd_config" -o PidFile=none "$@"
"""

# Answers at once, as a daemon would; its own work is on no bill here.
STAND_IN = """#!/bin/sh
case "$*" in *ServerVersion*) echo '26.1.5|0|0|false|{now}|{{"IndexConfigs":{{}}}}' ;; esac
"""


class LoopbackFleet:
    """Starts `count` sshd, and stops them by pid when left.

    Attributes:
        addresses: One for each host; with `names` above 1, that many for each, so that the same
            host comes round again only after all others.
    """

    def __init__(self, count: int, names: int = 1) -> None:
        self.count = count
        self.addresses = [
            f"127.{name}.{index // 250}.{index % 250 + 1}"
            for name in range(1, names + 1)
            for index in range(count)
        ]
        self.directory = Path(tempfile.mkdtemp(prefix="certkit-bench-"))
        self.key = self.directory / "id_ed25519"
        self.known_hosts = self.directory / "known_hosts"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._made: list[Path] = []

    def __enter__(self) -> LoopbackFleet:
        self._write_keys_and_config()
        for mount_point in map(Path, MOUNT_POINTS):
            if not mount_point.exists():
                mount_point.mkdir(parents=True)
                self._made.append(mount_point)
        try:
            self._start()
            self._wait_until_listening()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _start(self) -> None:
        for index in range(self.count):
            listen = [
                f"-oListenAddress={one}:{PORT}" for one in self.addresses[index :: self.count]
            ]
            command = ["unshare", "-m", "sh", "-c", HOST_SETUP, "host", str(self.directory)]
            self._processes.append(
                subprocess.Popen(
                    [*command, _sshd() or "sshd", *listen],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )

    def _stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for mount_point in self._made:
            mount_point.rmdir()
        shutil.rmtree(self.directory, ignore_errors=True)

    def wipe(self) -> None:
        """Make every host one that nobody has worked on yet."""
        for process in self._processes:
            for directory in _seen_by(process, "/etc/docker"), _seen_by(process, HOME):
                for path in directory.iterdir():
                    if path.is_dir() and not path.is_symlink():
                        shutil.rmtree(path)
                    else:
                        path.unlink()

    def contents(self, path: str) -> set[bytes | None]:
        """What the hosts have in this file, each different content once; None where it is not."""
        files = [_seen_by(process, path) for process in self._processes]
        return {file.read_bytes() if file.exists() else None for file in files}

    def cpu(self) -> float:
        """CPU seconds that all sessions of the hosts have taken until now, once they have ended."""
        deadline = time.monotonic() + 30
        while any(map(_children, self._processes)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return sum(map(_spent_by_children, self._processes))

    def _write_keys_and_config(self) -> None:
        host_key = self.directory / "host_key"
        for path in (self.key, host_key):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", str(path)],
                check=True,
            )
        authorized = self.directory / "authorized_keys"
        authorized.write_text(self.key.with_suffix(".pub").read_text())
        public = host_key.with_suffix(".pub").read_text().split()
        self.known_hosts.write_text(
            "".join(
                f"[{one}]:{PORT},[{one}]:{RELAY_PORT} {public[0]} {public[1]}\n"
                for one in self.addresses
            )
        )
        passwd = Path("/etc/passwd").read_text().splitlines()
        (self.directory / "passwd").write_text(
            "\n".join([f"root:x:0:0::{HOME}:/bin/dash", *passwd[1:]]) + "\n"
        )
        stand_ins = self.directory / "bin"
        stand_ins.mkdir()
        now = datetime.now(timezone.utc).isoformat()
        for name in ("docker", "dockerd"):
            (stand_ins / name).write_text(STAND_IN.format(now=now))
            (stand_ins / name).chmod(0o755)
        (self.directory / "sshd_config").write_text(
            f"HostKey {host_key}\nAuthorizedKeysFile {authorized}\nStrictModes no\nUsePAM no\n"
            "PermitRootLogin prohibit-password\nMaxStartups 1000:30:2000\n"
            "PerSourceMaxStartups none\nPrintMotd no\nPrintLastLog no\n"
            "Subsystem sftp internal-sftp\n"
        )

    def _wait_until_listening(self) -> None:
        deadline = time.monotonic() + 30 + self.count / 20
        for address in self.addresses[: self.count]:
            while True:
                try:
                    socket.create_connection((address, PORT), timeout=1).close()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
        if any(process.poll() is not None for process in self._processes):
            raise SystemExit("A host did not start; does another benchmark run here?")


def _seen_by(process: subprocess.Popen[bytes], path: str) -> Path:
    """The path in a host's own mount namespace."""
    return Path(f"/proc/{process.pid}/root{path}")


def _children(process: subprocess.Popen[bytes]) -> str:
    return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()


def _spent_by_children(process: subprocess.Popen[bytes]) -> float:
    # The name in parentheses may hold blanks; behind it the 14th and 15th are cutime and cstime.
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _sshd() -> str | None:
    return shutil.which("sshd", path="/usr/sbin:/usr/bin:/sbin")


def require_means() -> None:
    """Exit with a sentence when this machine cannot hold the fleet."""
    if os.geteuid() != 0:
        raise SystemExit("The benchmark gives every host its own namespace: run it as root.")
    missing = [tool for tool in ("unshare", "dash", "ssh", "ssh-keygen") if not shutil.which(tool)]
    if not _sshd():
        missing.append("sshd")
    if missing:
        raise SystemExit(
            f"The benchmark needs {', '.join(missing)}: install util-linux, dash, "
            "openssh-client and openssh-server."
        )
