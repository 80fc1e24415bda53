"""``registry.json``: what a registry was made with."""

from __future__ import annotations

import json
from pathlib import Path

from certkit.errors import HomeError, InputError
from certkit.home.disk.files import KEY_MODE, read_file
from certkit.home.request import RegistryRequest

SCHEMA = "certkit.registry/1"


def encode_record(request: RegistryRequest, created: str) -> bytes:
    """The content of ``registry.json``.

    Args:
        request: What the registry was made with.
        created: When, RFC 3339.
    """
    record = {"schema": SCHEMA, "created": created, **request.to_json()}
    return (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()


def read_record(path: Path) -> RegistryRequest:
    """Read a ``registry.json``.

    Raises:
        HomeError: It is missing, damaged, lax, or another version's.
    """
    try:
        record = json.loads(read_file(path, KEY_MODE))
        if record["schema"] != SCHEMA:
            raise HomeError(
                f"{path} was written by another version of certkit ({record['schema']!r})",
                "use that version, or a newer one",
            )
        return RegistryRequest.from_json(record)
    except (ValueError, KeyError, TypeError, AttributeError, InputError) as error:
        raise HomeError(f"{path} is damaged: {error}", "restore it from the back-up") from error
