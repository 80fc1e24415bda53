"""The yardstick: paramiko as its own documentation uses it, connect and one exec for each host.

Run by hosts.py as a process of its own: bare.py KEY KNOWN_HOSTS PORT ADDRESS...
`--tuned` first adds what measurements suggest: an own socket with TCP_NODELAY, and host keys read
once for all hosts (for a hundred lines paramiko takes longer than for a login).
"""

from __future__ import annotations

import socket
import sys
from concurrent.futures import ThreadPoolExecutor

import paramiko


def main() -> None:
    arguments = sys.argv[1:]
    tuned = arguments[0] == "--tuned"
    key_file, known_hosts, port, *addresses = arguments[tuned:]
    key = paramiko.Ed25519Key.from_private_key_file(key_file)
    known = paramiko.HostKeys(known_hosts) if tuned else None

    def one(address: str) -> None:
        client = paramiko.SSHClient()
        sock = None
        if known is None:
            client.load_host_keys(known_hosts)
        else:
            name = f"[{address}]:{port}"
            for kind, host_key in known[name].items():
                client.get_host_keys().add(name, kind, host_key)
            sock = socket.create_connection((address, int(port)))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.connect(
            address,
            int(port),
            "root",
            pkey=key,
            look_for_keys=False,
            allow_agent=False,
            sock=sock,
        )
        channel = client.get_transport().open_session()  # type: ignore[union-attr]
        channel.exec_command("cat >/dev/null; echo done")
        channel.sendall(b"x" * 3000)
        channel.shutdown_write()
        while channel.recv(65536):
            pass
        assert channel.recv_exit_status() == 0
        client.close()

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(one, addresses))


if __name__ == "__main__":
    main()
