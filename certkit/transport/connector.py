"""The way in: one connector for a run, for hosts over SSH and for this machine."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from certkit.errors import InputError
from certkit.inventory.model import Host
from certkit.transport import faults
from certkit.transport.connection import BeforeLogin, Connection, Connector
from certkit.transport.local import LocalConnection
from certkit.transport.options import ConnectorOptions
from certkit.transport.watchdog import Watchdog

if TYPE_CHECKING:
    from certkit.transport.ssh import SSHConnector


def open_connector(options: ConnectorOptions | None = None) -> Connector:
    """Return the connector of a run; close it at the end.

    Args:
        options: None for the defaults: strict host keys, the usual files, no prompts.

    Raises:
        InputError: `ConnectorOptions.known_hosts` names no file, and none may be made.
    """
    options = options or ConnectorOptions()
    known_hosts = options.known_hosts
    strict = options.host_key_policy == "strict"
    if known_hosts is not None and strict and not known_hosts.is_file():
        raise InputError(
            f"there is no known_hosts file {known_hosts}",
            "make it with `ssh-keyscan` from a place you trust, or use "
            "`--host-key accept-new` to have it made at the first contact",
        )
    return _AnyConnector(options)


class _AnyConnector:
    """Picks the carrier by ``host.connection``."""

    def __init__(self, options: ConnectorOptions) -> None:
        self._options = options
        self._dog = Watchdog()
        self._ssh: SSHConnector | None = None
        self._lock = threading.Lock()

    def connect(self, host: Host, before_login: BeforeLogin | None = None) -> Connection:
        if self._dog.aborted:
            raise faults.interrupted()
        if host.connection == "local":
            if before_login is not None:
                before_login()
            return LocalConnection(host, self._dog)
        return self._ssh_connector().connect(host, before_login)

    def abort(self) -> None:
        self._dog.abort()

    def close(self) -> None:
        with self._lock:
            ssh, self._ssh = self._ssh, None
        if ssh is not None:
            ssh.close()
        self._dog.close()

    def _ssh_connector(self) -> SSHConnector:
        with self._lock:
            if self._ssh is None:
                # paramiko takes 0.1 s to import: not for commands that reach no host.
                from certkit.transport.ssh import SSHConnector

                self._ssh = SSHConnector(self._options, self._dog)
            return self._ssh
