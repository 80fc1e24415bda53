"""Core files: a control for tests that want none, so that they cannot pass where none can be."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from tests.tiers import need

# For a test that starts a child with a `preexec_fn` which makes a system call and no more: from
# Python 3.12 on that is warned of where there is another thread, and a worker of xdist has one.
FORKS = pytest.mark.filterwarnings("ignore:.*is multi-threaded:DeprecationWarning")


def allow_core_files() -> None:
    """Raise this process's limit as far as it goes; for the `preexec_fn` of a child."""
    try:
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.setrlimit(resource.RLIMIT_CORE, unlimited)
    except ValueError:
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def dropped(process: subprocess.Popen[str]) -> bool:
    """Wait for a process that SIGABRT ends, and say whether the kernel wrote a core of it.

    The kernel's own word, and not a file: it may pipe the core into a program, or put it anywhere.
    """
    _, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == -signal.SIGABRT, process.returncode
    return os.WCOREDUMP(status)


def need_core_files(directory: Path) -> None:
    """Go on where a process that crashes drops a core.

    Args:
        directory: Where it crashes: what a core may be written to.
    """
    crash = ["sh", "-c", "kill -ABRT $$"]
    process = subprocess.Popen(crash, cwd=directory, preexec_fn=allow_core_files, text=True)
    reason = "no process that crashes leaves a core here (core_pattern, or a hard limit of 0)"
    need("ssh", None if dropped(process) else reason)
