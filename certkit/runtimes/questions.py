"""What ``certkit doctor`` asks of a host beyond what trust is placed by; data, like the state."""

from __future__ import annotations

from typing import Literal, NamedTuple

from certkit.runtimes.state import RuntimeState

QuestionKind = Literal["run", "look"]

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


class Question(NamedTuple):
    """One thing to ask.

    Attributes:
        kind: ``run`` a command that changes nothing, or ``look`` at a file.
        label: What the answer is found by: a word, or the path.
        words: Of the command; empty for the other kinds.
    """

    kind: QuestionKind
    label: str
    words: tuple[str, ...] = ()


def general_questions() -> tuple[Question, ...]:
    """Return what is asked of a host as a whole."""
    return (Question("run", PROXIES, ("sh", "-c", _PROXIES)),)


def questions(runtime: RuntimeState) -> tuple[Question, ...]:
    """Return what is asked of a runtime that is on a host."""
    if runtime.name == "podman":
        return ()
    client = runtime.version[: runtime.version.index("info")]
    asked = [
        Question("run", INFO, (*client, "info", "--format", "{{json .}}")),
        Question("run", BUILDERS, ("sh", "-c", _BUILDERS, "sh", *client)),
        Question("look", runtime.settings),
    ]
    if runtime.name == "docker":
        base = runtime.files[0].path.rsplit("/", 2)[0]
        words = ("sh", "-c", _REGISTERED, "sh", base, "/var/run/docker.pid")
        asked.append(Question("run", REGISTERED, words))
    return tuple(asked)
