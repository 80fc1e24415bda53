"""A real kill -9 before any one file operation of an action."""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

_WRITES = os.O_WRONLY | os.O_RDWR
_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate"}


def killed_before(step: int, below: Path, action: Callable[[], object]) -> bool:
    """Run an action in a forked child that kills itself before its step-th change on the disk.

    Returns:
        Whether it was killed; False when it finished with fewer steps.
    """
    with warnings.catch_warnings():
        # Threads of other tests may still be there; the child touches none of what they hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            _count_down(step, str(below))
            action()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the child must not come back into pytest
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the action failed in the child"
    return False


def steps_of(below: Path, action: Callable[[], object], most: int = 300) -> Iterator[int]:
    """Kill the action before its first change, its second, and so on until it finishes.

    Yields after each kill, so that the caller looks at the disk and sets it up again.
    """
    for step in range(1, most):
        if not killed_before(step, below, action):
            return
        yield step
    raise AssertionError("the action never finishes")


def _count_down(step: int, below: str) -> None:
    left = step

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event == "open":
            path, _, flags = arguments
            counts = isinstance(flags, int) and bool(flags & _WRITES)
        else:
            counts = event in _CHANGES
            path = arguments[0] if arguments else ""
        if counts and isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith(below):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
