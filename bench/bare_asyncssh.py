"""asyncssh with nothing around it, some hosts at a time.

    python bench/bare_asyncssh.py PARALLEL COMMAND FILE KEY KNOWN_HOSTS PORT ADDRESS...

It checks host keys, as certkit does.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import asyncssh


async def main() -> None:
    parallel, command, file, key_file, known_hosts, port, *addresses = sys.argv[1:]
    content = Path(file).read_text()
    key = asyncssh.read_private_key(key_file)
    known = asyncssh.read_known_hosts(known_hosts)
    places = asyncio.Semaphore(int(parallel))

    async def one(address: str) -> None:
        async with (
            places,
            asyncssh.connect(
                address,
                int(port),
                username="root",
                client_keys=[key],
                known_hosts=known,
                agent_path=None,
                config=None,
            ) as connection,
        ):
            await connection.run(command, input=content, check=True)

    await asyncio.gather(*map(one, addresses))


if __name__ == "__main__":
    asyncio.run(main())
