"""The yardstick: paramiko, connect and one exec for each host, some hosts at a time.

    python bench/bare.py WAY PARALLEL COMMAND FILE KEY KNOWN_HOSTS PORT ADDRESS...

WAY is one of these. `default` is paramiko as its own documentation uses it. `tuned` is the least
that paramiko does for a checked host key and one exec: key and host keys read once, the cheapest
algorithms named, no Nagle, acknowledgements at once. `pipelined` is that with login and channel
asked for in one breath, which takes paramiko's private names: certkit does not do it, see
docs/architecture.md.
"""

from __future__ import annotations

import socket
import sys
from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import paramiko
from paramiko.auth_handler import AuthHandler

USER = "root"

Way = Callable[[paramiko.PKey, str, int], Callable[[str], paramiko.Transport]]


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


class PipelinedLogin(AuthHandler):
    """A login that does not wait to be told that there may be one."""

    def _request_auth(self) -> None:
        stock: Any = super()
        stock._request_auth()
        accepted = paramiko.Message()
        accepted.add_string("ssh-userauth")
        stock._parse_service_accept(paramiko.Message(accepted.asbytes()))

    def _parse_service_accept(self, m: paramiko.Message) -> None:
        pass


def tuned(
    key: paramiko.PKey, known_hosts: str, port: int, *, pipelined: bool = False
) -> Callable[[str], paramiko.Transport]:
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
        if not pipelined:
            transport.connect(host_key, USER, pkey=key)
            return transport
        transport.start_client()
        if transport.get_remote_server_key() != host_key:
            raise SystemExit(f"{address} has another key")
        # Its outcome is not waited for: without a login the channel is refused.
        transport.auth_handler = PipelinedLogin(transport)
        transport.auth_handler.auth_publickey(USER, key, Event())
        return transport

    return connect


def main() -> None:
    way, parallel, command, file, key_file, known_hosts, port, *addresses = sys.argv[1:]
    content = Path(file).read_bytes()
    key = paramiko.Ed25519Key.from_private_key_file(key_file)
    pipelined = partial(tuned, pipelined=True)
    ways: dict[str, Way] = {"default": default, "tuned": tuned, "pipelined": pipelined}
    connect = ways[way](key, known_hosts, int(port))

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
