"""A machine's own tools, held at one of their calls: the moment to kill something at."""

from __future__ import annotations

import subprocess
import time

from tests.fleet.lab import Machine

# Below /run, so that a reboot lets go.
HOLD, HELD = "/run/hold", "/run/held"
# In front of the real one on PATH; waits where its call is like the pattern in the file.
_TOOL = f"""#!/bin/sh
tool=${{0##*/}}
if [ -e {HOLD} ] && printf '%s\\n' "$tool $*" | grep -q -E -f {HOLD}; then
  : >{HELD}
  while [ -e {HOLD} ]; do sleep 0.05; done
fi
exec "/usr/bin/$tool" "$@"
"""


def tools_that_can_be_held(machine: Machine, *tools: str) -> None:
    """Put them there."""
    for tool in tools:
        machine.write(f"/usr/local/sbin/{tool}", _TOOL, 0o755)


def hold(machine: Machine, pattern: str) -> None:
    """From now on a call (``sync /etc/x``) that is like this extended regular expression waits."""
    machine.run(["rm", "-f", HELD])
    machine.write(HOLD, f"{pattern}\n" if pattern else "")


def let_go(machine: Machine) -> None:
    """Let the call that is held go on, and all others pass."""
    machine.run(["rm", HOLD])


def wait_until_ended(machine: Machine) -> None:
    """Wait until nothing of what certkit has begun on the machine, killed by now, goes on."""
    machine.run("while pgrep -f '[R]EADY-'; do sleep 0.1; done >/dev/null", timeout=90)


def wait_until_held(machine: Machine, process: subprocess.Popen[str], seconds: float = 60) -> None:
    """Wait until what this process does on the machine has come to the call."""
    held = machine.root / HELD.lstrip("/")
    deadline = time.monotonic() + seconds
    while not held.exists():
        assert process.poll() is None, ("it ended before that moment", process.communicate())
        assert time.monotonic() < deadline, "it did not come to that moment"
        time.sleep(0.02)
