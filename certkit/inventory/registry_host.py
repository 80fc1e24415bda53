"""``registry_host:``: the machine the registry runs on, and how it runs there.

A mapping of its own in the native format, the variable ``certkit_registry_host`` of Ansible's, or a
file of its own (``--registry-host FILE``) beside an inventory that cannot be changed.
`certkit.inventory.native.registry_host` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from certkit.inventory.model import Host

RunKind = Literal["container", "existing-container", "compose", "systemd", "proxy", "files"]
Engine = Literal["docker", "podman"]

RUN_KINDS: tuple[str, ...] = get_args(RunKind)
ENGINES: tuple[str, ...] = get_args(Engine)
KEY_MODES = (0o400, 0o440, 0o600, 0o640, 0o660)
"""Modes a private key may have: nothing for others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryHost:
    """The registry's machine, and how the registry runs on it.

    Attributes:
        host: The machine.
        run: ``container``: certkit starts it; ``existing-container``, ``compose``, ``systemd``: it
            is there and is restarted; ``proxy``: a server in front of it is told to reload;
            ``files``: files are placed, nothing else.
        certificate: Where the chain goes on the host; None lets certkit choose (``container``).
        key: Where the private key goes; None as above.
        key_owner: ``user:group``, by name or number.
        key_mode: One of `KEY_MODES`.
        connect: ``host:port`` where the registry answers, seen from its own machine; None for
            127.0.0.1 and the port it is published at.
        timeout: Seconds until it must serve; None for the host's ``timeout.restart``.
        engine: What runs the container.
        image: Of a container that certkit starts.
        name: The container's name.
        port: Where a container that certkit starts is published; None for the registry's own.
        data: A volume's name, or an absolute path, for the images.
        env_file: A file of variables on the host (``--env-file``), for what else it needs.
        project: The directory of the compose project.
        file: The compose file, relative to `project`; None for compose's own choice.
        service: The compose service.
        unit: The systemd unit.
        reload_command: Run by root through ``sh -c`` on the host.
    """

    host: Host
    run: RunKind
    certificate: str | None = None
    key: str | None = None
    key_owner: str = "0:0"
    key_mode: int = 0o600
    connect: str | None = None
    timeout: float | None = None
    engine: Engine = "docker"
    image: str = "registry:2"
    name: str = "registry"
    port: int | None = None
    data: str = "registry-data"
    env_file: str | None = None
    project: str | None = None
    file: str | None = None
    service: str | None = None
    unit: str | None = None
    reload_command: str | None = None
