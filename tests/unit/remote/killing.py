"""kill -9 of the program on a host at every moment that matters, for the tests of its phases.

A moment is before a write of the shell itself (strace ends it there), or before a command that
changes something (a stand-in for the command ends it). What follows a moment is the caller's.

Where a process may not be traced, the moments before commands are all there are, and a run that was
told to skip nothing (`tests.tiers`) fails.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tests.tiers import need, required

# Only the shell itself is traced: what the commands do is for the stand-ins.
_STRACE = "strace -y -e trace=openat,write -o"
# A command that changes nothing has no moment of its own; `cat` changes a file that it writes to.
_CHANGES = {
    **dict.fromkeys(("mv", "cp", "mkdir", "chmod", "rm", "rmdir"), "true"),
    "cat": "[ -f /proc/self/fd/1 ]",
}
# Ends the program with all its subshells, and nothing that it has started: who waits before who is
# waited for, else it would go on for a moment.
_TOOL = """#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
{changes} || exec {tool} "$@"
read n </state/count; n=$((n+1)); echo $n >/state/count
read k </state/kill
if [ $n = $k ]; then
  p=$PPID all=
  while [ $p -gt 1 ]; do
    all="$p $all"
    read -r _ _ _ p _ </proc/$p/stat
  done
  kill -9 $all
  exit 1
fi
exec {tool} "$@"
"""


def moments(
    host: Any, number: int, afresh: str, daemons: Mapping[str, Sequence[str]] | None = None
) -> list[str]:
    """Find where exchange `number` can be killed.

    Args:
        host: The sandbox; the stand-ins stay in it.
        number: What `Sandbox.load` said.
        afresh: Steps that make the host what it is before the exchange.
        daemons: Stand-ins of the sandbox, and the first words of those calls of each that change
            something.

    Returns:
        For each moment, steps that run the exchange up to it. The commands' moments are those of
        one shell: the program has the same ones under each.
    """
    reason = _why_not_traced(host)
    if reason and required("ssh"):
        need("ssh", reason)
    found = [] if reason else _writes(host, number, afresh)
    if host.shell != "dash" and not reason:
        return found
    _stand_in(host, daemons or {})
    host.state("kill", "0\n")
    host.state("count", "0\n")
    host.steps(f"{afresh}run {number}", timeout=30)
    count = int(host.at("/state/count").read_text())
    return [
        *found,
        *(
            f"echo {k} >state/kill; echo 0 >state/count\nrun {number}\necho 0 >state/kill\n"
            for k in range(1, count + 1)
        ),
    ]


def _stand_in(host: Any, daemons: Mapping[str, Sequence[str]]) -> None:
    for tool, changes in _CHANGES.items():
        host.fake(tool, _TOOL.format(changes=changes, tool=tool))
    for name, words in daemons.items():
        kept = host.at(f"/fake/{name}.kept")
        host.at(f"/fake/{name}").rename(kept)
        changes = f"case $1 in {' | '.join(words)}) ;; *) false ;; esac"
        host.fake(name, _TOOL.format(changes=changes, tool=f"/fake/{name}.kept"))


def _why_not_traced(host: Any) -> str:
    if shutil.which("strace") is None:
        return "strace, which kills a shell at a system call, is not installed"
    host.steps(f'{_STRACE} "$root/io/trace" true 2>"$root/io/refusal"', timeout=30)
    if "openat" in host.at("/io/trace").read_text():
        return ""
    return f"strace may not trace: {host.at('/io/refusal').read_text().strip()}"


def _writes(host: Any, number: int, afresh: str) -> list[str]:
    bare = "BARE=${BARE-$SHELL_WORDS}\n"
    host.steps(f'{bare}{afresh}SHELL_WORDS="{_STRACE} /io/trace $BARE"; run {number}', timeout=30)
    return [
        f'{bare}SHELL_WORDS="{_STRACE} /dev/null -e inject={call}:signal=KILL:when={when} $BARE"\n'
        f"run {number}\nSHELL_WORDS=$BARE\n"
        for call, when in _found(host.at("/io/trace").read_text())
    ]


def _found(trace: str) -> Sequence[tuple[str, int]]:
    """Find the system calls that write files of the host, each with its number among its like.

    The lock tells the next run nothing; nor does a log, but it is opened before what it is for.
    """
    counts: Counter[str] = Counter()
    found = []
    for line in trace.splitlines():
        call = line.partition("(")[0]
        counts[call] += 1
        if re.search(r'/lock[">]|"/dev/null"', line):
            continue
        if (call == "openat" and "O_CREAT" in line) or re.match(
            r"write\(\d+<(/etc|/var|/srv)/", line
        ):
            found.append((call, counts[call]))
    return found
