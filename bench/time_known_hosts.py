"""Seconds to read known_hosts, and to look one host up in it, starting Python not counted.

    python bench/time_known_hosts.py KNOWN_HOSTS NAME...

Each NAME must stand there once.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from certkit.transport.hostkeys.known_hosts import KnownHosts


def main() -> None:
    path, names = Path(sys.argv[1]), sys.argv[2:]
    start = time.perf_counter()
    known = KnownHosts()
    known.read(path, path.read_bytes())
    read = time.perf_counter() - start
    start = time.perf_counter()
    for name in names:
        if len(list(known.matching(name))) != 1:
            raise SystemExit(f"{name} was not found once")
    print(read, (time.perf_counter() - start) / len(names))


if __name__ == "__main__":
    main()
