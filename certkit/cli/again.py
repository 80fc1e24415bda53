"""Commands that somebody is told to run next, completed so that they work when copied.

Whoever finds something out writes the command alone, such as ``certkit renew --san NAME``. Where it
is told it gets what this run was given: the registry, the home, the inventory, the host keys.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from shlex import quote
from typing import Any, NamedTuple, TypeVar

from certkit.cli.commands import NAMES, command
from certkit.cli.flags import DEFAULT_INVENTORY
from certkit.errors import CertkitError

T = TypeVar("T")

_OPTIONS = {
    "home": "--home",
    "inventory": "-i",
    "registry_host": "--registry-host",
    "known_hosts": "--known-hosts",
}
_TOLD = ("cure", "hint")
# These go by the home alone, whatever registry the inventory names.
_BY_HOME = ("import-signed", "passphrase", "renew")

_WORD = r" [^-\s,;()`][^\s,;()`]*"
_COMMAND = re.compile(r"(?<![\w./-])certkit ([a-z-]+)(?: ([a-z-]+))?")
# A word with a dot or a colon within: no word of a sentence, no option.
_REGISTRY = r" (?!-)[^\s,;()`]*[.:][^\s,;()`]*[^\s,;()`.:]"


class Again(NamedTuple):
    """What a run was given, to be said again.

    Attributes:
        options: By parameter, ready to paste: ``{"home": "--home DIR"}``.
        registry: As given; empty where it was not.
        chosen: The registry that the inventory chose out of several; else empty.
    """

    options: Mapping[str, str]
    registry: str = ""
    chosen: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any], chosen: str = "") -> Again:
        """Return what a command's parameters say.

        Args:
            given: The parameters by name; those that say nothing of where all is are passed over.
            chosen: See the class.
        """
        unsaid = {"home": os.environ.get("CERTKIT_HOME"), "inventory": str(DEFAULT_INVENTORY)}
        said = [(name, given.get(name)) for name in _OPTIONS]
        options = {
            name: f"{_OPTIONS[name]} {quote(str(path))}"
            for name, path in said
            if path is not None and str(path) != unsaid.get(name)
        }
        return cls(options, given.get("registry") or "", chosen)

    def completed(self, text: str) -> str:
        """Return words with every command of certkit's in them as it works when copied.

        A command keeps what it says itself; done twice, nothing is said twice.
        """
        parts: list[str] = []
        end = len(text)
        for found in reversed(list(_COMMAND.finditer(text)) if self else []):
            known = _known(found[1], found[2] or "")
            place = known.place.match(text, found.end(known.words)) if known else None
            if known is None or place is None:
                continue
            rest = text[place.end() : end]
            parts += rest, "".join(f" {word}" for word in self._lacking(known, place, rest))
            end = place.end()
        return "".join(reversed([*parts, text[:end]]))

    def told(self, one: T) -> T:
        """Return what is reported, a record or several, with its cures and hints completed."""
        told: T = self._told(one) if self else one
        return told

    def __bool__(self) -> bool:
        return bool(self.options or self.registry or self.chosen)

    def _lacking(self, known: _Known, place: re.Match[str], rest: str) -> Iterator[str]:
        """Tell what a command lacks; `rest` is what stands behind its name and flags."""
        registry = quote(self.registry or (self.chosen if known.by_home else ""))
        named = place["registry"] or f" {registry} " in f"{place[0]} {rest} "
        if known.registry and not named and registry != quote(""):
            yield registry
        for option, said in self.options.items():
            if option in known.options and f" {_OPTIONS[option]} " not in rest:
                yield said

    def _told(self, one: Any) -> Any:  # noqa: ANN401 - whatever a report holds
        if isinstance(one, CertkitError):
            # An error is one of a kind: a copy would lose where it was raised.
            one.hint = self.completed(one.hint)
        elif type(one) in (list, tuple):
            parts = [self._told(part) for part in one]
            if any(new is not old for new, old in zip(parts, one, strict=True)):
                return type(one)(parts)
        else:
            changed = {}
            for name in _parts(one.__class__):
                old = getattr(one, name)
                new = self.completed(old) if name in _TOLD else self._told(old)
                if new is not old:
                    changed[name] = new
            return _with(one, changed) if changed else one
        return one


class _Known(NamedTuple):
    """A command.

    Attributes:
        words: How many words its name has.
        place: What may stand behind its name before what is added: the arguments before a registry,
            flags, and a registry.
        registry: Whether it takes one.
        by_home: Whether the inventory does not tell it which.
        options: The parameters that it has.
    """

    words: int
    place: re.Pattern[str]
    registry: bool
    by_home: bool
    options: frozenset[str]


@cache
def _known(first: str, second: str) -> _Known | None:
    """Return what is known of ``certkit FIRST SECOND``; None where that is no command."""
    if first not in NAMES:
        return None
    found = command(first)
    steps = getattr(found, "commands", None)
    if steps is not None and second not in steps:
        return None
    parameters = (found if steps is None else steps[second]).params
    arguments = [one.name for one in parameters if one.param_type_name == "argument"]
    registry = "registry" in arguments
    before = arguments.index("registry") if registry else 0
    names = [name for one in parameters if getattr(one, "is_flag", False) for name in one.opts]
    flags = f"(?: (?:{'|'.join(map(re.escape, names)) or '(?!)'})(?![\\w-]))*"
    return _Known(
        words=1 if steps is None else 2,
        place=re.compile(f"{_WORD * before}{flags}(?P<registry>{_REGISTRY})?{flags}"),
        registry=registry,
        by_home=first in _BY_HOME,
        options=frozenset(one.name for one in parameters),
    )


@cache
def _parts(kind: type) -> tuple[str, ...]:
    """Return the names of a record's fields; none of anything else."""
    if is_dataclass(kind):
        return tuple(one.name for one in fields(kind))
    return getattr(kind, "_fields", ()) if issubclass(kind, tuple) else ()


def _with(one: Any, changed: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a record of any kind
    return one._replace(**changed) if hasattr(one, "_replace") else replace(one, **changed)
