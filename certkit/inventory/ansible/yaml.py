"""Ansible's YAML inventory: groups with ``hosts``, ``vars`` and ``children``."""

from __future__ import annotations

from yaml.nodes import MappingNode, Node

from certkit.inventory.ansible.groups import Graph, Group
from certkit.inventory.places import shown
from certkit.inventory.yamltree import Tree, is_null

MAX_DEPTH = 30


def read_yaml(tree: Tree) -> tuple[Graph, list[str]]:
    """Read groups and hosts.

    Args:
        tree: The document.

    Returns:
        The graph and warnings about keys that Ansible too ignores.

    Raises:
        InputError: It is not of the shape that Ansible's ``yaml`` plugin takes.
    """
    graph, warnings = Graph(tree.source), list[str]()
    for name, key, value in tree.pairs(tree.root, "the inventory"):
        _group(tree, graph, name, key, value, warnings, 0)
    return graph, warnings


def _group(
    tree: Tree, graph: Graph, name: str, key: Node, node: Node, warnings: list[str], depth: int
) -> Group:
    group = graph.group(name, tree.place(key))
    what = f"group {shown(name)}"
    if depth > MAX_DEPTH:
        tree.place(key).refuse(f"{what} is nested too deeply")
    for part, part_key, value in tree.pairs(node, what, depth):
        if part == "hosts":
            _hosts(tree, graph, group, value, what)
        elif part == "vars":
            for variable, at, content in tree.pairs(value, f"vars of {what}", depth):
                group.vars[variable] = (tree.plain(content), tree.place(at, what))
        elif part == "children":
            for child, at, content in tree.pairs(value, f"children of {what}", depth):
                group.children[child] = None
                _group(tree, graph, child, at, content, warnings, depth + 1)
        else:
            warnings.append(
                f"{tree.place(part_key)}: the key '{shown(part)}' of {what} is ignored, as in "
                "Ansible: a group has hosts, vars and children"
            )
    return group


def _hosts(tree: Tree, graph: Graph, group: Group, node: Node, what: str) -> None:
    if not isinstance(node, MappingNode) and not is_null(node):
        tree.place(node).refuse(
            f"hosts of {what} must be a mapping, not a list", "end each name with a colon: 'web01:'"
        )
    for text, key, value in tree.pairs(node, f"hosts of {what}"):
        spot = tree.place(key, f"host {shown(text)}")
        names = graph.add(text, group, spot)
        if is_null(value):
            continue
        found = {
            variable: (tree.plain(content), tree.place(at, spot.what))
            for variable, at, content in tree.pairs(value, spot.what)
        }
        for name in names:
            graph.hosts[name].update(found)
