"""The processes of a machine, as this machine sees them: start, find the first one, kill."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fleet.lab.shell import Argument, text

# Runs as the machine's starter and becomes systemd-nspawn, so its process id stays the same.
# Mounts are made in a mount namespace of its own: they end with the machine, however it ends.
# A control group of its own in every hierarchy keeps the machine's groups out of the box's.
_START = """\
set -eu
group=$1 root=$2 layers=$3
shift 3
for hierarchy in /sys/fs/cgroup/*/ /sys/fs/cgroup/; do
  [ -f "$hierarchy/cgroup.procs" ] || continue
  mkdir -p "$hierarchy/$group" 2>/dev/null || continue
  parent=${group%/*}
  for directory in "$hierarchy/$parent" "$hierarchy/$group"; do
    for file in cpuset.cpus cpuset.mems; do
      [ -f "$directory/$file" ] && cat "$directory/../$file" > "$directory/$file" || :
    done
  done
  echo $$ > "$hierarchy/$group/cgroup.procs" || :
done 2>/dev/null
mount -t overlay overlay -o "$layers" "$root"
exec systemd-nspawn "$@"
"""


def start_machine(
    root: Path,
    base: Path,
    upper: Path,
    work: Path,
    group: str,
    options: Sequence[Argument],
    log: Path,
) -> subprocess.Popen[bytes]:
    """Start systemd-nspawn on an overlay; when this process dies, the machine shuts down.

    Must be called from the main thread: the kernel sends the death signal when the thread that
    started the process ends.
    """
    layers = f"lowerdir={base},upperdir={upper},workdir={work}"
    with log.open("ab") as output:
        return subprocess.Popen(
            [
                *("setpriv", "--pdeathsig=TERM", "unshare", "--mount", "--propagation=private"),
                *("sh", "-c", _START, "start", group, root, layers),
                *options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A Ctrl-C is for the tests, which then end the machines in order.
            start_new_session=True,
        )


def first_process(nspawn: int) -> int | None:
    """The process id, as seen from here, of the machine's own process 1."""
    for candidate in _children(nspawn):
        try:
            status = Path(f"/proc/{candidate}/status").read_text()
        except OSError:
            continue
        for line in status.splitlines():
            if line.startswith("NSpid:"):
                numbers = line.split()[1:]
                if len(numbers) > 1 and numbers[-1] == "1":
                    return candidate
    return None


def kill_machine(nspawn: subprocess.Popen[bytes]) -> None:
    """End a machine at once, as a power cut does, and wait until it is gone."""
    first = first_process(nspawn.pid)
    if first is not None and nspawn.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(first, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            nspawn.wait(30)
    if nspawn.poll() is None:
        # The machine ends with it as well, only less tidily.
        nspawn.kill()
    nspawn.wait(30)


def remove_groups(group: str) -> None:
    """Remove a control group from every hierarchy, with the groups below and what runs in them."""
    top = Path("/sys/fs/cgroup")
    for hierarchy in (top, *top.iterdir()):
        root = hierarchy / group
        if not (hierarchy / "cgroup.procs").exists() or not root.is_dir():
            continue
        below = [Path(directory) for directory, _, _ in os.walk(root, topdown=False)]
        for directory in below:
            _kill_members(directory)
        for directory in below:
            _remove_group(directory)
        with contextlib.suppress(OSError):
            # Not empty as long as another lab runs.
            root.parent.rmdir()


def _kill_members(directory: Path) -> None:
    with contextlib.suppress(OSError):
        for pid in (directory / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


def _remove_group(directory: Path) -> None:
    # The kernel takes a moment to let go of processes that have just been killed.
    for _ in range(200):
        try:
            directory.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return


def _children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], stdout=subprocess.PIPE, check=False).stdout
    return [int(word) for word in text(found).split()]
