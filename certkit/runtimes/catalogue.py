"""The runtimes certkit knows. A new one is one new module and one line in `_RUNTIMES`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches

from certkit.errors import InputError
from certkit.names import RegistryReference
from certkit.runtimes import docker, podman
from certkit.runtimes.state import HostState, RuntimeChoice, RuntimeState

_Describe = Callable[[Sequence[RegistryReference], bytes, RuntimeChoice, bool], RuntimeState]

_RUNTIMES: Mapping[str, _Describe] = {
    "docker": docker.rootful,
    "docker-rootless": docker.rootless,
    "docker-snap": docker.snap,
    "podman": podman.podman,
}

_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)

AUTO = "auto"
NAMES: tuple[str, ...] = tuple(_RUNTIMES)


def desired_state(
    references: Sequence[RegistryReference], bundle_pem: bytes, choice: RuntimeChoice
) -> HostState:
    """Say what a host should look like.

    With ``auto`` every runtime is in the state and the host tells which it has. The overrides
    (service, directory, restart command) then are about ``docker``, the rootful one; else they
    are about every runtime that was named.

    Args:
        references: The registry and its aliases, each as image names write it; the first one
            names the registry.
        bundle_pem: The authorities to trust, as PEM: one, or two during a rollover.
        choice: What the operator said of the host.

    Returns:
        The state, ready for `certkit.remote.program.place`.

    Raises:
        InputError: An unknown runtime, ``auto`` beside a name, or no reference.
    """
    if not references:
        raise InputError("no registry was given", "name it, such as registry.lab:5000")
    check_names(choice.runtimes)
    chosen = tuple(dict.fromkeys(choice.runtimes))
    automatic = AUTO in chosen or not chosen
    plain = choice._replace(service=None, certs_dir=None, restart_command=None)
    runtimes = tuple(
        describe(
            tuple(dict.fromkeys(references)),
            bundle_pem,
            choice if not automatic or name == "docker" else plain,
            not automatic,
        )
        for name, describe in _RUNTIMES.items()
        if automatic or name in chosen
    )
    return HostState(references[0].text, runtimes, tuple(_BLOCK.findall(bundle_pem)))


def check_names(names: Sequence[str]) -> None:
    """Refuse what an inventory may not say of a host's runtimes.

    Raises:
        InputError: An unknown runtime, or ``auto`` beside a name.
    """
    for name in names:
        if name not in _RUNTIMES and name != AUTO:
            close = get_close_matches(name, (*NAMES, AUTO), 1)
            raise InputError(
                f"runtime {name!r} is not known",
                f"did you mean {close[0]}?" if close else f"use {AUTO} or {', '.join(NAMES)}",
            )
    if AUTO in names and len(names) > 1:
        raise InputError(
            f"runtime {AUTO} stands alone, and here it stands beside names",
            f"write either {AUTO} or the names",
        )


def advice(
    runtime: str, version: str, references: Sequence[str], new_directory: bool
) -> tuple[str, ...]:
    """Return the lines worth telling of a runtime as it was found on a host.

    Args:
        runtime: Its name.
        version: As it printed it; empty when it did not answer.
        references: The registry's references, as written.
        new_directory: Whether a registry's directory was made just now.
    """
    lines: list[str] = []
    if runtime.startswith("docker"):
        lines.append(docker.build_note(version, new_directory))
    if runtime == "podman":
        lines.extend(podman.reference_note(reference) for reference in references)
    return tuple(dict.fromkeys(line for line in lines if line))
