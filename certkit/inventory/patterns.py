"""Choosing hosts by pattern, as Ansible does, except that a pattern for nothing is an error.

The terms of a pattern are joined by ``,`` or ``:`` and, in Ansible's order, first united, then
intersected (``&``), then subtracted (``!``). Source: ``ansible.inventory.manager``.
"""

from __future__ import annotations

import fnmatch
import re
import warnings
from collections.abc import Iterable, Sequence
from functools import cached_property

from certkit.errors import InputError
from certkit.inventory.model import Host
from certkit.inventory.places import GrammarError, shown, suggest
from certkit.inventory.ranges import expand, has_range, is_ipv6
from certkit.paths import expanded

_SUBSCRIPT = re.compile(r"(.+)\[(?:(-?[0-9]+)|([0-9]*):([0-9]*))\]")
_GLOB = re.compile(r"[*?]|\[[^\]]*\]")
_OPEN, _CLOSE = "([{", ")]}"


def select(
    hosts: Sequence[Host],
    limit: str | None,
    exclude: str | None,
    *,
    with_skipped: bool = False,
) -> tuple[Host, ...]:
    """Choose hosts; see `certkit.inventory.inventory.Inventory.select`."""
    index = _Index(hosts)
    chosen = index.everything if limit is None else index.evaluate(limit, "--limit")
    if exclude is not None:
        chosen = chosen - index.evaluate(exclude, "--exclude")
    if not chosen:
        raise InputError(
            "the patterns leave no host",
            "see what they match with: certkit inventory --limit PATTERN",
        )
    picked = [hosts[number] for number in sorted(chosen)]
    left = tuple(host for host in picked if with_skipped or not host.skip)
    if not left:
        raise InputError(
            f"every chosen host is marked to be skipped: {_few(host.name for host in picked)}",
            "certkit inventory says why",
        )
    return left


def split(pattern: str) -> list[str]:
    """Cut a pattern into its terms.

    Commas and colons separate, outside brackets and parentheses; colons not in an IPv6 address
    and not in an ``@file``, which run to the next comma.

    Args:
        pattern: What stood after ``--limit``.

    Returns:
        The terms, with their ``&`` or ``!`` still on them.
    """
    terms: list[str] = []
    for piece in _cut(pattern, ","):
        bare = piece.lstrip("&!")
        if bare.startswith("@") or is_ipv6(bare):
            terms.append(piece)
            continue
        head, *rest = re.split(r":(?=@)", piece, maxsplit=1)
        terms += [*_cut(head, ":"), *rest]
    return [term for term in (term.strip() for term in terms) if term]


def _cut(text: str, separator: str) -> list[str]:
    pieces, depth, start = [], 0, 0
    for position, char in enumerate(text):
        if char in _OPEN:
            depth += 1
        elif char in _CLOSE:
            depth = max(0, depth - 1)
        elif char == separator and not depth:
            pieces.append(text[start:position].strip())
            start = position + 1
    return [*pieces, text[start:].strip()]


class _Index:
    """The hosts of an inventory by name and by group."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self.hosts = hosts
        self.everything = frozenset(range(len(hosts)))

    @cached_property
    def names(self) -> dict[str, int]:
        known: dict[str, int] = {}
        for number, host in enumerate(self.hosts):
            for name in (host.name, *host.also_known_as):
                known.setdefault(name, number)
        return known

    @cached_property
    def addresses(self) -> dict[str, list[int]]:
        known: dict[str, list[int]] = {}
        for number, host in enumerate(self.hosts):
            known.setdefault(host.address, []).append(number)
        return known

    @cached_property
    def groups(self) -> dict[str, list[int]]:
        known: dict[str, list[int]] = {}
        for number, host in enumerate(self.hosts):
            for group in host.groups:
                known.setdefault(group, []).append(number)
        known["all"] = list(range(len(self.hosts)))
        return known

    def evaluate(self, pattern: str, flag: str) -> frozenset[int]:
        if pattern in self.names:  # such as 127.0.0.1:2201, which has a colon of its own
            return frozenset({self.names[pattern]})
        terms = [found for term in split(pattern) for found in self._files(term, flag)]
        if not terms:
            raise InputError(f"{flag} is empty", "name hosts or groups, or leave the flag out")
        unite = [self.match(term, flag) for term in terms if term[0] not in "&!"]
        chosen = frozenset().union(*unite) if unite else self.everything
        for term in terms:
            if term[0] == "&":
                chosen = chosen & self.match(term[1:], flag)
        for term in terms:
            if term[0] == "!":
                chosen = chosen - self.match(term[1:], flag)
        if not chosen:
            raise InputError(
                f"{flag} '{shown(pattern)}' matches no host",
                "its parts match, but nothing is left of them: certkit inventory lists the groups",
            )
        return chosen

    def match(self, term: str, flag: str) -> frozenset[int]:
        """Numbers of the hosts that one term names, and never none."""
        term = term.strip()
        if term in self.names:
            return frozenset({self.names[term]})
        try:
            found = self._regex(term[1:]) if term.startswith("~") else self._words(term)
        except GrammarError as error:
            raise InputError(
                f"{flag} has a bad pattern '{shown(term)}': {error}",
                "after ~ stands a regular expression of Python's; a name needs no ~"
                if term.startswith("~")
                else error.hint or "list them with: certkit inventory",
            ) from None
        if not found:
            hint = suggest(term, [*self.names, *self.groups])
            raise InputError(
                f"{flag} '{shown(term)}' matches no host and no group of the inventory",
                hint or "list them with: certkit inventory",
            )
        return frozenset(found)

    def _words(self, term: str) -> Iterable[int]:
        if term.startswith("[") and term.endswith("]") and is_ipv6(term[1:-1]):
            term = term[1:-1]
        if found := self._exact(term):
            return found
        subscript = _SUBSCRIPT.fullmatch(term)
        if subscript and (base := self._exact(subscript[1]) or self._glob(subscript[1])):
            return self._slice(base, subscript)
        return self._ranged(term) or self._glob(term)

    def _exact(self, term: str) -> list[int]:
        if term == "*":
            return self.groups["all"]
        if term in self.groups:
            return self.groups[term]
        if term in self.names:
            return [self.names[term]]
        return self.addresses.get(term, [])

    def _glob(self, term: str) -> list[int]:
        if not _GLOB.search(term):
            return []
        return self._matching(_compile(fnmatch.translate(term)))

    def _regex(self, expression: str) -> list[int]:
        return self._matching(_compile(expression))

    def _matching(self, compiled: re.Pattern[str]) -> list[int]:
        found = {number for name, number in self.names.items() if compiled.match(name)}
        for group, members in self.groups.items():
            if group not in ("all", "ungrouped") and compiled.match(group):
                found.update(members)
        return sorted(found)

    @staticmethod
    def _slice(base: list[int], subscript: re.Match[str]) -> list[int]:
        if subscript[2] is not None:
            position = int(subscript[2])
            return base[position:][:1] if position >= 0 else base[position : position + 1 or None]
        return base[int(subscript[3] or 0) : int(subscript[4]) + 1 if subscript[4] else None]

    def _ranged(self, term: str) -> list[int]:
        """Hosts that a range names; none when the brackets are a glob's after all."""
        if not has_range(term):
            return []
        try:
            names = expand(term)
        except GrammarError:
            return []
        missing = [name for name in names if name not in self.names]
        if len(missing) == len(names):
            return []
        if missing:
            raise GrammarError(f"the inventory has no host {_few(missing)}")
        return [self.names[name] for name in names]

    def _files(self, term: str, flag: str) -> list[str]:
        sign = term[0] if term[0] in "&!" else ""
        if not term[len(sign) :].startswith("@"):
            return [term]
        if sign:
            raise InputError(
                f"{flag} '{shown(term)}': a file of hosts cannot follow {sign}",
                "exclude it with: --exclude @FILE",
            )
        path = expanded(term[1:])
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            hint = "after @ stands a file with a name, group or glob on each line"
            raise InputError(f"{flag} cannot read {shown(path)}: {reason}", hint) from None
        words = (line.partition("#")[0].strip() for line in lines)
        terms = [word for word in words if word]
        if not terms:
            raise InputError(f"{flag} {shown(path)} names no host", "write one on each line")
        if any(word[0] in "@&!" for word in terms):
            raise InputError(f"{flag} {shown(path)} may hold names, groups and globs only")
        return terms


def _compile(expression: str) -> re.Pattern[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # about sets such as [0&&]
            return re.compile(expression)
    except (re.error, OverflowError, RecursionError) as error:
        raise GrammarError(str(error)) from None


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")
