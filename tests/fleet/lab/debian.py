"""What apt of this machine knows: where Debian's mirror is, and how to get there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable

# Settings of this machine's apt that decide whether its mirror can be reached and believed. The
# trees are built by an apt with a configuration of its own, so they are handed on.
_HANDED_ON = (
    "Acquire::http",
    "Acquire::https",
    "Acquire::Check-Date",
    "Acquire::Check-Valid-Until",
    "Acquire::ForceIPv4",
    "Acquire::ForceIPv6",
    "Acquire::Retries",
)


class NoMirrorError(Exception):
    """This machine's apt has no Debian archive among its sources."""


def install_missing(commands: dict[str, str], files: dict[str, str]) -> list[str]:
    """Install the packages whose command or file is not there; answers what was installed."""
    missing = {package for command, package in commands.items() if shutil.which(command) is None}
    missing |= {package for file, package in files.items() if not os.path.exists(file)}  # noqa: PTH110
    if not missing:
        return []
    update()
    # Another apt may be running, on a machine that has just started most of all.
    _apt("install", "--yes", "--no-install-recommends", *sorted(missing), check=True)
    return sorted(missing)


def update() -> None:
    """Fetch apt's lists. A third party's source may fail; what matters shows when it is used."""
    _apt("update", check=False)


def mirror() -> str:
    """The address of the Debian archive in this machine's apt sources.

    Raises:
        NoMirrorError: when apt has no such source, also after fetching its lists.
    """
    found = _find_mirror()
    if found is None:
        # apt answers only for sources whose lists it has fetched.
        update()
        found = _find_mirror()
    if found is None:
        raise NoMirrorError(
            "no Debian archive among this machine's apt sources; "
            "name one with CERTKIT_LAB_MIRROR=http://HOST/debian"
        )
    return found


def settings() -> Iterable[str]:
    """Settings of this machine's apt for reaching its mirror, as lines of an apt configuration."""
    dumped = _output("apt-config", "dump", *_HANDED_ON)
    for line in dumped.splitlines():
        # Groups are dumped too, as names with an empty value.
        if not line.endswith(' "";'):
            yield line


def _find_mirror() -> str | None:
    asked_for = os.environ.get("CERTKIT_LAB_MIRROR")
    if asked_for:
        return asked_for
    # The label tells the archive from its security updates, which have no base system.
    listed = _output("apt-get", "indextargets", "--format", "$(LABEL) $(SITE)", "Origin: Debian")
    for line in listed.splitlines():
        label, _, site = line.partition(" ")
        if label == "Debian" and site:
            return site
    return None


def _output(*argv: str) -> str:
    return subprocess.run(
        argv, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=60
    ).stdout


def _apt(*arguments: str, check: bool) -> None:
    subprocess.run(
        ["apt-get", "--quiet", "--quiet", "--option", "DPkg::Lock::Timeout=600", *arguments],
        check=check,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        timeout=1200,
    )
