"""Helpers that several inventory tests share."""

from __future__ import annotations

from pathlib import Path

from certkit.inventory import Inventory, Overrides, load

NO_CONFIG = Path("none")


def read(directory: Path, text: str, name: str = "hosts.yaml", **overrides: object) -> Inventory:
    """Write an inventory and load it without any ssh_config."""
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(path, overrides=Overrides(**overrides), ssh_config=NO_CONFIG)  # type: ignore[arg-type]


def names(found: Inventory) -> list[str]:
    return [host.name for host in found.hosts]
