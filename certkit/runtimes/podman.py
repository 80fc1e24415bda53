"""Podman, and with it Buildah and Skopeo: the containers/image library.

It reads the first directory that exists out of ``$HOME/.config/containers/certs.d/<reference>``
(root's too), ``/etc/containers/certs.d/<reference>`` and ``/etc/docker/certs.d/<reference>``, and
never merges them (containers/image ``docker/docker_client.go``: ``dockerCertDir``). The middle one
serves every user and is Podman's own, so that is where the trust goes. There is no daemon.
"""

from __future__ import annotations

from collections.abc import Sequence

from certkit.names import RegistryReference
from certkit.runtimes.state import DesiredFile, Evidence, Probe, RuntimeChoice, RuntimeState

IPV6_NOTE = "Podman refuses image names with an IPv6 address: give the registry a name for it"


def podman(
    references: Sequence[RegistryReference], bundle: bytes, choice: RuntimeChoice, named: bool
) -> RuntimeState:
    """Describe Podman for all users of a host."""
    base = (choice.certs_dir or "/etc/containers/certs.d").rstrip("/")
    return RuntimeState(
        name="podman",
        detect=(Evidence("command", "podman"),),
        named=named,
        files=tuple(
            DesiredFile(f"{base}/{reference.text}/ca.crt", bundle) for reference in references
        ),
        version=("podman", "version", "--format", "{{.Client.Version}}"),
        probe=Probe(
            pull=("podman", "pull"),
            digest=(
                *("podman", "image", "inspect", "--format"),
                "{{range .RepoDigests}}{{println .}}{{end}}",
            ),
            present=("podman", "image", "exists"),
            remove=("podman", "image", "rm"),
            verification=("podman", "info", "--format", "json"),
        ),
        shadows=tuple(f"~/.config/containers/certs.d/{reference.text}" for reference in references),
        hides=tuple(f"/etc/docker/certs.d/{reference.text}" for reference in references),
    )


def reference_note(reference_text: str) -> str:
    """Return the line for a reference that Podman cannot use, or an empty text."""
    return IPV6_NOTE if reference_text.startswith("[") else ""
