"""Keeps the memory of a run, which holds passphrases and keys, out of core files.

A kernel that pipes cores into a program (core(5), "Piping core dumps to a program") leaves the
limit to that program; systemd-coredump keeps it.
"""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_callers: list[tuple[int, int]] = []


def forbid_core_files() -> None:
    """Set this process's own limit on core files to 0 bytes."""
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    _callers.append(limits)
    resource.setrlimit(resource.RLIMIT_CORE, (0, limits[1]))


@contextmanager
def core_limit_of_the_caller() -> Iterator[None]:
    """Start a child within: the limit is inherited, even by a daemon that the child restarts."""
    if not _callers:
        yield
        return
    with _lock:
        resource.setrlimit(resource.RLIMIT_CORE, _callers[0])
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_CORE, (0, _callers[0][1]))
