"""Docker Engine: rootful, rootless, and from the snap.

The daemon reads ``<certs.d>/<reference as written>/*.crt`` at each pull (moby,
``daemon/pkg/registry/config.go``: ``CertsDir``, ``hostCertsDir``), so trust counts without a
restart; `build_note` tells of the one case where it does not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from certkit.names import RegistryReference
from certkit.runtimes.state import (
    Activation,
    DesiredFile,
    Evidence,
    Probe,
    RuntimeChoice,
    RuntimeState,
    ServiceScope,
)

_USUAL = "/etc/docker/certs.d"
# Said aloud: a context chosen in root's ~/.docker/config.json may point at another machine.
_ROOTFUL = ("docker", "--host", "unix:///var/run/docker.sock")
# The rootless socket's place depends on the uid; the remote program sets DOCKER_HOST to it.
_ROOTLESS = ("docker",)
# See `RuntimeState.version`.
_FACTS = (
    "{{.ServerVersion}}|{{.ContainersRunning}}|{{.ContainersPaused}}|{{.LiveRestoreEnabled}}|"
    "{{.SystemTime}}|{{json .RegistryConfig}}"
)
_SNAP = ("/snap/bin/docker", "--host", "unix:///var/run/docker.sock")


def rootful(
    references: Sequence[RegistryReference], bundle: bytes, choice: RuntimeChoice, named: bool
) -> RuntimeState:
    """Describe Docker Engine as distributions and Docker's own packages install it."""
    return _state(
        "docker",
        references,
        bundle,
        choice,
        named,
        client=_ROOTFUL,
        detect=(Evidence("command", "dockerd"), Evidence("path", "/etc/init.d/docker")),
        certs_dir=choice.certs_dir or _USUAL,
        scope="system",
        settings="/etc/docker/daemon.json",
        pidfile="/var/run/docker.pid",
        # Docker Desktop's and Podman's.
        elsewhere=("~/.docker/certs.d", "/etc/containers/certs.d"),
        service=choice.service or "docker",
    )


def rootless(
    references: Sequence[RegistryReference], bundle: bytes, choice: RuntimeChoice, named: bool
) -> RuntimeState:
    """Describe a rootless Docker: one for each user that runs one."""
    return _state(
        "docker-rootless",
        references,
        bundle,
        choice,
        named,
        client=_ROOTLESS,
        detect=(
            Evidence("user-path", "@run/docker.sock"),
            Evidence("user-path", "~/.config/systemd/user/docker.service"),
        ),
        certs_dir=choice.certs_dir or "~/.config/docker/certs.d",
        scope="user",
        settings="~/.config/docker/daemon.json",
        pidfile="@run/docker.pid",
        elsewhere=(_USUAL,),
        service=choice.service or "docker",
    )


def snap(
    references: Sequence[RegistryReference], bundle: bytes, choice: RuntimeChoice, named: bool
) -> RuntimeState:
    """Describe Docker from the snap, whose layout puts /etc/docker below $SNAP_DATA."""
    return _state(
        "docker-snap",
        references,
        bundle,
        choice,
        named,
        client=_SNAP,
        detect=(Evidence("path", "/var/snap/docker/current"),),
        certs_dir=choice.certs_dir or "/var/snap/docker/current/etc/docker/certs.d",
        scope="snap",
        settings="/var/snap/docker/current/config/daemon.json",
        pidfile="/var/snap/docker/current/run/docker.pid",
        elsewhere=(_USUAL,),
        service=choice.service or "docker",
    )


def build_note(version: str, new_directory: bool) -> str:
    """Tell in one line of the case where a restart is needed.

    Docker 20.10 to 24 lists the directories of certs.d once, when the daemon starts, for
    ``docker build`` with BuildKit (moby v24.0.9 ``cmd/dockerd/daemon.go``; fixed in 25.0.0); the
    files in a directory it knows are read each time.

    Args:
        version: As the daemon prints it.
        new_directory: Whether the registry's directory is new.

    Returns:
        The line, or an empty text where no restart is needed.
    """
    found = re.match(r"(\d+)\.", version)
    if not new_directory or found is None or not 18 <= int(found.group(1)) <= 24:
        return ""
    return (
        f"Docker {version} lists registries for docker build when it starts: builds from this "
        "registry need a restart of the daemon, pulls do not"
    )


def _state(
    name: str,
    references: Sequence[RegistryReference],
    bundle: bytes,
    choice: RuntimeChoice,
    named: bool,
    *,
    client: tuple[str, ...],
    detect: tuple[Evidence, ...],
    certs_dir: str,
    scope: ServiceScope,
    service: str,
    settings: str,
    pidfile: str,
    elsewhere: tuple[str, ...],
) -> RuntimeState:
    base = certs_dir.rstrip("/")
    owner = "@user" if scope == "user" else "0:0"
    return RuntimeState(
        name=name,
        detect=detect,
        named=named,
        files=tuple(
            DesiredFile(f"{base}/{reference.text}/ca.crt", bundle, owner=owner)
            for reference in references
        ),
        version=(*client, "info", "--format", _FACTS),
        probe=Probe(
            pull=(*client, "pull"),
            digest=(
                *(*client, "image", "inspect", "--format"),
                "{{range .RepoDigests}}{{println .}}{{end}}",
            ),
            present=(*client, "image", "inspect", "--format", "{{.Id}}"),
            remove=(*client, "image", "rm"),
            verification=(*client, "info", "--format", "{{json .RegistryConfig}}"),
        ),
        activation=Activation(
            service=service,
            scope=scope,
            health=(*client, "version", "--format", "{{.Server.Version}}"),
            restart_command=choice.restart_command,
            timeout=choice.timeout,
        ),
        user=(choice.rootless_user or "") if scope == "user" else "",
        # Docker 28 with the containerd store looks for host_port_ first, and where there is a
        # hosts.toml only that counts; _default is read only where there is no own directory.
        shadows=tuple(
            path
            for reference in references
            for path in (
                *([f"{base}/{_underscored(reference)}"] if reference.port else []),
                f"{base}/{reference.text}/hosts.toml",
            )
        ),
        hides=(f"{base}/_default",),
        elsewhere=tuple(
            f"{other}/{reference.text}"
            for other in dict.fromkeys((*elsewhere, _USUAL))
            for reference in references
            if other != base
        ),
        settings=settings,
        pidfile=pidfile,
    )


def _underscored(reference: RegistryReference) -> str:
    """Return containerd's other spelling of ``host:port`` (hosts.go: ``host_port_``)."""
    head, _, port = reference.text.rpartition(":")
    return f"{head}_{port}_"
