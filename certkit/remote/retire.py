"""The phase that takes a registry out of a daemon's list of insecure ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from certkit.errors import InputError
from certkit.names import RegistryReference
from certkit.remote.encode import Lines, add_reference, add_runtime
from certkit.remote.exchange import Exchange
from certkit.remote.framing import clean, nonsense, unhex_text
from certkit.remote.program import compose
from certkit.remote.protocol import answer_lines
from certkit.runtimes.answers import REACHED
from certkit.runtimes.state import RuntimeState

RetireResult = Literal["retired", "rolled_back", "rollback_failed", "kept"]
RetireWhy = Literal["", "listed", "dead", "pull"]

_RETIRE = (
    *("common", "state", "data", "service", "find"),
    *("compare", "place", "settings", "log", "retire"),
)

# Seconds: the lock, a reload and the way back, and the rest for forks and fsyncs.
_LOCK_WAIT = 15
_RELOAD = 30
_SLACK = 60


@dataclass(frozen=True)
class RetireReport:
    """How it ended for one daemon.

    Attributes:
        name: The runtime; `user` as in `certkit.remote.report.RuntimeReport`.
        path: The file.
        result: ``retired``; ``rolled_back``: the old file is back, and the daemon runs on it;
            ``rollback_failed``; or ``kept``: nothing was written, and the reload did not do it.
        why: Where it was not retired: the daemon still ``listed`` the registry, was ``dead``, or
            did not ``pull`` from it.
        pull_text: What that pull said.
        journal: The daemon's own complaints.
    """

    name: str
    user: str
    path: str
    result: RetireResult
    why: RetireWhy = ""
    pull_text: str = ""
    journal: tuple[str, ...] = ()


def retire(
    runtime: RuntimeState,
    user: str,
    references: Sequence[RegistryReference],
    before: bytes,
    after: bytes,
    *,
    timeout: int = 60,
    operator: str = "",
    nonce: str | None = None,
) -> Exchange:
    """Compose the phase that replaces the settings, has them reloaded and looks what came of it.

    The host replaces the file only while it is still `before`. The old one comes back where the
    daemon, after the reload, still lists one of the references or does not pull from it.

    Args:
        runtime: Whose settings.
        user: The user a rootless runtime belongs to.
        references: What the daemon is to verify from then on.
        before: The file as it was told.
        after: The file as it should be; the same as `before` where only the reload is missing.
        timeout: Seconds that each pull may take.
        operator: Who asks, told to whoever finds the host locked.
        nonce: For tests; random by default.

    Raises:
        InputError: The runtime has no such settings, or something cannot be sent.
    """
    if not runtime.settings or runtime.activation is None:
        raise InputError(f"{runtime.name} has no list of insecure registries", "")
    lines = Lines()
    lines.add("wait", _LOCK_WAIT)
    if operator:
        lines.add("operator", operator)
    lines.add("limit-probe", timeout)
    old, new = lines.add_blob(before), lines.add_blob(after)
    lines.add("before", old)
    lines.add("after", new)
    lines.add("reached", REACHED)
    add_runtime(lines, runtime, user)
    lines.add_all("pull", runtime.probe.pull)
    lines.add_all("remove", runtime.probe.remove)
    lines.add_all("gone", _asked(runtime, references))
    for reference in references:
        add_reference(lines, reference)
    limit = _LOCK_WAIT + 2 * _RELOAD + timeout * max(1, len(references)) + _SLACK
    return compose(_RETIRE, lines, nonce, limit)


def _asked(runtime: RuntimeState, references: Sequence[RegistryReference]) -> tuple[str, ...]:
    """Return a command that prints ``false`` for each reference that is listed, then ``asked``."""
    each = "".join(
        f'{{{{with index .RegistryConfig.IndexConfigs "{reference.text}"}}}}{{{{.Secure}}}} '
        "{{end}}"
        for reference in references
    )
    return (*runtime.probe.verification[:-1], f"{each}asked")


def decode_retire(stdout: bytes, nonce: str) -> RetireReport:
    """Read the answer to `retire`.

    Raises:
        HostError: ``conflict`` where the file changed since it was told; what the program reported
            besides; ``shell`` when it did not run, or not to its end.
    """
    why = pulled = ""
    journal: list[str] = []
    for line in answer_lines(stdout, nonce):
        words = line.rest.split(" ")
        if line.key == "reason":
            if words[0] not in get_args(RetireWhy):
                raise nonsense(f"reason {words[0]}")
            why = words[0]
        elif line.key == "pull-text":
            pulled = unhex_text(words[0])
        elif line.key == "journal":
            journal = unhex_text(words[0]).splitlines()[-10:]
        elif line.key == "retire" and len(words) == 4:
            if words[1] not in get_args(RetireResult):
                raise nonsense(f"retire {words[1]}")
            return RetireReport(
                name=clean(words[0]),
                user=clean(words[3]),
                path=unhex_text(words[2]),
                result=cast(RetireResult, words[1]),
                why=cast(RetireWhy, why),
                pull_text=pulled,
                journal=tuple(text[:400] for text in journal),
            )
    raise nonsense("no word of how it ended")
