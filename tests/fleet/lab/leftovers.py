"""What a killed lab left on this box is recognised by its lock, which nobody holds any more."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.fleet.lab import network, process
from tests.fleet.lab.shell import run

# Above the groups of all labs, in every hierarchy of control groups.
GROUP = "certkit-lab"


@contextlib.contextmanager
def held(lock: Path) -> Iterator[None]:
    """Hold a lab's lock for as long as the lab lives; a killed process holds nothing."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def sweep(labs: Path) -> None:
    """Remove every lab whose process is gone."""
    for lock in labs.glob("*.lock"):
        with lock.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            remove(lock)


def remove(lock: Path) -> None:
    """Remove everything a lab has on this box. The lock file goes last."""
    identifier = lock.stem
    process.remove_groups(f"{GROUP}/{identifier}")
    network.delete_bridge(identifier)
    directory = lock.with_suffix(".d")
    if directory.is_dir():
        if directory.is_mount():
            unmounted = run(["umount", directory], check=False)
            if unmounted.returncode != 0:
                run(["umount", "--lazy", directory])
        shutil.rmtree(directory)
    lock.unlink(missing_ok=True)
