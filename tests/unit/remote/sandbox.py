"""A host to run the real program on: a root directory of its own, in namespaces of its own.

Nothing of the machine that runs the tests can be touched: the program sees a scratch root, with
the machine's tools mounted read-only, and stand-ins for Docker and the service manager.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from certkit.remote.exchange import Exchange

SHELLS = ("dash", "bash", "busybox")

# The namespaces end with their first process, and everything in them with it.
_UNSHARE = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]

_SETUP = r"""
set -e
root=$1
cd "$root"
mount -t proc none proc 2>/dev/null || mount --rbind /proc proc
mount --rbind /dev dev
if [ "$2" = gnu ]; then
  for part in usr bin sbin lib lib64; do
    if [ -L "/$part" ]; then
      ln -sfn "$(readlink "/$part")" "$part"
    elif [ -d "/$part" ]; then
      mkdir -p "$part"
      mount --bind "/$part" "$part"
      mount -o remount,bind,ro "$part" 2>/dev/null || :
    fi
  done
else
  mkdir -p lib lib64 usr/lib
  for part in lib lib64 usr/lib; do
    [ ! -d "/$part" ] || mount --bind "/$part" "$part"
  done
fi
set +e
SHELL_WORDS=$3
PATH_INSIDE=$4
# run N: the exchange in file N, as a login's sh -c would run it.
run() {
  # shellcheck disable=SC2086
  chroot "$root" /usr/bin/env -i PATH="$PATH_INSIDE" HOME="${LOGIN_HOME-/root}" LOGNAME=root \
    $SHELL_WORDS -c "$(cat "$root/io/$1.boot")" \
    <"$root/io/$1.in" >"$root/io/$1.out" 2>"$root/io/$1.err"
  echo $? >"$root/io/$1.status"
}
. "$root/io/steps"
"""

_DOCKER = r"""#!/bin/sh
[ -f /state/running ] || { echo 'Cannot connect to the Docker daemon' >&2; exit 1; }
case "$*" in
  *' pull '*)
    for last; do :; done
    echo "$last" >>/state/pulled
    [ -f /state/pull-text ] && cat /state/pull-text >&2
    exit "$(cat /state/pull-status 2>/dev/null || echo 1)" ;;
  *'{{.Server.Version}}'*) cat /state/version ;;
  *'{{.ServerVersion}}|'*)
    n=0
    [ ! -f /state/containers ] || while read -r _; do n=$((n+1)); done </state/containers
    time=$(cat /state/time 2>/dev/null || date -u +%Y-%m-%dT%H:%M:%S.123456789Z)
    echo "$(cat /state/version)|$n|0|false|$time|{\"IndexConfigs\":{}}" ;;
  *RegistryConfig*) echo '{"IndexConfigs":{}}' ;;
  *RepoDigests*) cat /state/digests ;;
  *'{{.Id}}'*) for last; do :; done; grep -qxF "$last" /state/present ;;
  *' image rm '*) for last; do :; done; echo "$last" >>/state/removed ;;
esac
"""

# Starts unless a trust file says BAD, and where it is flaky the second time only; refuses to start
# again after a failure until reset.
_SYSTEMCTL = r"""#!/bin/sh
echo "$*" >>/state/log
case "$*" in
  'is-active docker.socket') echo inactive ;;
  'is-active '*)
    if [ -f /state/running ]; then echo active
    elif [ -f /state/failed ]; then echo failed
    else echo inactive; fi ;;
  'restart docker')
    [ ! -f /state/failed ] || { echo 'start request repeated too quickly' >&2; exit 1; }
    rm -f /state/running
    if grep -q BAD /etc/docker/certs.d/*/ca.crt 2>/dev/null || [ -f /state/broken ] ||
      rm /state/flaky 2>/dev/null; then
      if [ -f /state/hang ]; then sleep 30; fi
      touch /state/failed
      echo 'Job for docker.service failed.' >&2
      exit 1
    fi
    touch /state/running ;;
  'reset-failed docker') rm -f /state/failed ;;
esac
"""

_JOURNALCTL = r"""#!/bin/sh
i=0
while [ $i -lt 30 ]; do i=$((i+1)); printf 'line %s \033[31mred\n' $i; done
"""


@cache
def why_not() -> str:
    """Tell why sandboxes cannot be made here; empty when they can."""
    if shutil.which("unshare") is None:
        return "unshare (util-linux) is not installed"
    done = subprocess.run([*_unshare(), "true"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"namespaces are not permitted: {done.stderr.strip()}"


def _unshare() -> list[str]:
    return _UNSHARE if os.geteuid() == 0 else [*_UNSHARE, "--map-root-user"]


@dataclass
class Result:
    """How one exchange ended."""

    status: int
    stdout: bytes
    stderr: bytes


@dataclass
class Sandbox:
    """One scratch host.

    Attributes:
        root: Its root directory.
        shell: The shell that runs the program.
        userland: ``gnu``: the machine's own tools; ``busybox``: nothing but busybox.
    """

    root: Path
    shell: str = "dash"
    userland: str = "gnu"
    path: str = "/fake:/usr/sbin:/usr/bin:/sbin:/bin"
    login_home: str = "/root"
    _count: int = field(default=0)

    def __post_init__(self) -> None:
        for name in (
            *("proc", "dev", "io", "state", "fake", "root", "tmp", "run/systemd/system"),
            *("etc/docker", "var/lib", "var/log", "usr/bin", "usr/lib"),
        ):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        (self.root / "etc/passwd").write_text(
            "root:x:0:0:root:/root:/bin/sh\nann:x:1234:1234::/home/ann:/bin/sh\n"
        )
        (self.root / "etc/group").write_text("root:x:0:\nann:x:1234:\n")
        self.fake("docker", _DOCKER)
        self.fake("dockerd", "#!/bin/sh\n")
        self.fake("systemctl", _SYSTEMCTL)
        self.fake("journalctl", _JOURNALCTL)
        # Real disks make this slow, and no test pulls the plug.
        self.fake("sync", "#!/bin/sh\n")
        self.state("running")
        self.state("version", "26.1.5\n")
        if self.userland == "busybox":
            busybox = shutil.which("busybox")
            assert busybox
            (self.root / "bin").mkdir(exist_ok=True)
            shutil.copy(busybox, self.root / "bin/busybox")
            listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
            for applet in listed.stdout.split():
                if applet not in ("busybox", "timeout"):
                    (self.root / "bin" / applet).symlink_to("busybox")
            (self.root / "usr/bin/env").symlink_to("../../bin/busybox")

    def fake(self, name: str, text: str) -> None:
        """Put a stand-in for a command first on PATH."""
        (self.root / "fake" / name).write_text(text)
        (self.root / "fake" / name).chmod(0o755)

    def state(self, name: str, text: str = "") -> None:
        """Set what the stand-ins look at."""
        (self.root / "state" / name).write_text(text)

    def at(self, path: str) -> Path:
        """Return where a path of the host is for the test."""
        return self.root / path.lstrip("/")

    def put(self, path: str, content: str | bytes, mode: int = 0o644) -> Path:
        """Make a file and its directories."""
        where = self.at(path)
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(content if isinstance(content, bytes) else content.encode())
        where.chmod(mode)
        return where

    def tree(self, *tops: str) -> dict[str, bytes]:
        """Return every file and symlink below some directories, with content."""
        found: dict[str, bytes] = {}
        for top in tops or ("etc", "var", "home", "tmp", "run"):
            for where in sorted(self.at(top).rglob("*")):
                name = str(where.relative_to(self.root))
                if where.is_symlink():
                    found[name] = os.fsencode(where.readlink())
                elif where.is_file():
                    found[name] = where.read_bytes()
                else:
                    found[name] = b"/"
        return found

    def run(self, exchange: Exchange, *, stdin: bytes | None = None) -> Result:
        """Run one exchange."""
        number = self.load(exchange, stdin=stdin)
        self.steps(f"run {number}")
        return self.result(number)

    def load(self, exchange: Exchange, *, stdin: bytes | None = None) -> int:
        """Prepare an exchange for `steps`, where ``run N`` runs it; return N."""
        self._count += 1
        base = self.root / "io" / str(self._count)
        base.with_suffix(".boot").write_text(exchange.boot)
        base.with_suffix(".in").write_bytes(exchange.stdin if stdin is None else stdin)
        return self._count

    def steps(self, script: str, *, timeout: float = 60) -> None:
        """Run a script outside the root, but in the namespaces, where it may mount and unmount."""
        (self.root / "io/steps").write_text(script + "\n")
        words = {"busybox": "/bin/busybox sh" if self.userland == "busybox" else "busybox sh"}
        subprocess.run(
            [
                *_unshare(),
                *("sh", "-c", _SETUP, "setup", str(self.root), self.userland),
                *(words.get(self.shell, self.shell), self.path),
            ],
            env={**os.environ, "LOGIN_HOME": self.login_home},
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=timeout,
        )

    def result(self, number: int) -> Result:
        """Return how ``run N`` ended."""
        base = self.root / "io" / str(number)
        said = base.with_suffix(".err").read_bytes()
        # A function of a part that was left out goes unnoticed else: the shell only says so.
        assert b"not found" not in said, said
        return Result(
            int(base.with_suffix(".status").read_text()),
            base.with_suffix(".out").read_bytes(),
            said,
        )


def quoted(path: Path) -> str:
    """Return a path for use in `Sandbox.steps`."""
    return shlex.quote(str(path))
