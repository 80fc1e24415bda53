"""Which stanzas of ssh_config match a host, and whether they hold anything of interest.

A scan of lines, not an evaluation: it decides whom to ask ``ssh -G`` about, never what the answer
is. Where in doubt it says yes, because an unnecessary question costs milliseconds and a missing
one a wrong login. The exception are HostName, Port and User, which are a host's own more often than
not: written plainly throughout, the first of each counts here as it does for OpenSSH.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path

from certkit.inventory.ranges import is_ipv6
from certkit.inventory.ssh.patterns import PatternIndex, covers, is_wild

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

OWN = frozenset(("hostname", "port", "user"))
"""Options of which the first counts, and of which every host may have one of its own."""

# Their tokens are left by `ssh -G` to whoever uses them; those of others depend on the host.
_TOKENS_LEFT = frozenset(("certificatefile", "identityfile", "proxycommand"))

Said = tuple[Hashable, ...]
"""What some stanzas say in their order, as far as hosts can share it; equal or not is all."""

_LINE = re.compile(r"\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.*)")
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_PLAIN = {
    # Names whose last label begins with a letter, and addresses that have one spelling only.
    "hostname": re.compile(
        rf"(?:[a-z0-9_][a-z0-9_-]*\.)*[a-z][a-z0-9_-]*|{_OCTET}(?:\.{_OCTET}){{3}}"
    ),
    "port": re.compile(r"[1-9][0-9]{0,3}|[1-5][0-9]{4}"),
    "user": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*"),
}
_ORDINARY = re.compile(r"[\w.*?!:/~ \t-]*[\w*?]", re.ASCII)
_MAX_DEPTH = 16


@dataclass(slots=True)
class _Stanza:
    """One ``Host`` line and what follows it.

    Attributes:
        patterns: Of its ``Host`` line, in lower case, those with a ``!`` apart.
        refused: Those with a ``!``, without it.
        cased: Whether capital letters were in its patterns.
        lines: All its options of interest, in order.
        own: Its first value of each of `OWN`.
        certain: Whether it counts for every host that it matches, whatever it stands in.
        includes: Whether it includes files of interest or not.
    """

    patterns: list[str]
    refused: list[str]
    cased: bool
    certain: bool
    lines: list[tuple[str, str]] = field(default_factory=list)
    own: dict[str, str] = field(default_factory=dict)
    includes: bool = False


class Stanzas:
    """All stanzas of all files.

    Attributes:
        dynamic: Whether an answer can depend on more than which ``Host`` lines match.
        own: Those of `OWN` that `own_of` knows for every host.
    """

    def __init__(self) -> None:
        self.dynamic = False
        self.own = set(OWN)
        self._all: list[_Stanza] = []
        self._exact: dict[str, list[int]] = {}
        self._index = PatternIndex()
        self._everywhere: frozenset[int] = frozenset()
        self._specific: set[int] = set()

    def open(self, patterns: list[str], *, certain: bool) -> _Stanza:
        """Begin a stanza for these ``Host`` patterns."""
        refused = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
        wanted = [pattern.lower() for pattern in patterns if not pattern.startswith("!")]
        cased = any(pattern != pattern.lower() for pattern in patterns)
        if cased:
            # Whether case counts differs between versions of OpenSSH, so nothing is concluded.
            refused = [pattern for pattern in refused if pattern == pattern.lower()]
        stanza = _Stanza(wanted, refused, cased, certain)
        self._all.append(stanza)
        return stanza

    def note(self, stanza: _Stanza, option: str, value: str) -> None:
        """Remember an option of a stanza."""
        if option in OWN:
            plain = _plain(option, value)
            if plain is None or not stanza.certain:
                self.own.discard(option)
            elif option not in stanza.own:
                stanza.own[option] = plain
        stanza.lines.append((option, value))
        if option in ("canonicalizehostname", "tag") and value.lower() not in ("no", "none"):
            self.dynamic = True

    def settle(self) -> None:
        """Forget stanzas without an option of interest, such as the system's ``Host *``."""
        self._exact, self._index, self._specific = {}, PatternIndex(), set()
        everywhere: set[int] = set()
        for number, stanza in enumerate(self._all):
            if not stanza.lines and not stanza.includes:
                continue
            if stanza.cased or any(self._depends_on_host(*line) for line in stanza.lines):
                self._specific.add(number)
            if "*" in stanza.patterns and not stanza.refused:
                everywhere.add(number)
                continue
            for pattern in stanza.patterns:
                if is_wild(pattern):
                    self._index.file(pattern, number)
                else:
                    self._exact.setdefault(pattern, []).append(number)
        self._everywhere = frozenset(everywhere)

    def _depends_on_host(self, option: str, value: str) -> bool:
        if option in OWN:
            return option not in self.own and (option == "hostname" or "%" in value)
        return "%" in value and option not in _TOKENS_LEFT

    @property
    def silent(self) -> bool:
        """Whether no host can match anything of interest."""
        return not self.dynamic and not any(one.lines or one.includes for one in self._all)

    def matching(self, host: str) -> frozenset[int]:
        """Numbers of the interesting stanzas that match a host as typed."""
        name = host.lower()
        found = {*self._exact.get(name, ()), *self._index.candidates(name)}
        if not found:
            return self._everywhere
        return self._everywhere.union(
            number for number in found if self._matches(self._all[number], name, host)
        )

    @staticmethod
    def _matches(stanza: _Stanza, name: str, host: str) -> bool:
        if not any(covers(pattern, name) for pattern in stanza.patterns):
            return False
        return name != host or not any(covers(pattern, name) for pattern in stanza.refused)

    def host_specific(self, matched: frozenset[int]) -> bool:
        """Whether these stanzas can give two of their hosts different answers, beyond `own`."""
        return not self._specific.isdisjoint(matched)

    def said(self, matched: frozenset[int]) -> Said:
        """What these stanzas say beyond `own_of`; where it is equal, ``ssh -G`` answers alike."""
        found: list[Hashable] = []
        for number in sorted(matched):
            stanza = self._all[number]
            if stanza.includes or not stanza.certain:
                found.append(number)  # what it says depends on what is around it
                continue
            found += [line for line in stanza.lines if line[0] not in self.own]
        return tuple(found)

    def own_of(self, matched: frozenset[int]) -> dict[str, tuple[str, ...]]:
        """What these stanzas say of the options in `own`, each as ``ssh -G`` would print it."""
        found: dict[str, tuple[str, ...]] = {}
        for number in sorted(matched):
            for option, value in self._all[number].own.items():
                if option in self.own:
                    found.setdefault(option, (value,))
        return found


def _plain(option: str, value: str) -> str | None:
    """What ``ssh -G`` prints of the value, where that is beyond doubt; else None."""
    bare = value.split(" #", 1)[0].strip()
    if len(bare) > 1 and bare[0] == bare[-1] == '"':
        bare = bare[1:-1]
    if option == "hostname":
        bare = bare.lower()
        if ":" in bare and not bare.startswith("::") and is_ipv6(bare):
            return bare if str(ipaddress.IPv6Address(bare)) == bare else None
    return bare if _PLAIN[option].fullmatch(bare) else None


def scan(file: Path, stanzas: Stanzas, include_from: Path) -> None:
    """Read the lines of a configuration file and of those it includes.

    Args:
        file: The file; one that is missing or unreadable says nothing, as for OpenSSH.
        stanzas: Filled.
        include_from: Where a relative ``Include`` starts.
    """
    _scan(file, stanzas, include_from, 0, in_match=False, certain=True)
    stanzas.settle()


def _scan(
    file: Path, stanzas: Stanzas, include_from: Path, depth: int, *, in_match: bool, certain: bool
) -> None:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    # Options before the first stanza are for all.
    head = stanzas.open(["*"], certain=certain)
    current: _Stanza | None = head
    for raw in lines:
        found = _LINE.match(raw)
        if not found or raw.lstrip().startswith("#"):
            continue
        option, value = found[1].lower(), found[2].strip()
        if option == "host":
            current = stanzas.open(_words(value), certain=certain)
        elif option == "match":
            # Only 'all' is certain without evaluating; anything else is left to ssh -G.
            current = stanzas.open(["*"], certain=certain) if value.lower() == "all" else None
        elif option == "include":
            at_top = current is not None and current is head
            if current is not None and not at_top:
                current.includes = True
            for path in _included(value, include_from) if depth < _MAX_DEPTH else ():
                inside = in_match or current is None
                _scan(
                    path,
                    stanzas,
                    include_from,
                    depth + 1,
                    in_match=inside,
                    certain=certain and at_top,
                )
            if at_top:  # what follows comes after what was included
                head = current = stanzas.open(["*"], certain=certain)
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
    if _ORDINARY.fullmatch(value):  # shlex takes as long as all else together
        return value.split()
    try:
        return shlex.split(value, comments=True) or ["*"]
    except ValueError:
        return ["*"]
