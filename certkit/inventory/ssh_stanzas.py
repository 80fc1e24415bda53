"""Which stanzas of ssh_config match a host, and whether they hold anything of interest.

A scan of lines, not an evaluation: it decides whether to ask ``ssh -G``, never what the answer
is. Where in doubt it says yes, because an unnecessary question costs milliseconds and a missing
one a wrong login.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import Path

OPTIONS = frozenset(
    (
        "addressfamily",
        "canonicaldomains",
        "canonicalizehostname",
        "certificatefile",
        "connecttimeout",
        "globalknownhostsfile",
        "hostkeyalias",
        "hostname",
        "identitiesonly",
        "identityagent",
        "identityfile",
        "port",
        "proxycommand",
        "proxyjump",
        "tag",
        "user",
        "userknownhostsfile",
    )
)
"""Options that change what certkit does."""

_LINE = re.compile(r"\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.*)")
_MAX_DEPTH = 16


@dataclass(slots=True)
class Stanzas:
    """All stanzas of all files.

    Attributes:
        dynamic: Whether an answer can depend on more than which ``Host`` lines match.
    """

    dynamic: bool = False
    _count: int = 0
    _interesting: set[int] = field(default_factory=set)
    _specific: set[int] = field(default_factory=set)
    _exact: dict[str, set[int]] = field(default_factory=dict)
    _any: re.Pattern[str] | None = None
    _globs: list[tuple[int, list[tuple[bool, re.Pattern[str]]]]] = field(default_factory=list)

    def open(self, patterns: list[str]) -> int:
        """Begin a stanza for these ``Host`` patterns; returns its number."""
        number = self._count
        self._count += 1
        if any(pattern != pattern.lower() for pattern in patterns):
            # Whether case counts differs between versions of OpenSSH, so nothing is concluded.
            self._specific.add(number)
            patterns = [p.lower() for p in patterns if not p.startswith("!") or p == p.lower()]
        if all(not set("*?!") & set(pattern) for pattern in patterns):
            for pattern in patterns:
                self._exact.setdefault(pattern, set()).add(number)
        else:
            compiled = [
                (pattern.startswith("!"), re.compile(translate(_no_brackets(pattern.lstrip("!")))))
                for pattern in patterns
            ]
            self._globs.append((number, compiled))
        return number

    def note(self, number: int, option: str, value: str) -> None:
        """Remember an option of a stanza."""
        if option not in OPTIONS:
            return
        self._interesting.add(number)
        if option == "hostname":
            self._specific.add(number)
        if option in ("canonicalizehostname", "tag") and value.lower() not in ("no", "none"):
            self.dynamic = True

    def mark(self, number: int) -> None:
        """Let a stanza count although its own options do not, for what it includes."""
        self._interesting.add(number)

    def prune(self) -> None:
        """Forget stanzas without an option of interest, such as the system's ``Host *``."""
        self._globs = [entry for entry in self._globs if entry[0] in self._interesting]
        positive = [p.pattern for _, all_ in self._globs for negative, p in all_ if not negative]
        # One expression for all: most hosts match no pattern, and then nothing else is tried.
        self._any = re.compile("|".join(positive)) if positive else None
        self._exact = {
            name: kept for name, all_ in self._exact.items() if (kept := all_ & self._interesting)
        }

    def matching(self, host: str) -> frozenset[int]:
        """Numbers of the interesting stanzas that match a host as typed."""
        name = host.lower()
        found = set(self._exact.get(name, ()))
        if self._any is None or not self._any.match(name):
            return frozenset(found)
        for number, patterns in self._globs:
            hits = [negative for negative, pattern in patterns if pattern.match(name)]
            if not all(hits) and (name != host or not any(hits)):
                found.add(number)
        return frozenset(found)

    def host_specific(self, matched: frozenset[int]) -> bool:
        """Whether these stanzas can give two of their hosts different answers."""
        return bool(matched & self._specific)


def scan(file: Path, stanzas: Stanzas, include_from: Path) -> None:
    """Read the lines of a configuration file and of those it includes.

    Args:
        file: The file; one that is missing or unreadable says nothing, as for OpenSSH.
        stanzas: Filled.
        include_from: Where a relative ``Include`` starts.
    """
    _scan(file, stanzas, include_from, 0, in_match=False)
    stanzas.prune()


def _scan(file: Path, stanzas: Stanzas, include_from: Path, depth: int, *, in_match: bool) -> None:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    head = stanzas.open(["*"])  # options before the first stanza are for all
    current: int | None = head
    for raw in lines:
        found = _LINE.match(raw)
        if not found or raw.lstrip().startswith("#"):
            continue
        option, value = found[1].lower(), found[2].strip()
        if option == "host":
            current = stanzas.open(_words(value))
        elif option == "match":
            # Only 'all' is certain without evaluating; anything else is left to ssh -G.
            current = stanzas.open(["*"]) if value.lower() == "all" else None
        elif option == "include":
            if current is not None and current != head:
                stanzas.mark(current)
            for path in _included(value, include_from) if depth < _MAX_DEPTH else ():
                inside = in_match or current is None
                _scan(path, stanzas, include_from, depth + 1, in_match=inside)
        elif option in OPTIONS:
            if current is None or in_match:
                stanzas.dynamic = True
            else:
                stanzas.note(current, option, value)


def _included(value: str, start: Path) -> list[Path]:
    found: list[Path] = []
    for word in _words(value):
        try:
            path = start / Path(word).expanduser()
            pattern = str(path.relative_to(path.anchor))
            if pattern != ".":  # the root is no file, and Path.glob fails on it
                found += sorted(Path(path.anchor).glob(pattern))
        except (RuntimeError, ValueError):
            continue  # an unknown ~user, or a pattern like **x: OpenSSH finds nothing there either
    return found


def _words(value: str) -> list[str]:
    try:
        return shlex.split(value, comments=True) or ["*"]
    except ValueError:
        return ["*"]


def _no_brackets(pattern: str) -> str:
    # OpenSSH knows * and ? only; fnmatch would take brackets for a set.
    return pattern.replace("[", "[[]")
