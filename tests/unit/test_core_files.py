"""Core files: none of a run, and whatever the caller allows of what a run starts."""

from __future__ import annotations

import subprocess
import sys

RUN = """
import resource, subprocess
from certkit.core_files import core_limit_of_the_caller, forbid_core_files
from certkit.transport.local import PipeProcess

resource.setrlimit(resource.RLIMIT_CORE, (4096, resource.getrlimit(resource.RLIMIT_CORE)[1]))
forbid_core_files()
print(resource.getrlimit(resource.RLIMIT_CORE)[0])
with core_limit_of_the_caller():
    child = PipeProcess(("sh", "-c", "ulimit -S -c"))
while (heard := child.read(9)) is not None:
    print(heard[0].decode(), end="")
child.close()
print(resource.getrlimit(resource.RLIMIT_CORE)[0])
"""


def test_a_child_has_the_limit_of_whoever_called() -> None:
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, check=False)
    assert done.stdout.split() in (["0", "8", "0"], ["0", "4", "0"]), done
