"""Seconds to read an inventory, and the peak of memory in MB, starting Python not counted.

    python bench/time_inventory.py INVENTORY SSH_CONFIG HOSTS

HOSTS is how many it must hold.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

from certkit.inventory.loading import load


def main() -> None:
    inventory, ssh_config, hosts = sys.argv[1:]
    start = time.perf_counter()
    found = load(Path(inventory), ssh_config=Path(ssh_config))
    took = time.perf_counter() - start
    if len(found.hosts) != int(hosts):
        raise SystemExit(f"{len(found.hosts)} hosts were understood")
    # Not ru_maxrss, which remembers the parent's.
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert peak
    print(took, int(peak[1]) / 1024)


if __name__ == "__main__":
    main()
