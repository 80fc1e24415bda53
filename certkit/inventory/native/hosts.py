"""The ``hosts:`` of the native format: ranges written out, groups and defaults underneath."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from certkit.inventory import grammar
from certkit.inventory.draft import Draft, Layer
from certkit.inventory.places import GrammarError, Place, shown
from certkit.inventory.ranges import CAP, expand

Level = tuple[Layer, Mapping[str, Any]]
"""Settings and free variables of the defaults or of one group."""


class Entry(NamedTuple):
    """What stands at one key (or item) of ``hosts:``.

    Attributes:
        place: Where.
        layer: Its own settings.
        vars: Its own free variables.
        groups: The groups it names, in the file's order.
        ranged: Whether it stands for several hosts.
    """

    place: Place
    layer: Layer
    vars: Mapping[str, Any]
    groups: tuple[str, ...]
    ranged: bool


class Hosts:
    """Collects entries and turns them into hosts.

    Attributes:
        entries: By host name, at most two: one from a range, and one of its own.
        warnings: Filled by `drafts`.
    """

    def __init__(self) -> None:
        self.entries: dict[str, list[Entry]] = {}
        self.warnings: list[str] = []

    def add(self, text: str, entry: Entry) -> None:
        """Enter one key of ``hosts:``.

        Args:
            text: A name, a range, ``user@host:port``.
            entry: What stands there.

        Raises:
            GrammarError: The text is no host, or one of its hosts is listed already.
        """
        names = expand(text)
        if len(self.entries) + len(names) > CAP:
            raise GrammarError(f"the inventory has more than {CAP} hosts", "split it")
        for written in names:
            self._enter(written, entry)

    def _enter(self, written: str, entry: Entry) -> None:
        target = grammar.target(written)
        name = target.host
        if target.user is not None or target.port is not None:
            name, entry = self._with_login(written, target, entry)
        known = self.entries.get(name)
        if known is None:
            self.entries[name] = [entry]
            return
        for other in known:
            if other.ranged == entry.ranged:
                raise GrammarError(
                    f"'{shown(name)}' is listed twice, first in line {other.place.line}",
                    "keep one of the two",
                )
        # A host that a range covers may be listed once more by its name, to differ from the rest.
        known.append(entry)
        known.sort(key=lambda item: not item.ranged)

    @staticmethod
    def _with_login(written: str, target: grammar.Target, entry: Entry) -> tuple[str, Entry]:
        """The name of a host that is given with its user or port, and its settings with them."""
        # A host given with its port is called by both, so that one address can be several hosts.
        name = target.host
        if target.port is not None:
            bare = f"[{target.host}]" if ":" in target.host else target.host
            name = f"{bare}:{target.port}"
        said = {"user": target.user, "port": target.port}
        if name != target.host and "address" not in entry.layer:
            said["address"] = grammar.address(target.host)
        extra: Layer = {}
        for field, value in said.items():
            if value is None:
                continue
            if field in entry.layer and entry.layer[field][0] != value:
                raise GrammarError(f"'{shown(written)}' and its key {field} disagree")
            extra[field] = (value, entry.place)
        return name, entry._replace(layer={**entry.layer, **extra})

    def drafts(self, defaults: Level, groups: Mapping[str, Level]) -> list[Draft]:
        """All hosts in order, with their layers.

        Args:
            defaults: Settings under ``defaults:``.
            groups: Settings under ``groups:``, in the file's order.

        Returns:
            One draft for each host; where sibling groups disagree, `warnings` tells.
        """
        order = {name: number for number, name in enumerate(groups)}
        fights: dict[tuple[str, str, str], list[str]] = {}
        known: dict[tuple[tuple[str, ...], ...], _Shared] = {}
        result: list[Draft] = []
        for name, entries in self.entries.items():
            key = tuple([entry.groups for entry in entries])
            if key not in known:
                known[key] = _shared(key, defaults, groups, order)
            shared = known[key]
            free = shared.vars
            for entry in entries:
                free = {**free, **entry.vars} if entry.vars else free
            layers = (*shared.layers, *[entry.layer for entry in entries])
            result.append(Draft(name, entries[-1].place, layers, shared.groups, free))
            for fight in shared.fights:
                if not any(fight[0] in entry.layer for entry in entries):
                    fights.setdefault(fight, []).append(name)
        for (field, weak, strong), hosts in fights.items():
            more_hosts = f" and {len(hosts) - 1} more" if len(hosts) > 1 else ""
            self.warnings.append(
                f"the groups {weak} and {strong} disagree about {field}; {strong} wins, being "
                f"later in the file (host {hosts[0]}{more_hosts})"
            )
        return result


class _Shared(NamedTuple):
    """What hosts of the same groups have in common.

    Attributes:
        groups: Their groups, the strongest last.
        layers: Settings of the defaults and of the groups.
        vars: Free variables of both.
        fights: Field, the weaker group and the stronger one, where two groups disagree.
    """

    groups: tuple[str, ...]
    layers: tuple[Layer, ...]
    vars: Mapping[str, Any]
    fights: list[tuple[str, str, str]]


def _shared(
    named: tuple[tuple[str, ...], ...],
    defaults: Level,
    groups: Mapping[str, Level],
    order: Mapping[str, int],
) -> _Shared:
    mine = dict.fromkeys(group for names in named for group in names)
    ordered = tuple(sorted(mine, key=lambda group: order.get(group, -1)))
    levels = [defaults, *(groups[group] for group in ordered if group in groups)]
    free: Mapping[str, Any] = {}
    for _, more in levels:
        free = {**free, **more} if more else free
    return _Shared(
        ordered or ("ungrouped",),
        tuple(layer for layer, _ in levels),
        free,
        list(_disagreements(ordered, groups)),
    )


def _disagreements(
    mine: tuple[str, ...], groups: Mapping[str, Level]
) -> list[tuple[str, str, str]]:
    last: dict[str, tuple[str, Any]] = {}
    found: list[tuple[str, str, str]] = []
    for group in mine:
        for field, (value, _) in groups[group][0].items() if group in groups else ():
            if field in last and last[field][1] != value:
                found.append((field, last[field][0], group))
            last[field] = (group, value)
    return found
