"""What a phase costs a host before it does anything."""

from __future__ import annotations

import resource
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from certkit.names import RegistryReference
from certkit.remote.program import place, text_of
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.state import HostState, RuntimeChoice


def spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
def test_taking_the_program_apart_is_cheap(shell: str) -> None:
    words = shlex.split(shell)
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed here; CI installs it")
    exchange = place(HostState("registry.lab:5000", ()), check=True)
    costs = []
    for _ in range(3):
        before = spent()
        done = subprocess.run(
            [*words, "-c", exchange.boot], input=exchange.stdin, capture_output=True, check=False
        )
        costs.append(spent() - before)
        assert done.stdout.endswith(f"{exchange.nonce} end 0\n".encode()), done.stderr
    # Where it took time quadratic in its length, this was 0.7 s in dash; it is 0.03 s.
    assert min(costs) < 0.25


TOOLS = (
    *("awk", "cat", "chmod", "cmp", "cp", "cut", "date", "flock", "getent", "grep", "head", "id"),
    *("ls", "mkdir", "mv", "od", "readlink", "rm", "rmdir", "sed", "sort", "sync", "tail", "tr"),
)


def test_processes_are_few(make_host: Callable[..., Any]) -> None:
    """Each is a millisecond of a host's CPU, and on a busy one much more."""
    host = make_host("dash")
    wanted = desired_state(
        [RegistryReference.parse("registry.lab:5000")], b"PEM\n", RuntimeChoice(("docker",))
    )
    for tool in TOOLS:
        where = shutil.which(tool)
        host.fake(tool, f'#!/bin/sh\necho {tool} >>/state/ran\nexec {where} "$@"\n')
    host.fake("sync", "#!/bin/sh\necho sync >>/state/ran\n")
    host.fake("docker", "#!/bin/sh\necho '26.1.5|0|0|false|2026-11-30T16:40:00Z|{}'\n")

    def ran() -> list[str]:
        host.state("ran")
        done = host.run(place(wanted))
        assert done.stdout.endswith(b" end 0\n"), done
        return sorted(host.at("/state/ran").read_text().split())

    assert ran() == ["cat", "flock", "ls", "mkdir", "mkdir", "mv", "sync", "sync"]
    # One `cat` takes in the program, the other one reads all files and their records.
    assert ran() == ["cat", "cat", "ls"]


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
def test_a_bound_costs_no_time_where_there_is_no_timeout(shell: str) -> None:
    """A watch of the shell's own, which signals do not end, slept a second for each command."""
    words = shlex.split(shell)
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed here; CI installs it")
    script = (
        text_of(("common",))
        + b"""
        trap '' HUP PIPE TERM INT
        G_TIMEOUT=no
        for n in 1 2 3 4 5 6 7 8 9 10; do guard 30 true || exit; done
    """
    )
    began = time.monotonic()
    subprocess.run([*words], input=script, check=True)
    assert time.monotonic() - began < 6  # 10 s as it was, 0.1 s as it is
