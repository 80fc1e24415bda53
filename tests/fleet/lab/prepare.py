"""Builds the base trees and the images that the lab boots from: `tests/fleet/prepare`.

Whole or not at all: everything is made under a temporary name that is renamed at the end.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from tests.fleet.lab import debian, images, recipe, store

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_BUILD_COMMANDS = {
    **store.RUN_COMMANDS,
    "chroot": "coreutils",
    "mmdebstrap": "mmdebstrap",
}
_LOG_TAIL = 30


class BuildError(Exception):
    """A base tree could not be built."""


def main() -> int:
    """Build what is missing; the exit code says whether there is a base now."""
    reason = store.why_no_machines()
    if reason is not None:
        print(f"tests/fleet cannot be prepared here: {reason}.", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, _exit_on_signal)
    started = time.monotonic()
    try:
        installed = debian.install_missing(_BUILD_COMMANDS, {_KEYRING: "debian-archive-keyring"})
        if installed:
            print(f"installed {', '.join(installed)} in {time.monotonic() - started:.0f} s")
        with store.locked(store.store_directory() / "prepare.lock"):
            _build_if_missing()
    except (BuildError, debian.NoMirrorError) as problem:
        print(f"tests/fleet cannot be prepared here: {problem}", file=sys.stderr)
        return 1
    return 0


def _build_if_missing() -> None:
    destination = store.bases_directory()
    if destination.is_dir():
        print(f"bases are there: {destination}")
        return
    started = time.monotonic()
    mirror = debian.mirror()
    # What a killed run left behind; nobody else builds, this process has the lock.
    for leftover in destination.parent.glob("building-*"):
        shutil.rmtree(leftover)
    building = Path(tempfile.mkdtemp(prefix="building-", dir=destination.parent))
    try:
        building.chmod(0o755)
        _build_trees(building, mirror)
        registry_tree = building / recipe.REGISTRY_RELEASE
        images.write_images(registry_tree, building)
        (registry_tree / recipe.REGISTRY_PROGRAM.lstrip("/")).unlink()
        building.rename(destination)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    print(f"bases built in {time.monotonic() - started:.0f} s: {destination}")
    _remove_older(destination)


def _build_trees(building: Path, mirror: str) -> None:
    """Build all releases at once: most of the time goes into one process a release."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for release in recipe.RELEASES:
            setup = building / f"{release}.setup.sh"
            fetch = recipe.FETCH_REGISTRY if release == recipe.REGISTRY_RELEASE else ""
            setup.write_text(fetch + recipe.SETUP)
            with (building / f"{release}.log").open("wb") as log:
                running[release] = subprocess.Popen(
                    _tree_command(release, building / release, setup, mirror),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
        for release, process in running.items():
            if process.wait() != 0:
                log_lines = (building / f"{release}.log").read_text(errors="replace").splitlines()
                raise BuildError("\n".join([f"{release}:", *log_lines[-_LOG_TAIL:]]))
    finally:
        for process in running.values():
            if process.poll() is None:
                process.terminate()
                process.wait()


def _tree_command(release: str, tree: Path, setup: Path, mirror: str) -> list[str]:
    command = [
        "mmdebstrap",
        "--mode=root",
        "--format=directory",
        "--variant=minbase",
        f"--include={','.join(recipe.PACKAGES[release])}",
        '--aptopt=APT::Install-Recommends "false"',
        f'--customize-hook=chroot "$1" sh -eu < {shlex.quote(str(setup))}',
    ]
    command += [f"--aptopt={line}" for line in debian.settings()]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in recipe.LEFT_OUT]
    return [*command, release, str(tree), mirror]


def _remove_older(current: Path) -> None:
    """Remove the bases of earlier recipes, except what a running lab still stands on."""
    for older in current.parent.glob("bases-*"):
        if older == current or not older.is_dir():
            continue
        with (older / "in-use.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(older)


def _exit_on_signal(number: int, _frame: FrameType | None) -> None:
    # Leaves through the clean-up that Python's default, dying at once, would step over.
    sys.exit(128 + number)


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
