"""From an inventory's ``registry_host:`` to the state of that host, as data."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable

from certkit.inventory.registry_host import RegistryHost, RunKind
from certkit.names import RegistryReference
from certkit.registry.pair import Pair
from certkit.remote.deployment import Deployment, Endpoint, PairFile, Way

_WAYS: dict[RunKind, Way] = {
    "container": "container",
    "existing-container": "existing",
    "compose": "compose",
    "systemd": "systemd",
    "proxy": "command",
    "files": "files",
}
_INSIDE = "/certkit"
"""Where a container that certkit starts finds its pair."""


def deployment(
    server: RegistryHost, reference: RegistryReference, pair: Pair, known: Iterable[bytes] = ()
) -> Deployment:
    """Return what the registry's host should look like.

    Args:
        server: The host, and how the registry runs there.
        reference: The registry, as image names write it.
        pair: What it is to serve.
        known: Certificate files of certkit's own that may stand there, though another run or a
            person placed them: the one in service while the next is deployed.
    """
    folder = f"/etc/certkit/{reference.slug}"
    certificate = server.certificate or f"{folder}/server.crt"
    key = server.key or f"{folder}/server.key"
    run = _arguments(server, reference, certificate, key) if server.run == "container" else ()
    named = server.run in ("container", "existing-container")
    return Deployment(
        way=_WAYS[server.run],
        certificate=PairFile(certificate, pair.chain_pem),
        key=PairFile(key, pair.key_pem, server.key_mode, server.key_owner),
        want=pair.sha256,
        endpoint=endpoint(server, reference),
        timeout=max(1, round(server.timeout or server.host.timeouts.restart)),
        engine=server.engine,
        name=server.name if named else "",
        image=server.image if server.run == "container" else "",
        run=run,
        spec=_spec(run) if run else "",
        project=server.project or "",
        compose=(f"--file={server.file}",) if server.file else (),
        service=server.service or "",
        unit=server.unit or "",
        command=server.reload_command or "",
        known=tuple(known),
    )


def endpoint(server: RegistryHost, reference: RegistryReference) -> Endpoint:
    """Return where the registry answers, seen from its own host."""
    if server.connect is not None:
        return Endpoint(RegistryReference.parse(server.connect).endpoint, reference)
    return Endpoint(("127.0.0.1", server.port or reference.endpoint[1]), reference)


def _arguments(
    server: RegistryHost, reference: RegistryReference, certificate: str, key: str
) -> tuple[str, ...]:
    """The engine's arguments for a registry with TLS.

    The settings are those of the official image, versions 2 and 3 alike (facts: distribution's
    configuration by environment; both listen on 5000).
    """
    inside = {path: f"{_INSIDE}/{posixpath.basename(path)}" for path in (certificate, key)}
    environment = {
        "REGISTRY_HTTP_ADDR": ":5000",
        "REGISTRY_HTTP_TLS_CERTIFICATE": inside[certificate],
        "REGISTRY_HTTP_TLS_KEY": inside[key],
    }
    words = ["run", "--detach", f"--name={server.name}", "--restart=always"]
    words += [f"--publish={server.port or reference.endpoint[1]}:5000"]
    words += [f"--volume={server.data}:/var/lib/registry"]
    # The directory, not the files: a file that is replaced would stay the old one inside.
    words += [f"--volume={posixpath.dirname(certificate)}:{_INSIDE}:ro"]
    words += [f"--env={name}={value}" for name, value in environment.items()]
    if server.env_file is not None:
        words.append(f"--env-file={server.env_file}")
    spec = _digest((*words, server.image))
    return (*words, f"--label=certkit.spec={spec}", server.image)


def _spec(run: tuple[str, ...]) -> str:
    """The label that `_arguments` gave."""
    return next(word.rpartition("=")[2] for word in run if word.startswith("--label=certkit.spec="))


def _digest(words: tuple[str, ...]) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
