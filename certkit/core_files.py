"""Keeps the memory of a run, which holds passphrases and keys, out of core files.

On Linux by prctl(2) and not by a limit: PR_SET_DUMPABLE holds as well where the kernel pipes cores
into a program such as systemd-coredump, which a limit does not (core(5)), and ends with an exec, so
that a child, and a daemon that it restarts, is left to the caller's limit. Nor does another process
of the same user read the memory then.
"""

from __future__ import annotations

import ctypes
import resource
import sys

# linux/prctl.h
_PR_SET_DUMPABLE = 4


def forbid_core_files() -> None:
    """Have no core of this process written, whatever it ends of; children may leave theirs."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    else:
        # What this machine starts inherits it; daemons that certkit restarts run on Linux.
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
