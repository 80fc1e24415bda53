"""What ``certkit doctor`` asks of a host beyond what trust is placed by; data, like the state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from certkit.names import RegistryReference
from certkit.runtimes.state import RuntimeState

QuestionKind = Literal["run", "look", "list", "inside"]

DOCKER_CERTS = "/etc/docker/certs.d"
PODMAN_CERTS = ("~/.config/containers/certs.d", "/etc/containers/certs.d", DOCKER_CERTS)
DAEMON_FILES = {
    "docker": "/etc/docker/daemon.json",
    "docker-rootless": "~/.config/docker/daemon.json",
    "docker-snap": "/var/snap/docker/current/config/daemon.json",
}
REGISTRIES_CONF = "/etc/containers/registries.conf"

INFO = "info"
BUILDERS = "builders"
REGISTERED = "registered since start"
PROXIES = "proxies"

# buildx copies the file into the container of a builder when that is made, and only then (buildx
# ``driver/docker-container``). The words of Docker's client follow as arguments.
_BUILDERS = (
    'for b in $("$@" ps --all --filter name=buildx_buildkit_ --format "{{.Names}}"); do '
    'echo "builder $b"; "$@" cp "$b:/etc/buildkit/buildkitd.toml" - 2>/dev/null | '
    "tar -xOf - 2>/dev/null; done; :"
)
# The time of certs.d changes when a registry is added, and the daemon writes its pid
# when it starts.
_REGISTERED = 'if [ "$1" -nt "$2" ]; then echo yes; else echo no; fi'
_PROXIES = "env | grep -i -E '^(https?|all|no)_proxy='; :"


@dataclass(frozen=True)
class Question:
    """One thing to ask.

    Attributes:
        kind: ``run`` a command that changes nothing; ``look`` at a file; ``list`` a directory's
            names; ``inside``: with what the files hold, private keys excepted.
        label: What the answer is found by: a word, or the path.
        words: Of the command; empty for the other kinds.
    """

    kind: QuestionKind
    label: str
    words: tuple[str, ...] = ()


def general_questions() -> tuple[Question, ...]:
    """Return what is asked of a host as a whole."""
    return (Question("run", PROXIES, ("sh", "-c", _PROXIES)),)


def questions(
    runtime: RuntimeState, references: Sequence[RegistryReference]
) -> tuple[Question, ...]:
    """Return what is asked of a runtime that is on a host.

    Args:
        runtime: As it is wanted.
        references: The registry's, as image names write them.
    """
    if runtime.name == "podman":
        return (
            Question("look", REGISTRIES_CONF),
            *(Question("list", base) for base in PODMAN_CERTS),
            *_insides(PODMAN_CERTS, references),
        )
    base = certs_dir(runtime)
    client = runtime.version[: runtime.version.index("version")]
    parents = tuple(dict.fromkeys((base, DOCKER_CERTS)))
    asked = [
        Question("run", INFO, (*client, "info", "--format", "{{json .}}")),
        Question("run", BUILDERS, ("sh", "-c", _BUILDERS, "sh", *client)),
        Question("look", DAEMON_FILES.get(runtime.name, DAEMON_FILES["docker"])),
        *(Question("list", parent) for parent in parents),
        *_insides(parents, references),
    ]
    if runtime.name == "docker":
        words = ("sh", "-c", _REGISTERED, "sh", base, "/var/run/docker.pid")
        asked.append(Question("run", REGISTERED, words))
    return tuple(asked)


def certs_dir(runtime: RuntimeState) -> str:
    """Return the directory that holds one directory for each registry."""
    return runtime.files[0].path.rsplit("/", 2)[0]


def _insides(
    parents: Sequence[str], references: Sequence[RegistryReference]
) -> tuple[Question, ...]:
    return tuple(
        Question("inside", f"{parent}/{reference.text}")
        for parent in parents
        for reference in references
    )
