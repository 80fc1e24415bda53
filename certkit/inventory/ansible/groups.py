"""What Ansible's formats have in common: groups in groups, variables, and who wins.

Precedence is Ansible's (``VARIABLE_PRECEDENCE`` and "Understanding variable precedence"), weakest
first: variables of ``all``, of the other groups (by depth, ``ansible_group_priority``, name),
``group_vars/all``, ``group_vars/<group>``, the host's own, ``host_vars/<host>``.
"""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from certkit.errors import InputError
from certkit.inventory import fields, grammar
from certkit.inventory.ansible.beside import Beside
from certkit.inventory.ansible.variables import RUN_VARS, USED, Notes, Vars, is_used, translate
from certkit.inventory.draft import Draft, Layer, Parsed
from certkit.inventory.model import InventoryFormat
from certkit.inventory.native.reader import read_registry_host
from certkit.inventory.places import GrammarError, Place, shown
from certkit.inventory.ranges import CAP, expand
from certkit.inventory.yamltree import Tree


@dataclass(slots=True)
class Group:
    """One group as it was read.

    Attributes:
        name: Its name.
        hosts: Names of its direct hosts.
        children: Names of its direct child groups.
        vars: Its variables.
    """

    name: str
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)
    vars: Vars = field(default_factory=dict)


class Graph:
    """Groups and hosts, filled by a reader and then resolved once."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.groups: dict[str, Group] = {"all": Group("all")}
        self.hosts: dict[str, Vars] = {}
        self.places: dict[str, Place] = {}

    def group(self, name: str, place: Place) -> Group:
        """The group of that name, made if it is new."""
        found = self.groups.get(name)
        if found is None:
            if not name or any(not c.isprintable() or c.isspace() for c in name):
                place.refuse(f"'{shown(name)}' is not the name of a group")
            found = self.groups[name] = Group(name)
        return found

    def add(self, text: str, group: Group, place: Place, *, ranges: bool = True) -> list[str]:
        """Enter hosts, written as a name, a range, ``host:port`` or ``user@host:port``.

        Args:
            text: As it stands in the file.
            group: The group they are in.
            place: Where it stands.
            ranges: Whether brackets are ranges; scripts write every host out.

        Returns:
            Their names.
        """
        names: list[str] = []
        try:
            for written in expand(text) if ranges else [text]:
                target = grammar.target(written)
                name = target.host
                if name not in self.hosts:
                    if len(self.hosts) >= CAP:
                        raise GrammarError(f"the inventory has more than {CAP} hosts")
                    self.hosts[name] = {}
                    what = f"host {name}"
                    self.places[name] = place if place.what == what else place._replace(what=what)
                if target.port is not None:
                    self.hosts[name].setdefault("ansible_port", (target.port, self.places[name]))
                if target.user is not None:
                    self.hosts[name].setdefault("ansible_user", (target.user, self.places[name]))
                group.hosts[name] = None
                names.append(name)
        except GrammarError as error:
            place.refuse(f"hosts: {error.message}", error.hint)
        return names

    def finish(self, shape: InventoryFormat, directory: Path | None) -> Parsed:
        """Settle groups and variables.

        Args:
            shape: The format that was read.
            directory: Where ``group_vars`` and ``host_vars`` are; None for nowhere.

        Returns:
            The hosts with one layer of settings each.

        Raises:
            InputError: Groups run in a circle, there is no host, or a value is bad.
        """
        if not self.hosts:
            raise InputError(f"{shown(self.source)} has no hosts", "add a host to a group")
        return _Resolver(self, shape, Beside(directory)).run()


class _Resolver:
    def __init__(self, graph: Graph, shape: InventoryFormat, beside: Beside) -> None:
        self.graph = graph
        self.beside = beside
        self.notes = Notes()
        self.parsed = Parsed(shape)
        self.spread: Vars = {}
        self.parents: dict[str, list[str]] = {}
        for group in graph.groups.values():
            for child in group.children:
                self.parents.setdefault(child, []).append(group.name)
        self.depths: dict[str, int] = {"all": 0}
        self.order: dict[str, tuple[int, int, str]] = {}
        self.ancestors: dict[str, frozenset[str]] = {}
        for name in graph.groups:
            self._depth(name, ())
        for name, group in graph.groups.items():
            self.order[name] = (self.depths[name], _priority(group), name)
        self.merged: dict[tuple[str, ...], tuple[Vars, dict[str, Any], Layer | None]] = {}
        self.fights: dict[tuple[str, ...], list[tuple[str, str, str]]] = {}

    def _depth(self, name: str, path: tuple[str, ...]) -> int:
        if name in path:
            circle = " > ".join((*path[path.index(name) :], name))
            raise InputError(
                f"{shown(self.graph.source)}: groups run in a circle: {shown(circle)}",
                "remove one of these children",
            )
        if name not in self.depths:
            parents = [parent for parent in self.parents.get(name, ()) if parent != name]
            if name in self.parents.get(name, ()):
                parents = [name]
            depths = [self._depth(parent, (*path, name)) for parent in parents]
            self.depths[name] = 1 + max(depths, default=0)
            above = (self.ancestors.get(parent, frozenset()) | {parent} for parent in parents)
            self.ancestors[name] = frozenset().union(*above) - {"all"}
        return self.depths[name]

    def run(self) -> Parsed:
        direct: dict[str, list[str]] = {name: [] for name in self.graph.hosts}
        for group in self.graph.groups.values():
            if group.name != "all":
                for name in group.hosts:
                    direct[name].append(group.name)
        known: dict[tuple[str, ...], tuple[str, ...]] = {}
        for name, own in self.graph.hosts.items():
            key = tuple(direct[name])
            if key not in known:
                known[key] = self._memberships(key)
            self._host(name, own, known[key])
        self._run_vars()
        self.parsed.warnings += self.notes.lines()
        self.parsed.secrets += list(self.notes.secrets)
        return self.parsed

    def _memberships(self, direct: tuple[str, ...]) -> tuple[str, ...]:
        groups = set(direct).union(*(self.ancestors.get(name, frozenset()) for name in direct))
        if len(groups) > 1:
            groups.discard("ungrouped")
        return tuple(sorted(groups or {"ungrouped"}, key=lambda g: self.order.get(g, (1, 1, g))))

    def _host(self, name: str, own: Vars, groups: tuple[str, ...]) -> None:
        if groups not in self.merged:
            shared = self._shared(groups)
            used = {key: entry for key, entry in shared.items() if is_used(key)}
            rest = {key: value for key, (value, _) in shared.items() if key not in USED}
            self.merged[groups] = (used, rest, None)
        used, rest, layer = self.merged[groups]
        beside = self.beside.host(name)
        own = {**own, **beside} if beside else own
        free: Mapping[str, Any] = rest
        if any(map(is_used, own)):
            self._misplaced(own)
            layer = translate({**used, **own}, name, self.notes)
        elif layer is None:
            layer = translate(used, name, self.notes)
            if not self.parsed.warnings and not self.notes.lines():
                self.merged[groups] = (used, rest, layer)
        if own:
            mine = {key: value for key, (value, _) in own.items() if key not in USED}
            free = ChainMap(mine, rest) if mine and rest else (mine or rest)
        if len(groups) > 1:
            self._conflicts(groups, own, name)
        self.parsed.drafts.append(Draft(name, self.graph.places[name], (layer,), groups, free))

    def _shared(self, groups: tuple[str, ...]) -> Vars:
        names = [name for name in groups if name in self.graph.groups]
        merged: Vars = dict(self.graph.groups["all"].vars)
        for name in names:
            self._misplaced(self.graph.groups[name].vars)
            merged.update(self.graph.groups[name].vars)
        merged.update(self.beside.group("all"))
        for name in groups:
            merged.update(self.beside.group(name))
        return merged

    def _misplaced(self, found: Vars) -> None:
        for name in sorted(RUN_VARS & found.keys()):
            value, place = found[name]
            # ansible-inventory --list hands the variables of 'all' to every host.
            flattened = self.parsed.format == "ansible-json"
            if not flattened or self.spread.setdefault(name, (value, place))[0] != value:
                place.refuse(
                    f"{name} is about the whole inventory", "put it under the vars of 'all'"
                )

    def _conflicts(self, groups: tuple[str, ...], own: Vars, host: str) -> None:
        """Tell where only the alphabet decides between two groups."""
        for name, weak, strong in self._disagreements(groups):
            if name not in own:
                self.notes.add(
                    f"the groups {weak} and {strong} disagree about {name}; "
                    f"{strong} wins, being later in the alphabet",
                    host,
                )

    def _disagreements(self, groups: tuple[str, ...]) -> list[tuple[str, str, str]]:
        if groups in self.fights:
            return self.fights[groups]
        found: list[tuple[str, str, str]] = []
        last: dict[str, tuple[str, Any]] = {}
        for group in groups:
            direct = self.graph.groups.get(group, Group(group)).vars
            for name, (value, _) in {**direct, **self.beside.group(group)}.items():
                if name not in USED:
                    continue
                if name in last and last[name][1] != value:
                    rival = last[name][0]
                    if self.order[rival][:2] == self.order[group][:2]:
                        found.append((name, rival, group))
                    else:
                        found = [entry for entry in found if entry[0] != name]
                last[name] = (group, value)
        self.fights[groups] = found
        return found

    def _run_vars(self) -> None:
        everywhere = self.graph.groups["all"].vars
        found = {**self.spread, **everywhere, **self.beside.group("all")}
        if "certkit_registry" in found:
            value, place = found["certkit_registry"]
            self.parsed.registry = fields.reference(value, "certkit_registry", place)
        if "certkit_aliases" in found:
            value, place = found["certkit_aliases"]
            names = value if isinstance(value, list) else str(value).split(",")
            self.parsed.aliases = tuple(
                dict.fromkeys(fields.reference(name, "certkit_aliases", place) for name in names)
            )
        if "certkit_registry_host" in found:
            value, place = found["certkit_registry_host"]
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            tree = Tree(text, f"certkit_registry_host in {place}")
            self.parsed.registry_host = read_registry_host(tree, Path())
        keys = {f"certkit_{key}": key for key in fields.SETTINGS if key != "restart"}
        self.parsed.settings = fields.settings(
            {key: found[name] for name, key in keys.items() if name in found}
        )


def _priority(group: Group) -> int:
    value, place = group.vars.get("ansible_group_priority", (1, Place("")))
    try:
        return int(str(value))
    except ValueError:
        place.refuse(f"ansible_group_priority of {group.name} is not a number")
