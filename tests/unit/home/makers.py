"""Homes to test with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from certkit.home.initialise import Initialised, initialise
from certkit.home.keys.passphrase import PassphraseSources
from certkit.home.request import RegistryRequest
from tests.unit.pki.chains import NOW

PLAIN = PassphraseSources(refused=True)


def make(
    home: Path,
    registry: str = "registry.lab:5000",
    passphrases: PassphraseSources = PLAIN,
    **options: Any,
) -> Initialised:
    return initialise(home, RegistryRequest.parse(registry, **options), passphrases, NOW)


def snapshot(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a directory with its mode and content, without lock and journal."""
    return {
        str(path.relative_to(directory)): (path.stat().st_mode, path.read_bytes())
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name not in {"lock", "journal.jsonl"}
    }
