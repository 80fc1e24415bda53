"""CPU seconds to read known_hosts, and to look one host up in it, starting Python not counted.

    python bench/time_known_hosts.py KNOWN_HOSTS TIMES NAME...

It is done TIMES times, and what was read is kept, so that a short file can take as long and as much
memory as a long one: of short runs, the least of some tries is luckier. Each NAME must stand there
once.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from certkit.transport.hostkeys.known_hosts import KnownHosts


def main() -> None:
    path, times, names = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    databases = [KnownHosts() for _ in range(times)]
    start = time.process_time()
    for known in databases:
        known.read(path, path.read_bytes())
    read = time.process_time() - start
    start = time.process_time()
    for known in databases:
        for name in names:
            if len(list(known.matching(name))) != 1:
                raise SystemExit(f"{name} was not found once")
    look = time.process_time() - start
    print(read / times, look / times / len(names))


if __name__ == "__main__":
    main()
