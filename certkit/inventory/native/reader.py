"""certkit's own format, version 1: strict, every unknown key refused with its line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from certkit.inventory import fields, grammar
from certkit.inventory.draft import Layer, Parsed, RegistryHostDraft
from certkit.inventory.native.hosts import Entry, Hosts
from certkit.inventory.places import GrammarError, Place, shown
from certkit.inventory.ranges import has_range
from certkit.inventory.yamltree import Tree, is_null

TOP_KEYS = (
    "version",
    "registry",
    "aliases",
    "registry_host",
    "restart",
    "wave",
    "max_fail",
    "parallel",
    "defaults",
    "groups",
    "hosts",
)
_NESTED = ("become", "timeout")
_FLAT = tuple(key for key in fields.FIELDS if "." not in key)
LAYER_KEYS = (*_FLAT, *_NESTED, "vars")
HOST_KEYS = (*LAYER_KEYS, "groups")
GROUP_KEYS = tuple(
    key for key in LAYER_KEYS if key not in ("address", "host_key", "host_key_alias")
)
"""Keys that make sense for several hosts at once."""
MACHINE_KEYS = tuple(
    key
    for key in LAYER_KEYS
    if not key.startswith(
        ("restart", "run", "rootless", "certs", "service", "tags", "skip", "vars")
    )
)
"""Keys of the registry's own machine, where it is no host of the inventory."""

# A bastion that is not listed as a host starts from the defaults, except for what is meant for
# the targets alone; above all their password, which is none of the bastion's business.
_HOP_FIELDS = (
    "user",
    "identity_files",
    "certificate_file",
    "identities_only",
    "agent_key",
    "use_agent",
    "key_passphrase",
    "known_hosts_files",
    "global_known_hosts_files",
    "timeouts.connect",
    "timeouts.handshake",
)


def read_native(tree: Tree, base: Path) -> Parsed:
    """Read the native format.

    Args:
        tree: The document.
        base: The directory that relative paths in it start from.

    Returns:
        Its hosts and settings.

    Raises:
        InputError: Something in it is not as the schema has it; the message has line and column.
    """
    return _Reader(tree, base).read()


def read_registry_host(tree: Tree, base: Path) -> RegistryHostDraft:
    """Read a document that is the value of ``registry_host:``.

    Raises:
        InputError: As `read_native` does.
    """
    from certkit.inventory.native.registry_host import read

    return read(_Reader(tree, base), tree.root)


class _Reader:
    def __init__(self, tree: Tree, base: Path) -> None:
        self.tree = tree
        self.base = base
        self.parsed = Parsed("native")
        self.groups: dict[str, tuple[Layer, Mapping[str, Any]]] = {}
        self.declared = False
        self.hosts = Hosts()

    def read(self) -> Parsed:
        top: dict[str, tuple[Node, Place]] = {}
        for key, key_node, value in self.tree.pairs(self.tree.root, "the inventory"):
            place = self.tree.place(key_node)
            if key not in TOP_KEYS:
                if _looks_like_ansible(value):
                    place.refuse(
                        f"'{shown(key)}' looks like an Ansible group in a file with certkit's keys",
                        "write either format; Ansible's takes certkit_registry under all: vars:",
                    )
                fields.unknown(key, TOP_KEYS, place)
            top[key] = (value, place)
        self._head(top)
        defaults, default_vars = self._defaults(top.get("defaults"))
        if "groups" in top:
            self._groups(*top["groups"])
        self.parsed.defaults = defaults
        if "registry_host" in top:
            from certkit.inventory.native.registry_host import read

            self.parsed.registry_host = read(self, top["registry_host"][0])
        if "hosts" not in top:
            self.tree.place(self.tree.root).refuse(
                "the inventory has no hosts", "add a list: hosts: [web01, web02]"
            )
        self._hosts(top["hosts"][0])
        self.parsed.drafts = self.hosts.drafts((defaults, default_vars), self.groups)
        self.parsed.warnings += self.hosts.warnings
        self.parsed.hop_layer = {k: defaults[k] for k in _HOP_FIELDS if k in defaults}
        return self.parsed

    def _head(self, top: Mapping[str, tuple[Node, Place]]) -> None:
        if "version" in top:
            node, place = top["version"]
            if self.tree.scalar(node, "version") != "1":
                place.refuse("version: this certkit reads version 1", "write version: 1")
        if "registry" in top:
            node, place = top["registry"]
            self.parsed.registry = fields.reference(self._raw(node, "registry"), "registry", place)
        if "aliases" in top:
            node, place = top["aliases"]
            names = self._raw(node, "aliases")
            self.parsed.aliases = tuple(
                dict.fromkeys(
                    fields.reference(name, "aliases", place)
                    for name in (names if isinstance(names, list) else [names])
                )
            )
        self.parsed.settings = fields.settings(
            {k: (self._raw(top[k][0], k), top[k][1]) for k in fields.SETTINGS if k in top}
        )

    def _raw(self, node: Node, what: str, depth: int = 0) -> object:
        """The value as written: texts, and lists of texts."""
        self.tree.visit(node, depth)
        if isinstance(node, SequenceNode):
            self.tree.refuse_tags(node, what)
            return [self._raw(item, what, depth + 1) for item in node.value]
        return None if is_null(node) else self.tree.scalar(node, what)

    def _defaults(self, found: tuple[Node, Place] | None) -> tuple[Layer, Mapping[str, Any]]:
        if found is None:
            return {}, {}
        layer, free, _ = self._layer(found[0], "defaults", GROUP_KEYS)
        return layer, free

    def machine(self, node: Node, what: str) -> Layer:
        """Read the settings of one machine that is no host of the inventory."""
        return self._layer(node, what, MACHINE_KEYS)[0]

    def _layer(
        self, node: Node, what: str, known: tuple[str, ...]
    ) -> tuple[Layer, Mapping[str, Any], tuple[str, ...]]:
        """Settings, free variables and groups of one mapping."""
        layer: Layer = {}
        free: Mapping[str, Any] = {}
        groups: tuple[str, ...] = ()
        for key, key_node, value in self.tree.pairs(node, what):
            if key not in known:
                fields.unknown(key, known, self.tree.place(key_node, what))
            if is_null(value):
                continue
            if key == "vars":
                plain = self.tree.plain(value)
                if not isinstance(plain, dict):
                    self.tree.place(key_node).refuse("vars must be a mapping of keys")
                free = plain
            elif key == "groups":
                groups = self._memberships(value, what)
            else:
                self._setting(layer, key, value, self.tree.place(key_node, what))
        return layer, free, groups

    def _setting(self, layer: Layer, key: str, value: Node, place: Place) -> None:
        """Read one setting, or the several ones of a mapping inside."""
        if key in _NESTED and isinstance(value, MappingNode):
            what = f"{key} of {place.what}"
            for sub, sub_node, sub_value in self.tree.pairs(value, what):
                name, spot = f"{key}.{sub}", self.tree.place(sub_node, place.what)
                if name not in fields.FIELDS:
                    subs = tuple(
                        k.partition(".")[2] for k in fields.FIELDS if k.startswith(f"{key}.")
                    )
                    fields.unknown(sub, subs, spot._replace(what=what))
                if not is_null(sub_value):
                    self._set(layer, name, self._raw(sub_value, name), spot)
        elif key == "become":
            word = str(self._raw(value, key))
            method = {"false": "none", "no": "none", "true": "sudo", "yes": "sudo"}
            self._set(layer, "become.method", method.get(word.lower(), word), place)
        elif key == "timeout":
            place.refuse("timeout must be a mapping", "write timeout: {connect: 10, host: 180}")
        else:
            self._set(layer, key, self._raw(value, key), place)

    def _set(self, layer: Layer, key: str, raw: object, place: Place) -> None:
        field = fields.FIELDS[key].name
        if field in layer:
            place.refuse(f"{key} says a second time what {field} is", "keep one of the two")
        layer[field] = (fields.parse(key, raw, place, self.base), place)
        if key in fields.SECRET_KEYS:
            self.parsed.secrets.append(place)

    def _memberships(self, node: Node, what: str) -> tuple[str, ...]:
        names: dict[str, None] = {}
        for item in self.tree.items(node):
            name = self.tree.scalar(item, "groups")
            if name not in self.groups:
                spot = self.tree.place(item, what)
                self._group_name(name, spot)
                if self.declared:
                    spot = spot._replace(what="the list of groups")
                    fields.unknown(name, tuple(self.groups), spot)
            names[name] = None
        if len(names) < 2:
            return tuple(names)
        order = {name: number for number, name in enumerate(self.groups)}
        return tuple(sorted(names, key=lambda name: order.get(name, 0)))

    @staticmethod
    def _group_name(name: str, place: Place) -> None:
        try:
            grammar.word(name)
        except GrammarError as error:
            place.refuse(f"groups: {error.message}", error.hint)
        if name == "all":
            place.refuse("the group 'all' holds every host by itself", "use defaults: instead")

    def _groups(self, node: Node, place: Place) -> None:
        self.declared = True
        for name, key_node, value in self.tree.pairs(node, "groups"):
            self._group_name(name, self.tree.place(key_node))
            layer, free, _ = self._layer(value, f"group {name}", GROUP_KEYS)
            self.groups[name] = (layer, free)

    def _hosts(self, node: Node) -> None:
        if isinstance(node, SequenceNode):
            for item in self.tree.items(node):
                if not isinstance(item, ScalarNode) or is_null(item):
                    self.tree.place(item).refuse(
                        "hosts as a list holds names only", "write 'web01: {port: 2222}' lines"
                    )
                self._host(self.tree.scalar(item, "hosts"), item, None)
        else:
            for name, key_node, value in self.tree.pairs(node, "hosts"):
                self._host(name, key_node, value)
        if not self.hosts.entries:
            self.tree.place(node).refuse("the inventory has no hosts", "add a name under hosts:")

    def _host(self, text: str, at: Node, value: Node | None) -> None:
        place = self.tree.place(at, f"host {shown(text)}")
        self.tree.refuse_tags(at, "hosts")
        layer: Layer = {}
        free: Mapping[str, Any] = {}
        groups: tuple[str, ...] = ()
        if value is not None:
            layer, free, groups = self._layer(value, place.what, HOST_KEYS)
        try:
            self.hosts.add(text, Entry(place, layer, free, groups, has_range(text)))
        except GrammarError as error:
            place.refuse(f"hosts: {error.message}", error.hint)


def _looks_like_ansible(node: Node) -> bool:
    if not isinstance(node, MappingNode):
        return False
    keys = {str(key.value) for key, _ in node.value}
    return bool(keys) and keys <= {"hosts", "children", "vars"}
