"""What processes are started with, each of them written down: none ends too soon to be seen.

On the lab's machines a script of the same name stands before every command; in certkit it is
Python's own audit of what is started.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.ssh.lab import Lab

# Where a host's program looks, but for what stands in for the machine's own.
_COMMANDS = ("/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/sbin")

_BEFORE = """#!/bin/sh
{{ printf '%s\\n' "$0" "$@"; export -p; }} >>{record}/$$
exec {directory}/"${{0##*/}}" "$@"
"""

_AUDIT = """
import os, sys

def note(event, arguments):
    if event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.spawn"):
        with open({record!r}, "a") as file:
            print(event, arguments, dict(os.environ), file=file)

sys.addaudithook(note)
"""


class Started:
    """Arguments and environments of all that certkit, and its programs on hosts, have started.

    A command that a host's program calls by its full path is not among them.

    Args:
        lab: Its machines' stand-ins must all be there.
        directory: To be made; holds what is noted of certkit.

    Attributes:
        environment: To be added to that of a certkit which is to be watched.
    """

    def __init__(self, lab: Lab, directory: Path) -> None:
        directory.mkdir()
        self._here = directory / "started"
        self._here.touch()
        self._hosts = lab.scripts / "started"
        self._hosts.mkdir()
        # Every machine's user writes there.
        self._hosts.chmod(0o1777)
        (directory / "sitecustomize.py").write_text(_AUDIT.format(record=str(self._here)))
        self.environment = {"PYTHONPATH": str(directory)}
        for name in lab.machines:
            self._stand_before(lab.scripts / name)

    @property
    def here(self) -> bytes:
        """All that certkit has started, in Python's own words."""
        return self._here.read_bytes()

    @property
    def on_hosts(self) -> bytes:
        """All that was started on the machines: words and variables, one a line."""
        return b"\0".join(path.read_bytes() for path in self._hosts.iterdir())

    def _stand_before(self, scripts: Path) -> None:
        own = scripts.with_name(f"{scripts.name}-own")
        shutil.move(scripts, own)
        scripts.mkdir()
        scripts.chmod(0o755)
        for number, directory in enumerate((str(own), *_COMMANDS)):
            before = own.with_name(f"{scripts.name}-before-{number}")
            before.write_text(_BEFORE.format(record=self._hosts, directory=directory))
            before.chmod(0o755)
            for command in os.listdir(directory):  # noqa: PTH208 - names are all that is wanted
                link = scripts / command
                if not link.is_symlink():
                    link.symlink_to(before)
