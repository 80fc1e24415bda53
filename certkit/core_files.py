"""Keeps the memory of a run, which holds passphrases and keys, out of core files.

On Linux by prctl(2) and not by a limit: PR_SET_DUMPABLE holds as well where the kernel pipes cores
into a program such as systemd-coredump, which a limit does not (core(5)), and ends with an exec, so
that a child, and a daemon that it restarts, is left to the caller's limit. Nor does another process
of the same user read the memory then.
"""

from __future__ import annotations

import resource
import sys

# linux/prctl.h
_PR_SET_DUMPABLE = 4


def forbid_core_files() -> None:
    """Have no core of this process written, whatever it ends of; children may leave theirs."""
    if sys.platform == "linux" and _undumpable():
        return
    # What this machine starts inherits it; the daemons that certkit restarts are not among that.
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def _undumpable() -> bool:
    try:
        import ctypes
    except ImportError:  # a Python that was built without it
        return False
    return bool(ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
