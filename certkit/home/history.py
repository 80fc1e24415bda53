"""What ``certkit log`` shows: the journal's entries, chosen and put in words."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from certkit.durations import parse_duration
from certkit.errors import InputError
from certkit.home.home import Home
from certkit.names import RegistryReference

SCHEMA = "certkit.log/1"

_HEAD = ("time", "command", "user", "registry", "what")


@dataclass(frozen=True)
class Entry:
    """One entry of the journal.

    Attributes:
        values: As it stands there; entries of later versions may hold more.
    """

    values: Mapping[str, Any]

    @property
    def headline(self) -> str:
        """When, who, which command, about which registry, what: one line."""
        time, command, user, registry, what = (self._text(name) for name in _HEAD)
        parts = (time, user, command, registry)
        return "  ".join(part for part in (*parts, what) if part)

    @property
    def details(self) -> list[tuple[str, str]]:
        """The rest: hosts by outcome, certificates, and whatever else was noted."""
        pairs = []
        for name, value in self.values.items():
            if name in _HEAD:
                continue
            if name == "hosts" and isinstance(value, Mapping):
                pairs += [(str(outcome), _words(hosts)) for outcome, hosts in value.items()]
            elif name == "certificates" and isinstance(value, list):
                pairs += [("certificate", _certificate(one)) for one in value]
            else:
                pairs.append((name, _words(value)))
        return [(label, text) for label, text in pairs if text]

    def _text(self, name: str) -> str:
        value = self.values.get(name, "")
        return value if isinstance(value, str) else ""


def parse_since(text: str, now: datetime) -> datetime:
    """Read ``--since``: a length of time back from now, a day, or a moment in RFC 3339.

    A day or moment without a time zone is UTC, as the journal is.

    Raises:
        InputError: It is none of these.
    """
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        try:
            return now - parse_duration(text, "--since")
        except InputError:
            raise InputError(
                f"--since takes a day or a length of time, not '{text[:40]}'",
                "write --since 2026-03-01, --since 2026-03-01T08:00:00Z or --since 7d",
            ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def read_history(
    home: Home, registry: str | None, since: datetime | None, limit: int | None
) -> tuple[Entry, ...]:
    """Choose entries of the journal, oldest first.

    Args:
        home: The home.
        registry: Only about this one, by any of its references; it may be gone from the home.
        since: Only from this moment on.
        limit: Only the latest so many; None for all.

    Raises:
        InputError: The registry is no reference, or the limit is not positive.
        HomeError: The journal cannot be read.
    """
    if limit is not None and limit < 1:
        raise InputError(f"--limit takes a positive number, not {limit}", "leave it out for all")
    wanted: set[str] = set()
    if registry is not None:
        reference = RegistryReference.parse(registry)
        found = home.find(reference)
        wanted = {one.text for one in (found.references if found else (reference,))}
    chosen: deque[Entry] = deque(maxlen=limit)
    for values in home.journal.entries():
        if wanted and values.get("registry") not in wanted:
            continue
        if since is not None and not _at_least(values.get("time"), since):
            continue
        chosen.append(Entry(values))
    return tuple(chosen)


def history_json(entries: tuple[Entry, ...]) -> dict[str, Any]:
    """The document for ``-o json``."""
    return {"schema": SCHEMA, "entries": [dict(entry.values) for entry in entries]}


def _at_least(time: object, since: datetime) -> bool:
    try:
        moment = datetime.fromisoformat(str(time).replace("Z", "+00:00"))
    except ValueError:
        # Better shown once too often than hidden.
        return True
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)) >= since


def _certificate(value: object) -> str:
    if not isinstance(value, Mapping):
        return _words(value)
    return f"SHA-256 {value.get('sha256', '')}, until {value.get('not_after', '')}"


def _words(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_words(one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(one)}" for name, one in value.items())
    return "" if value is None else str(value)
