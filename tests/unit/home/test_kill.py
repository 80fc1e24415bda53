"""kill -9 at any moment: the next init finishes the job, and nothing is ever half made."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from certkit.home.home import Home
from certkit.home.registry import MODES
from certkit.pki.verify import verify_server
from tests.unit.home.makers import make, snapshot
from tests.unit.pki.chains import NOW

INIT = """
import sys, time
from pathlib import Path
from certkit.home.disk import files
from tests.unit.home.makers import make
real = files._write_new
def slow(*arguments):
    time.sleep(0.002)
    real(*arguments)
    time.sleep(0.002)
files._write_new = slow
print("ready", flush=True)
make(Path(sys.argv[1]))
print("done", flush=True)
"""

TIMES = 30


def how_long(home: Path) -> float:
    """The seconds that an init takes when it is left alone."""
    with start_init(home) as child:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        begun = time.monotonic()
        assert child.stdout.readline() == "done\n"
        return time.monotonic() - begun


def start_init(home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", INIT, str(home)], stdout=subprocess.PIPE, text=True
    )


def run_and_kill(home: Path, after: float) -> bool:
    """Start an init, kill it after so many seconds, and tell whether it had finished."""
    with start_init(home) as child:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        time.sleep(after)
        child.kill()
        return child.stdout.readline() == "done\n"


# Thirty times Python on a busy machine takes its time.
@pytest.mark.timeout(600)
def test_a_killed_init_leaves_nothing_half_made(tmp_path: Path) -> None:
    within = how_long(tmp_path / "whole")
    moments = random.Random(20260101)
    interrupted = absent = rests = 0
    for number in range(TIMES):
        home = tmp_path / f"home-{number}"
        finished = run_and_kill(home, moments.uniform(0, within * 1.05))
        # A busy machine takes once longer and once less: what was too late comes sooner from now
        # on, and what was too soon comes later.
        within *= 0.8 if finished else 1.2
        interrupted += not finished
        rests += sum(1 for _ in home.glob("registries/.certkit-new-*"))
        directory = home / "registries" / "registry.lab_5000"
        # All of it, or nothing: the directory comes with its last file.
        absent += not directory.exists()
        if directory.exists():
            assert {path.name for path in directory.iterdir()} == set(MODES)
            before = snapshot(home)
            assert make(home).status == "unchanged"
            assert {name: before[name] for name in snapshot(home)} == snapshot(home)
        else:
            assert make(home).status == "created"
        assert not list(home.rglob(".certkit-new-*"))
        files = Home.open(home).sole_registry()
        assert files.missing == ()
        verify_server(files.server_chain, files.bundle().certificates, files.request.names, NOW)
    # The moments were spread well enough to mean something.
    assert interrupted >= 5
    assert absent >= 5
    assert rests >= 1
