"""The directory that keeps the bases between runs, and the reasons why a lab cannot run here."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fleet.lab import images, recipe

_DEFAULT_STORE = "/var/cache/certkit-lab"
_CAP_SYS_ADMIN = 21

# Command that the lab runs -> Debian package that brings it.
RUN_COMMANDS = {
    "faketime": "faketime",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "unshare": "util-linux",
}


def store_directory() -> Path:
    """Where everything of the lab is kept."""
    return Path(os.environ.get("CERTKIT_LAB") or _DEFAULT_STORE)


def recipe_hash() -> str:
    """A name for the recipe: any change of it is a change of this name."""
    digest = hashlib.sha256()
    for module in (recipe, images):
        assert module.__file__ is not None
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()[:12]


def bases_directory() -> Path:
    """The bases of the present recipe: one tree a release, and the images' archives."""
    return store_directory() / f"bases-{recipe_hash()}"


def labs_directory() -> Path:
    """Where running labs have their files."""
    return store_directory() / "labs"


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock file; it is released with the process, however that ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


def why_no_machines() -> str | None:
    """Why this process could not boot machines even with a base; None when it can."""
    if not sys.platform.startswith("linux"):
        return "it boots Debian machines with systemd-nspawn, which needs Linux"
    if os.geteuid() != 0:
        return "it boots Debian machines with systemd-nspawn, which needs root"
    if not _has_capability(_CAP_SYS_ADMIN):
        return "it boots Debian machines with systemd-nspawn, which needs CAP_SYS_ADMIN"
    return None


def why_not() -> str | None:
    """Why no lab can run here and now; None when one can."""
    reason = why_no_machines()
    if reason is not None:
        return reason
    missing = sorted(command for command in RUN_COMMANDS if shutil.which(command) is None)
    if missing:
        return f"{', '.join(missing)} not installed (run tests/fleet/prepare)"
    if not bases_directory().is_dir():
        return f"no base at {bases_directory()} (run tests/fleet/prepare)"
    return None


def _has_capability(number: int) -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False
