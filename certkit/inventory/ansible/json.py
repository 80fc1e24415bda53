"""The JSON of inventory scripts and of ``ansible-inventory --list``."""

from __future__ import annotations

import json
from typing import Any, Literal, overload

from certkit.errors import InputError
from certkit.inventory.ansible.groups import Graph
from certkit.inventory.ansible.variables import Vars
from certkit.inventory.places import Place, shown
from certkit.inventory.yamltree import ENCRYPTED


@overload
def parse_json(text: str, source: str) -> dict[str, Any]: ...


@overload
def parse_json(text: str, source: str, *, lenient: Literal[True]) -> dict[str, Any] | None: ...


def parse_json(text: str, source: str, *, lenient: bool = False) -> dict[str, Any] | None:
    """Read a JSON object that has no key twice.

    Args:
        text: The JSON.
        source: What to call it in messages.
        lenient: Whether to return None for what is not JSON; it may be YAML.

    Raises:
        InputError: It is not JSON, not an object, or ambiguous.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{shown(source)} has the key '{shown(twice)}' twice")
        return result

    try:
        found = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        if lenient:
            return None
        Place(source, error.lineno, error.colno).refuse(f"is not JSON: {error.msg}")
    except RecursionError:
        raise InputError(f"{shown(source)} is nested too deeply for an inventory") from None
    if not isinstance(found, dict):
        raise InputError(f"{shown(source)} is not an inventory: its JSON is not an object")
    return found


def read_list(data: dict[str, Any], source: str) -> tuple[Graph, list[str]]:
    """Read the answer to ``--list``.

    Args:
        data: The JSON object.
        source: What to call it in messages.

    Returns:
        The graph and warnings.

    Raises:
        InputError: It is not of the shape that Ansible's ``script`` plugin takes.
    """
    graph, warnings = Graph(source), list[str]()
    for name, body in data.items():
        if name == "_meta":
            continue
        place = Place(source, what=f"group {name}")
        group = graph.group(name, place)
        if isinstance(body, list):
            body = {"hosts": body}
        if not isinstance(body, dict):
            place.refuse("a group must be an object or a list of hosts")
        for host in _names(body, "hosts", place):
            graph.add(host, group, Place(source, what=f"host {shown(host)}"), ranges=False)
        for child in _names(body, "children", place):
            graph.group(child, place)
            group.children[child] = None
        group.vars.update(_variables(body.get("vars"), place))
    meta = data.get("_meta")
    hostvars = meta.get("hostvars", {}) if isinstance(meta, dict) else None
    if not isinstance(hostvars, dict):
        warnings.append(
            f"{shown(source)} has no _meta.hostvars, so no host has variables of its own; "
            "certkit never asks a script for single hosts"
        )
        hostvars = {}
    for host, found in hostvars.items():
        if host in graph.hosts:
            graph.hosts[host].update(_variables(found, Place(source, what=f"host {shown(host)}")))
    return graph, warnings


def _names(body: dict[str, Any], key: str, place: Place) -> list[str]:
    names = body.get(key) or []
    if isinstance(names, dict):
        names = list(names)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        place.refuse(f"{key} must be a list of names")
    return names


def _variables(found: object, place: Place) -> Vars:
    if found is None:
        return {}
    if not isinstance(found, dict):
        place.refuse("variables must be an object")
    return {name: (_unwrap(value), place) for name, value in found.items()}


def _unwrap(value: Any) -> Any:  # noqa: ANN401 - whatever the script printed
    if isinstance(value, dict) and len(value) == 1:
        if "__ansible_vault" in value:
            return ENCRYPTED
        if "__ansible_unsafe" in value:
            return value["__ansible_unsafe"]
    return value
