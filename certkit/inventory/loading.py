"""Reading an inventory, whatever its format; told apart by shape, not by name."""

from __future__ import annotations

import gc
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from certkit.errors import InputError
from certkit.inventory.files import SHORTEST, clean, is_script, read_text, run_script
from certkit.inventory.inventory import Inventory
from certkit.inventory.model import Overrides
from certkit.inventory.places import shown, suggest

if TYPE_CHECKING:
    from yaml.nodes import Node

    from certkit.inventory.draft import Parsed, RegistryHostDraft

_YAML_START = re.compile(r"""---|%YAML|- |\?|[\w."'\[\]{}@:-]+\s*:(?:\s|$)|['"]""")
_SECTION = re.compile(r"\[[^:\]\s,]+(?::\w+)?\]\s*(?:#.*)?")
_NATIVE_ONLY = frozenset(("version", "registry", "aliases", "defaults", "hosts"))
_GROUP_KEYS = frozenset(("hosts", "children", "vars"))


def load(
    path: Path | str,
    *,
    overrides: Overrides | None = None,
    ssh_config: Path | None = None,
    registry_host: Path | None = None,
) -> Inventory:
    """Read an inventory and settle every host in it.

    Args:
        path: A file, an executable script, or ``-`` for standard input.
        overrides: The command line's word on logins.
        ssh_config: As ``ssh -F`` takes it: a file, ``none``, or None for the user's and the
            system's.
        registry_host: A file that holds the mapping ``registry_host:``, in place of the
            inventory's own.

    Returns:
        The inventory.

    Raises:
        InputError: It cannot be read or understood, or contradicts itself. Nothing was touched.
    """
    from certkit.inventory.duplicates import fold
    from certkit.inventory.resolve import resolve, resolve_one
    from certkit.inventory.ssh.config import SshConfig

    path = Path(path)
    with _collector_paused():
        parsed = _parse(path)
        overrides, config = overrides or Overrides(), SshConfig(ssh_config)
        hosts, second_names = fold(resolve(parsed, overrides, config))
    if registry_host is not None:
        parsed.registry_host = _registry_host(registry_host)
    server = None
    if parsed.registry_host is not None:
        from certkit.inventory.native.registry_host import settle

        server = settle(
            parsed.registry_host,
            hosts,
            parsed.drafts,
            parsed.defaults,
            partial(resolve_one, parsed, overrides=overrides, config=config),
        )
    warnings = [*parsed.warnings, *_plain_secrets(parsed, path), *second_names]
    return Inventory(
        hosts=tuple(hosts),
        registry=parsed.registry,
        aliases=tuple(name for name in parsed.aliases if name != parsed.registry),
        settings=parsed.settings,
        registry_host=server,
        warnings=tuple(warnings),
        path=str(path),
        format=parsed.format,
    )


def _registry_host(path: Path) -> RegistryHostDraft:
    from certkit.inventory.native.reader import read_registry_host
    from certkit.inventory.yamltree import Tree

    return read_registry_host(Tree(read_text(path), str(path)), path.parent)


@contextmanager
def _collector_paused() -> Iterator[None]:
    # The collector would walk the growing tree over and over, for a third of the whole time.
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def registry_of(path: Path | str) -> str | None:
    """The registry an inventory names, without running a script or asking ssh.

    Args:
        path: A file; a script counts as naming none.

    Returns:
        The reference as image names have it, or None.

    Raises:
        InputError: The file cannot be read or understood.
    """
    path = Path(path)
    return None if is_script(path) else _parse(path).registry


def _parse(path: Path) -> Parsed:
    source = str(path) if str(path) != "-" else "standard input"
    if is_script(path):
        from certkit.inventory.ansible.json import parse_json, read_list

        graph, warnings = read_list(parse_json(run_script(path), source), source)
        parsed = graph.finish("ansible-json", path.parent)
        parsed.warnings[:0] = warnings
        return parsed
    return _parse_text(read_text(path), source, Path.cwd() if str(path) == "-" else path.parent)


def parse_text(text: str, source: str = "inventory", directory: Path | None = None) -> Parsed:
    """Read an inventory from memory; no script runs.

    Args:
        text: The inventory.
        source: What to call it in messages.
        directory: Where relative paths, ``group_vars`` and ``host_vars`` are; None for nowhere.

    Returns:
        What was understood, before ssh_config and the command line.

    Raises:
        InputError: It cannot be understood.
    """
    return _parse_text(clean(text.encode(), source), source, directory)


def _parse_text(text: str, source: str, directory: Path | None) -> Parsed:
    first = _first_line(text, source)
    if first.startswith("{"):
        found = _parse_json(text, source, directory)
        if found is not None:
            return found
    elif _SECTION.fullmatch(first) or not _YAML_START.match(first):
        from certkit.inventory.ansible.ini import read_ini

        graph = read_ini(text, source)
        plain = not any(_SECTION.fullmatch(line.strip()) for line in text.split("\n"))
        return graph.finish("hosts" if plain else "ansible-ini", directory)
    return _parse_yaml(text, source, directory)


def _first_line(text: str, source: str) -> str:
    for line in text.split("\n"):
        words = line.strip()
        if words and words[0] not in "#;":
            return words
    raise InputError(
        f"{shown(source)} is empty: it has comments only",
        SHORTEST,
    )


def _parse_json(text: str, source: str, directory: Path | None) -> Parsed | None:
    """Read Ansible's JSON; None when it is YAML, or another format in JSON's clothes."""
    from certkit.inventory.ansible.json import parse_json, read_list

    data = parse_json(text, source, lenient=True)
    if data is None or ("_meta" not in data and _NATIVE_ONLY & data.keys()):
        return None
    groups = [body for body in data.values() if isinstance(body, dict)]
    if any(isinstance(body.get("hosts"), dict) for body in groups):
        return None
    graph, warnings = read_list(data, source)
    parsed = graph.finish("ansible-json", directory)
    parsed.warnings[:0] = warnings
    return parsed


def _parse_yaml(text: str, source: str, directory: Path | None) -> Parsed:
    from yaml.nodes import MappingNode

    from certkit.inventory.native.reader import TOP_KEYS, read_native
    from certkit.inventory.yamltree import Tree, is_null

    tree = Tree(text, source)
    root = tree.root
    if not isinstance(root, MappingNode):
        tree.place(root).refuse(
            "is not an inventory: there are no keys at its top", "put the names under 'hosts:'"
        )
    top = {str(key.value): (key, value) for key, value in root.value}
    if _NATIVE_ONLY & top.keys():
        return read_native(tree, directory or Path())
    strange = next((name for name, (_, value) in top.items() if not _is_group(value)), None)
    if strange is not None:
        tree.place(top[strange][0]).refuse(
            f"'{shown(strange)}' is neither a key of certkit's inventory nor an Ansible group",
            suggest(strange, TOP_KEYS) or "the shortest inventory is: hosts: [web01, web02]",
        )
    if all(is_null(value) for _, value in top.values()):
        tree.place(root).refuse("has no hosts", "put the names under 'hosts:'")
    from certkit.inventory.ansible.yaml import read_yaml

    graph, warnings = read_yaml(tree)
    parsed = graph.finish("ansible-yaml", directory)
    parsed.warnings[:0] = warnings
    return parsed


def _is_group(node: Node) -> bool:
    from yaml.nodes import MappingNode, ScalarNode

    if isinstance(node, ScalarNode):
        return node.tag.endswith(":null")
    if not isinstance(node, MappingNode):
        return False
    return not node.value or any(str(key.value) in _GROUP_KEYS for key, _ in node.value)


def _plain_secrets(parsed: Parsed, path: Path) -> list[str]:
    if not parsed.secrets:
        return []
    first, more = parsed.secrets[0], len(parsed.secrets) - 1
    text = f"{first}: a password stands in plain text" + (f" ({more} more)" if more else "")
    open_files = sorted({p.source for p in parsed.secrets if _others_read(p.source, path)})
    if open_files:
        names = ", ".join(shown(name) for name in open_files[:3])
        text += f", and others can read {names} (chmod 600)"
    return [f"{text}; take it from a prompt, a file or the environment instead (password_from)"]


def _others_read(source: str, path: Path) -> bool:
    file = path if source == str(path) else path.parent / source
    try:
        return bool(file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False
