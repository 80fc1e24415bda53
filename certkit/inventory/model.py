"""What an inventory comes down to: hosts, with every value settled before anything connects.

Plain data. The readers of the single formats, ssh_config and the command line all end here; what
follows (transport, fleet) never learns which of them a value came from, except through `origins`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

from certkit.secret import Secret

BecomeMethod = Literal["none", "sudo", "doas"]
ConnectionKind = Literal["ssh", "local"]
RestartPolicy = Literal["changed", "safe", "always", "never"]
InventoryFormat = Literal["native", "ansible-yaml", "ansible-ini", "ansible-json", "hosts"]

BECOME_METHODS: tuple[str, ...] = get_args(BecomeMethod)
CONNECTIONS: tuple[str, ...] = get_args(ConnectionKind)
RESTART_POLICIES: tuple[str, ...] = get_args(RestartPolicy)

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return _NOTHING


@dataclass(frozen=True, slots=True)
class Become:
    """How to get the rights to write the trust.

    Attributes:
        method: ``none`` when the login already has the rights.
        user: The user to become.
        password: What ``sudo`` or ``doas`` may ask for; None when nothing was given.
        executable: Path of the program in place of ``sudo`` or ``doas`` on PATH.
    """

    method: BecomeMethod = "sudo"
    user: str = "root"
    password: Secret | None = field(default=None, hash=False)
    executable: str | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Bounds, all in seconds.

    Attributes:
        connect: Until TCP is connected, name lookup included.
        handshake: From there until the host key is checked and the login accepted.
        host: For all the work on one host, restarts excluded.
        restart: For a daemon's restart, and then again for its health check.
    """

    connect: float = 10
    handshake: float = 15
    host: float = 180
    restart: float = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One machine, and everything needed to reach it and to work there.

    A hop of `jump` is a Host as well, with its own login and host key, and an empty `jump`.

    Attributes:
        name: How the inventory calls it; unique, and what reports show.
        address: DNS name or IP address to connect to (no brackets, possibly ``%zone``).
        port: TCP port of its SSH server.
        user: Login name.
        connection: ``local`` runs on this machine, without SSH.
        identity_files: Private keys to use; empty means the user's default keys.
        certificate_file: OpenSSH user certificate; None means ``<identity>-cert.pub`` if there.
        identities_only: Whether only `identity_files` (and `agent_key`) may be offered.
        agent_key: ``SHA256:...`` fingerprint of the one agent key to offer.
        use_agent: Whether the SSH agent may be asked at all.
        agent_socket: The agent's socket when ssh_config names one; None means SSH_AUTH_SOCK.
        password: For password login.
        key_passphrase: For an encrypted identity file.
        jump: The way there, outermost hop first, already flattened.
        host_key: The pinned key: ``SHA256:...`` or ``<type> <base64>``.
        host_key_alias: The name to look up in known_hosts in place of the address.
        known_hosts_files: The user's files; None means the default ones, empty means none.
        global_known_hosts_files: The system's files; None means the default ones.
        become: How to get the rights to write.
        runtimes: Names of runtimes, or ``auto`` alone.
        service: The daemon's service name where it is not the runtime's usual one.
        certs_dir: The certs.d directory where it is not the runtime's usual one; absolute.
        restart: The policy for this host; None leaves it to the run's.
        restart_command: The operator's own command, run on the host by root through ``sh -c``.
        rootless_user: The user who owns a rootless daemon; None means every one found.
        timeouts: Bounds for this host.
        groups: Groups it is in, in order of precedence, the strongest last.
        tags: Free words for the operator.
        skip: Listed, but never acted on (a bastion, or a connection certkit cannot make).
        also_known_as: Other names in the inventory for the same address and port.
        origins: Field name to where its value was found; what is missing is built in.
        vars: What the inventory says beyond this, unused; may hold the operator's secrets.
    """

    name: str
    address: str
    user: str
    port: int = 22
    connection: ConnectionKind = "ssh"
    identity_files: tuple[Path, ...] = ()
    certificate_file: Path | None = None
    identities_only: bool = False
    agent_key: str | None = None
    use_agent: bool = True
    agent_socket: Path | None = None
    password: Secret | None = field(default=None, hash=False)
    key_passphrase: Secret | None = field(default=None, hash=False)
    jump: tuple[Host, ...] = ()
    host_key: str | None = None
    host_key_alias: str | None = None
    known_hosts_files: tuple[Path, ...] | None = None
    global_known_hosts_files: tuple[Path, ...] | None = None
    become: Become = Become()
    runtimes: tuple[str, ...] = ("auto",)
    service: str | None = None
    certs_dir: str | None = None
    restart: RestartPolicy | None = None
    restart_command: str | None = None
    rootless_user: str | None = None
    timeouts: Timeouts = Timeouts()
    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    skip: bool = False
    also_known_as: tuple[str, ...] = ()
    origins: Mapping[str, str] = field(default_factory=_nothing, compare=False, repr=False)
    vars: Mapping[str, Any] = field(default_factory=_nothing, compare=False, repr=False)

    @property
    def endpoint(self) -> str:
        """``address:port`` for people, an IPv6 address in brackets."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{self.port}"


class Settings(NamedTuple):
    """What the inventory says about the run as a whole; None leaves it to flags and defaults.

    Attributes:
        restart: Restart policy for all hosts that have none of their own.
        wave: Sizes of the restart waves, as ``--wave`` takes them: ``("1", "10%", "50%")``.
        max_fail: How many failed hosts stop the run: ``3`` or ``10%``.
        parallel: Hosts worked on at the same time.
    """

    restart: RestartPolicy | None = None
    wave: tuple[str, ...] | None = None
    max_fail: str | None = None
    parallel: int | None = None


class Overrides(NamedTuple):
    """The command line's word on logins, stronger than anything an inventory says.

    They hold for the hosts themselves. A jump host keeps its own login, as with ``ssh -J``; only
    the identity file is offered there too where the hop has none of its own.

    Attributes:
        user: ``--user``.
        port: ``--port``.
        identity_file: ``--identity-file``.
    """

    user: str | None = None
    port: int | None = None
    identity_file: Path | None = None
