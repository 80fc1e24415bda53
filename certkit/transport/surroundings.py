"""What the process as a whole needs before it opens many SSH connections."""

from __future__ import annotations

import contextlib
import logging
import resource
import sys

# Seconds. A thread that waits for the interpreter wakes as often to ask for it; Python's own 5 ms
# cost a seventh of all CPU where a hundred threads wait, and no thread here computes for long.
_SWITCH = 0.05


def switch_seldom() -> None:
    """Have threads that wait for the interpreter wait longer before they ask for it."""
    sys.setswitchinterval(max(_SWITCH, sys.getswitchinterval()))


def quieten(verbose: int) -> None:
    """Keep paramiko's log off the terminal: it writes tracebacks of what certkit explains."""
    logger = logging.getLogger("paramiko")
    if verbose >= 3:
        logger.setLevel(logging.DEBUG)
        # Messages name what happens and dump no packet, so no password is among them.
        if not logger.handlers:
            handler = logging.StreamHandler()
            handler.setFormatter(logging.Formatter("ssh: %(threadName)s: %(message)s"))
            logger.addHandler(handler)
    else:
        logger.setLevel(logging.CRITICAL + 1)


def allow_files() -> None:
    """Raise the soft limit on open files: a thousand hosts behind a bastion meet the usual 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
