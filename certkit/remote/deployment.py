"""The registry's side of the remote program: its host's state as data, and what it answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from certkit.names import RegistryReference
from certkit.remote.report import FileReport

Way = Literal["container", "existing", "compose", "systemd", "command", "files"]
Plan = Literal["create", "recreate", "restart", "reload", "none"]
DeployResult = Literal[
    "unchanged",
    "would_change",
    "changed",
    "failed",
    "foreign",
    "rolled_back",
    "rollback_failed",
    "settled",
    "none",
]
Why = Literal["start", "ended", "other", "silent", "-"]


@dataclass(frozen=True)
class PairFile:
    """One file of the pair.

    Attributes:
        path: Absolute, at least two directories deep.
        content: The whole file. Kept out of `repr`: it may be a private key.
        mode: Permission bits.
        owner: ``user:group``.
    """

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o644
    owner: str = "0:0"


@dataclass(frozen=True)
class Endpoint:
    """Where to look at what is served, and by which name to ask.

    Attributes:
        connect: Host and TCP port.
        name: The registry as clients know it; a DNS name is sent as SNI.
    """

    connect: tuple[str, int]
    name: RegistryReference


@dataclass(frozen=True)
class Deployment:
    """What the registry's host should look like.

    Attributes:
        way: How the registry runs, and so what makes it take up new files. ``command`` runs
            `command`, ``existing`` restarts a container that certkit did not start.
        certificate: The chain, leaf first.
        key: The private key.
        want: SHA-256 of the leaf, 64 lower-case hex digits: what must be served in the end.
        endpoint: Where the registry answers, seen from its own host.
        timeout: Seconds that a start, and then coming up, may each take.
        engine: ``docker`` or ``podman``.
        name: The container's.
        image: Pulled where it is missing, before anything is touched.
        run: The engine's arguments that start a new container.
        spec: Stands for `run`, as a label of the container: another one means a new container.
        project: The directory that compose is called in.
        compose: The arguments before compose's own command.
        service: The compose service.
        unit: The systemd unit.
        command: Run by ``sh -c`` on the host.
        known: Other contents of the certificate's file that are certkit's own, so no strangers.
    """

    way: Way
    certificate: PairFile
    key: PairFile
    want: str
    endpoint: Endpoint
    timeout: int = 90
    engine: str = "docker"
    name: str = ""
    image: str = ""
    run: tuple[str, ...] = ()
    spec: str = ""
    project: str = ""
    compose: tuple[str, ...] = ()
    service: str = ""
    unit: str = ""
    command: str = ""
    known: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class DeployReport:
    """The answer to `certkit.remote.deploy.deploy`, ``settle`` and ``revert``.

    Attributes:
        result: How it ended. ``foreign``: a file that certkit did not write stands there; ``none``:
            there was nothing to revert, or not this certificate to settle.
        files: The certificate and the key; empty for ``settle`` and ``revert``. `previous` is
            never told.
        plan: What makes (or would make) the registry take up its files.
        before: SHA-256 of the leaf that was served at the start; empty where nothing was, or the
            host has no openssl.
        served: The same, at the end of the deployment, before any way back.
        seconds: How long it took.
        why: What was wrong: it did not ``start``, ``ended`` again, went on serving an``other``
            certificate, or was ``silent``.
        journal: The registry's last words when it did not come up.
        at_boot: False where nothing would start the container after a reboot.
        restored: Whether all of what was there before is back, after a way back; what is not is
            kept there, and the next deployment or ``revert`` goes that way again.
    """

    result: DeployResult
    files: tuple[FileReport, ...] = ()
    plan: Plan = "none"
    before: str = ""
    served: str = ""
    seconds: float = 0.0
    why: Why = "-"
    journal: tuple[str, ...] = ()
    at_boot: bool = True
    restored: bool = False


@dataclass(frozen=True)
class LookReport:
    """The answer to `certkit.remote.deploy.look`.

    Attributes:
        able: Whether the host has openssl; without it nothing is known.
        sha256: Of the leaf that is served; empty when nothing answers with one.
        leaf: That certificate, in PEM.
        text: What openssl said otherwise.
    """

    able: bool
    sha256: str = ""
    leaf: bytes = b""
    text: str = ""
