"""parallel-ssh with nothing around it, some hosts at a time.

    python bench/bare_pssh.py PARALLEL COMMAND KEY PORT ADDRESS...

It checks no host key.
"""

from __future__ import annotations

import sys

from pssh.clients import ParallelSSHClient


def main() -> None:
    parallel, command, key_file, port, *addresses = sys.argv[1:]
    client = ParallelSSHClient(
        addresses,
        user="root",
        port=int(port),
        pkey=key_file,
        pool_size=int(parallel),
        allow_agent=False,
        identity_auth=False,
    )
    answers = client.run_command(command)
    client.join(answers)
    failed = [answer.host for answer in answers if answer.exit_code != 0]
    if failed:
        raise SystemExit(f"{failed} failed")


if __name__ == "__main__":
    main()
