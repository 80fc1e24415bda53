"""The run journal: which hosts a run has done, so that the next one can go on from there.

One JSON line for the run, one for each finished host, each a single write to a file opened for
appending: a kill loses at most the line in flight. No secret ever comes here, since nothing but
names, outcomes and digests does.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs

from certkit.errors import InputError
from certkit.fleet.events import Event, HostFinished
from certkit.fleet.report import HostResult, Outcome
from certkit.paths import expanded
from certkit.runtimes.state import HostState

SCHEMA = "certkit.run/1"
ENVIRONMENT = "CERTKIT_STATE"

# Old runs beyond this many are removed when a new one begins.
_KEPT = 100
_DONE = frozenset({Outcome.UNCHANGED, Outcome.CHANGED})


def state_directory() -> Path:
    """Where runs are recorded: ``CERTKIT_STATE``, else the user's state directory."""
    path = os.environ.get(ENVIRONMENT) or platformdirs.user_state_dir("certkit", appauthor=False)
    return expanded(path) / "runs"


def payload_digest(state: HostState, extra: str = "") -> str:
    """Digest what a host is to look like, so that a changed wish is never taken for done.

    Args:
        state: The wish.
        extra: Anything else that makes a difference, such as the restart policy.

    Returns:
        64 hex digits of SHA-256.
    """
    text = json.dumps(asdict(state), sort_keys=True, default=lambda raw: raw.hex())
    return hashlib.sha256(f"{extra}\0{text}".encode()).hexdigest()


class PastRun(NamedTuple):
    """What is known of an earlier run.

    Attributes:
        id: Its name.
        planned: The hosts it was to work on.
        outcomes: Name to outcome; a host it never came to is missing.
        done: Name to the digest that the host was brought to.
    """

    id: str
    planned: tuple[str, ...]
    outcomes: Mapping[str, Outcome]
    done: Mapping[str, str]

    def unfinished(self, name: str) -> bool:
        """Whether a host of that run failed, was left out or was never come to."""
        return name in self.planned and name not in self.done


class RunJournal:
    """Records one run; a watcher of its events.

    Attributes:
        path: The file.
        digests: Host name to `payload_digest`.
        carried: Hosts that an earlier run had done and that this one leaves out.
    """

    def __init__(
        self, path: Path, digests: Mapping[str, str], carried: frozenset[str], descriptor: int
    ) -> None:
        self.path = path
        self.digests = digests
        self.carried = carried
        self._descriptor = descriptor

    @classmethod
    def begin(
        cls,
        command: str,
        registry: str,
        digests: Mapping[str, str],
        carried: frozenset[str] = frozenset(),
    ) -> RunJournal:
        """Start recording a run.

        Args:
            command: Such as ``distribute``.
            registry: Its reference.
            digests: Host name to `payload_digest`, for every host of the run.
            carried: Hosts among them that an earlier run had done with the same digest.

        Raises:
            OSError: The state directory cannot be written.
        """
        directory = state_directory()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        now = datetime.now(timezone.utc)
        # The random end keeps two runs of the same second apart; the time makes names sort.
        name = f"{now:%Y%m%dT%H%M%S}.{now.microsecond:06d}Z-{secrets.token_hex(2)}"
        path = directory / f"{name}.jsonl"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        journal = cls(path, digests, carried, os.open(path, flags, 0o600))
        journal._write(
            {
                "schema": SCHEMA,
                "run": name,
                "command": command,
                "registry": registry,
                "started": _now(),
                "hosts": list(digests),
            }
        )
        _prune(directory)
        return journal

    def __call__(self, event: Event) -> None:
        """Record a finished host."""
        if isinstance(event, HostFinished):
            self.record(event.result)

    def record(self, result: HostResult) -> None:
        """Write one host's line; a full disk loses the line, not the run."""
        line = {
            "name": result.name,
            "outcome": result.outcome.value,
            "kind": result.error.kind.value if result.error else None,
            "at": _now(),
        }
        if result.outcome in _DONE or result.name in self.carried:
            line["digest"] = self.digests.get(result.name, "")
        self._write(line)

    def finish(self, summary: Mapping[str, int]) -> None:
        """Write the summary and close the file."""
        self._write({"finished": _now(), "summary": dict(summary)})
        os.close(self._descriptor)
        self._descriptor = -1

    def _write(self, line: Mapping[str, Any]) -> None:
        try:
            os.write(self._descriptor, (json.dumps(line) + "\n").encode())
        except OSError:
            # Raising here would end a run that is half way through a fleet.
            return


def last_run(command: str, registry: str) -> PastRun:
    """Read the latest run of a command for a registry.

    What it has done on a host no longer counts where another command was there since: `remove`
    undoes a `distribute`.

    Raises:
        InputError: There is none.
    """
    directory = state_directory()
    since: set[str] = set()
    for path in sorted(directory.glob("*.jsonl"), reverse=True):
        lines = list(_lines(path))
        if not lines or lines[0].get("schema") != SCHEMA or lines[0].get("registry") != registry:
            continue
        if lines[0].get("command") == command:
            return _past(lines, since)
        # A killed run may have come to hosts that it has no line of.
        since.update(lines[0]["hosts"])
    raise InputError(
        f"no earlier run of `certkit {command}` for {registry} is recorded in {directory}",
        "leave out --resume and --retry-failed",
    )


def _past(lines: Sequence[Mapping[str, Any]], undone: Collection[str]) -> PastRun:
    outcomes: dict[str, Outcome] = {}
    done: dict[str, str] = {}
    for line in lines[1:]:
        name = line.get("name")
        if not isinstance(name, str):
            continue
        outcomes[name] = Outcome(line["outcome"])
        if isinstance(line.get("digest"), str) and name not in undone:
            done[name] = line["digest"]
    return PastRun(str(lines[0]["run"]), tuple(lines[0]["hosts"]), outcomes, done)


def _lines(path: Path) -> list[Mapping[str, Any]]:
    found = []
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return [line for line in found if isinstance(line, dict)]


def _prune(directory: Path) -> None:
    for path in sorted(directory.glob("*.jsonl"))[:-_KEPT]:
        path.unlink(missing_ok=True)


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
