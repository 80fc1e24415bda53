"""What one command costs: wall, CPU of its whole process tree, and that tree's peak memory.

    python bench/meter.py [--memory] LOG -- COMMAND...

Runs as a process of its own that adopts whatever the command leaves behind (Ansible's persistent
ssh, for one), ends it and puts it on the bill. Prints one JSON document; the command's words go to
LOG. `--memory` samples the tree, which costs CPU of its own: such a run is not to be timed.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_SET_CHILD_SUBREAPER = 36
# Seconds between samples, and how many times longer than a sample takes: a tree of a hundred
# processes must not lose its time to being looked at.
_SAMPLE_EVERY, _SAMPLE_SHARE = 0.05, 10


@dataclass(frozen=True)
class Cost:
    """Seconds of wall and of CPU, the peak of memory in MB, and the exit status.

    Memory is the largest process's own peak; with sampling, or the largest sum over the tree where
    that is more (pages shared by several processes counted once).
    """

    wall: float
    cpu: float
    memory: float
    status: int


def keep_bytecode() -> None:
    """Have certkit compiled once, from here on in all that is started.

    pip compiled the peers when they were installed, and compiles certkit for whoever installs it.
    Where Python is told to write no bytecode, certkit alone would be compiled at each start.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def measure(command: list[str], environment: dict[str, str], log: Path, memory: bool) -> Cost:
    """Run the command under a meter; raise SystemExit with its words when it fails."""
    flags = ["--memory"] if memory else []
    done = subprocess.run(
        [sys.executable, __file__, *flags, str(log), "--", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=environment,
        timeout=1200,
        check=True,
    )
    cost = Cost(**json.loads(done.stdout))
    if cost.status != 0:
        words = log.read_text(errors="replace")[-4000:]
        raise SystemExit(f"{' '.join(command)[:200]} ended with {cost.status}:\n{words}")
    return cost


def _children(pid: int) -> Iterator[int]:
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            yield from map(int, (task / "children").read_text().split())


def _tree(pid: int) -> Iterator[int]:
    for child in _children(pid):
        yield child
        yield from _tree(child)


def _proportional_kb(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def _run(command: list[str], log: Path, memory: bool) -> Cost:
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    peak, ended = [0], threading.Event()

    def sample() -> None:
        pause = _SAMPLE_EVERY
        while not ended.wait(pause):
            began = time.perf_counter()
            peak[0] = max(peak[0], sum(map(_proportional_kb, set(_tree(os.getpid())))))
            pause = max(_SAMPLE_EVERY, _SAMPLE_SHARE * (time.perf_counter() - began))

    if memory:
        threading.Thread(target=sample, daemon=True).start()
    start = time.perf_counter()
    with log.open("wb") as words:
        process = subprocess.Popen(command, stdout=words, stderr=words)
        status = process.wait()
    wall = time.perf_counter() - start
    ended.set()
    _end_what_is_left()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, usage.ru_utime + usage.ru_stime, max(usage.ru_maxrss, peak[0]) / 1024, status)


def _end_what_is_left() -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in _children(os.getpid()):
            os.kill(pid, number)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                if os.waitpid(-1, os.WNOHANG) == (0, 0):
                    time.sleep(0.01)
            except ChildProcessError:
                return


if __name__ == "__main__":
    separator = sys.argv.index("--")
    *flags, log_file = sys.argv[1:separator]
    print(json.dumps(asdict(_run(sys.argv[separator + 1 :], Path(log_file), "--memory" in flags))))
