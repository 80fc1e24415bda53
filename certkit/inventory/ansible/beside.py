"""``group_vars/`` and ``host_vars/`` in the directory of an Ansible inventory."""

from __future__ import annotations

import os
from pathlib import Path

from certkit.errors import InputError
from certkit.inventory.ansible.variables import Vars
from certkit.inventory.files import read_text
from certkit.inventory.places import Place, shown
from certkit.inventory.yamltree import Tree

_SUFFIXES = ("", ".yml", ".yaml", ".json")


class Beside:
    """Variables in files named after groups and hosts, read when first asked for.

    For a name the first of ``NAME``, ``NAME.yml``, ``NAME.yaml``, ``NAME.json`` counts; a directory
    ``NAME/`` is read whole, its files by name (``ansible.parsing.dataloader.find_vars_files``).

    Args:
        directory: Where the inventory is; None when it did not come from a file.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._entries = {kind: self._list(kind) for kind in ("group_vars", "host_vars")}
        self._groups: dict[str, Vars] = {}

    def _list(self, kind: str) -> dict[str, Path]:
        # Listed once: four stat calls for each of 10,000 hosts would take longer than all else.
        if self._directory is None:
            return {}
        folder = self._directory / kind
        try:
            with os.scandir(folder) as found:
                return {entry.name: folder / entry.name for entry in found}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise InputError(f"cannot read {shown(folder)}: {error.strerror}") from None

    def group(self, name: str) -> Vars:
        """Variables of a group."""
        if name not in self._groups:
            self._groups[name] = self._read("group_vars", name, f"group {name}")
        return self._groups[name]

    def host(self, name: str) -> Vars:
        """Variables of a host."""
        return self._read("host_vars", name, f"host {name}")

    def _read(self, kind: str, name: str, what: str) -> Vars:
        entries = self._entries[kind]
        for suffix in _SUFFIXES if entries else ():
            path = entries.get(f"{name}{suffix}")
            if path is not None:
                found: Vars = {}
                for file in _files(path):
                    found.update(
                        _variables(file, str(Path(kind) / file.relative_to(path.parent)), what)
                    )
                return found
        return {}


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found: list[Path] = []
    for entry in sorted(path.iterdir()):
        if entry.name.startswith(".") or entry.name.endswith("~"):
            continue
        if entry.is_dir():
            found += _files(entry) if not entry.suffix else []
        elif entry.suffix in _SUFFIXES:
            found.append(entry)
    return found


def _variables(path: Path, source: str, what: str) -> Vars:
    text = read_text(path, source)
    if all(not line.strip() or line.lstrip().startswith(("#", "---")) for line in text.split("\n")):
        return {}
    tree = Tree(text, source)
    return {
        name: (tree.plain(value), Place(*tree.place(key)[:3], what))
        for name, key, value in tree.pairs(tree.root, source)
    }
