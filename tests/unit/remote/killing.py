"""kill -9 of the program on a host at every moment that matters, for the tests of its phases.

A moment is before a write of the shell itself (strace ends it there), or before a command that
changes something (a stand-in for the command ends it). What follows a moment is the caller's.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

# Only the shell itself is traced: what the commands do is for the stand-ins.
_STRACE = "strace -y -e trace=openat,write -o"
_TOOLS = ("mv", "cp", "mkdir", "chmod", "cat", "rm", "rmdir", "sync", "flock")
# Ends the program with all its subshells, and nothing that it has started.
_TOOL = """#!/bin/sh
read n </state/count; n=$((n+1)); echo $n >/state/count
read k </state/kill
if [ $n = $k ]; then
  p=$PPID all=
  while [ $p -gt 1 ]; do
    all="$all $p"
    read -r _ _ _ p _ </proc/$p/stat
  done
  kill -9 $all
  exit 1
fi
exec /usr/bin/{tool} "$@"
"""


def moments(host: Any, number: int, afresh: str) -> list[str]:
    """Find where exchange `number` can be killed.

    Args:
        host: The sandbox; the stand-ins stay in it.
        number: What `Sandbox.load` said.
        afresh: Steps that make the host what it is before the exchange.

    Returns:
        For each moment, steps that run the exchange up to it. The commands' moments are those of
        one shell: the program has the same ones under each.
    """
    writes = _writes(host, number, afresh)
    if host.shell != "dash":
        return writes
    for tool in _TOOLS:
        host.fake(tool, _TOOL.format(tool=tool))
    host.state("kill", "0\n")
    host.state("count", "0\n")
    host.steps(f"{afresh}run {number}", timeout=30)
    count = int(host.at("/state/count").read_text())
    return [
        *writes,
        *(
            f"echo {k} >state/kill; echo 0 >state/count\nrun {number}\necho 0 >state/kill\n"
            for k in range(1, count + 1)
        ),
    ]


def _writes(host: Any, number: int, afresh: str) -> list[str]:
    if shutil.which("strace") is None:
        pytest.skip("strace, which kills a shell at a system call, is not installed")
    bare = "BARE=${BARE-$SHELL_WORDS}\n"
    host.steps(f'{bare}{afresh}SHELL_WORDS="{_STRACE} /io/trace $BARE"; run {number}', timeout=30)
    trace = host.at("/io/trace")
    if not trace.exists() or "openat" not in trace.read_text():
        pytest.skip(f"strace may not trace here: {host.result(number).stderr.decode()}")
    return [
        f'{bare}SHELL_WORDS="{_STRACE} /dev/null -e inject={call}:signal=KILL:when={when} $BARE"\n'
        f"run {number}\nSHELL_WORDS=$BARE\n"
        for call, when in _found(trace.read_text())
    ]


def _found(trace: str) -> Sequence[tuple[str, int]]:
    """Find the system calls that write files of the host, each with its number among its like."""
    counts: Counter[str] = Counter()
    found = []
    for line in trace.splitlines():
        call = line.partition("(")[0]
        counts[call] += 1
        opened = call == "openat" and "O_CREAT" in line and '"/dev/null"' not in line
        if opened or re.match(r"write\(\d+<(/etc|/var)/", line):
            found.append((call, counts[call]))
    return found
