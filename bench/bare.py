"""The yardstick: paramiko, connect and one exec for each host, some hosts at a time.

    python bench/bare.py default|tuned PARALLEL COMMAND FILE KEY KNOWN_HOSTS PORT ADDRESS...

`default` is paramiko as its own documentation uses it. `tuned` is the least that paramiko does
for a checked host key and one exec: key and host keys read once, the cheapest algorithms named, no
Nagle, acknowledgements at once.
"""

from __future__ import annotations

import socket
import sys
from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import paramiko

USER = "root"


class QuickSocket:
    """A socket that acknowledges at once, which Linux forgets after each read."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        for name in ("send", "settimeout", "fileno", "getpeername"):
            setattr(self, name, getattr(sock, name))

    @property
    def _closed(self) -> bool:
        """What paramiko reads to know whether its thread can still wait for data."""
        return self._socket.fileno() == -1

    def close(self) -> None:
        # Without the shutdown paramiko's thread would wait on for a tenth of a second.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def recv(self, size: int) -> bytes:
        if hasattr(socket, "TCP_QUICKACK"):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return self._socket.recv(size)


def default(key: paramiko.PKey, known_hosts: str, port: int) -> Callable[[str], paramiko.Transport]:
    def connect(address: str) -> paramiko.Transport:
        client = paramiko.SSHClient()
        client.load_host_keys(known_hosts)
        client.connect(address, port, USER, pkey=key, look_for_keys=False, allow_agent=False)
        transport = client.get_transport()
        assert transport
        return transport

    return connect


def tuned(key: paramiko.PKey, known_hosts: str, port: int) -> Callable[[str], paramiko.Transport]:
    host_keys = {}
    for line in Path(known_hosts).read_text().splitlines():
        names, _, blob = line.split()
        host_keys.update(dict.fromkeys(names.split(","), blob))

    def connect(address: str) -> paramiko.Transport:
        quick: Any = QuickSocket(socket.create_connection((address, port)))
        transport = paramiko.Transport(quick)
        options = transport.get_security_options()
        options.kex = ("curve25519-sha256@libssh.org",)
        options.ciphers = ("aes128-gcm@openssh.com",)
        options.key_types = ("ssh-ed25519",)
        host_key = paramiko.Ed25519Key(data=b64decode(host_keys[f"[{address}]:{port}"]))
        transport.connect(host_key, USER, pkey=key)
        return transport

    return connect


def main() -> None:
    how, parallel, command, file, key_file, known_hosts, port, *addresses = sys.argv[1:]
    content = Path(file).read_bytes()
    key = paramiko.Ed25519Key.from_private_key_file(key_file)
    connect = {"default": default, "tuned": tuned}[how](key, known_hosts, int(port))

    def one(address: str) -> None:
        transport = connect(address)
        channel = transport.open_session()
        channel.exec_command(command)
        channel.sendall(content)
        channel.shutdown_write()
        while channel.recv(65536):
            pass
        if channel.recv_exit_status() != 0:
            raise SystemExit(f"{address} failed")
        transport.close()

    with ThreadPoolExecutor(int(parallel)) as pool:
        list(pool.map(one, addresses))


if __name__ == "__main__":
    main()
