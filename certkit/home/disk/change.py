"""Changing several files of a registry as one step that a kill cannot tear.

What is to be written lies complete in a directory that takes its name in one rename; from then on
the change is decided. Carrying it out can be interrupted anywhere and repeated: every write
replaces a whole file, every removal tolerates that the file is gone. The home finishes a decided
change before anybody else reads it.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from certkit.errors import HomeError
from certkit.home.disk.files import (
    KEY_MODE,
    TEMPORARY_PREFIX,
    check_directory,
    make_directory,
    read_file,
    sweep,
    sync_directory,
    unusable,
    write_atomic,
    write_directory,
)

CHANGE = "pending-change"
"""The directory of a decided change, in the registry's directory."""

_PLAN = "plan.json"
_SCHEMA = "certkit.change/1"

Writes = Mapping[str, tuple[bytes, int]]
"""Content and mode by name; a name may have directories before it, with slashes."""


def change_files(directory: Path, writes: Writes, removes: Iterable[str] = ()) -> None:
    """Write and remove files so that all of it happens, or nothing; call it under the lock.

    Args:
        directory: The registry's directory.
        writes: What is to stand there afterwards.
        removes: What is to be gone afterwards; none of `writes`.

    Raises:
        HomeError: The disk refused. Nothing has changed when the change could not be decided; a
            decided one is carried out by whoever opens the home next.
    """
    gone = list(removes)
    for name in (*writes, *gone):
        _place(directory, name)
    plan = {
        "schema": _SCHEMA,
        "write": [
            {"name": name, "from": str(number), "mode": mode}
            for number, (name, (_, mode)) in enumerate(writes.items())
        ],
        "remove": gone,
    }
    contents = {str(number): (data, KEY_MODE) for number, (data, _) in enumerate(writes.values())}
    contents[_PLAN] = (json.dumps(plan).encode(), KEY_MODE)
    write_directory(directory / CHANGE, contents)
    finish_change(directory)


def is_change_pending(directory: Path) -> bool:
    """Whether a change of the registry was decided and not carried out to its end."""
    return (directory / CHANGE / _PLAN).exists()


def finish_change(directory: Path) -> bool:
    """Carry out what was decided, if anything; call it under the lock.

    Args:
        directory: The registry's directory.

    Returns:
        Whether there was something to do.

    Raises:
        HomeError: The disk refused, or the plan is damaged.
    """
    if not is_change_pending(directory):
        return False
    source = directory / CHANGE
    check_directory(source)
    plan = _read_plan(source / _PLAN)
    try:
        for entry in plan["write"]:
            target = _place(directory, entry["name"])
            _make_parents(directory, target)
            write_atomic(target, read_file(source / entry["from"], KEY_MODE), entry["mode"])
        for name in plan["remove"]:
            target = _place(directory, name)
            if target.parent.exists():
                target.unlink(missing_ok=True)
                sync_directory(target.parent)
        # Renamed first: half a plan must never be taken for a whole one.
        rest = directory / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
        source.rename(rest)
        sync_directory(directory)
        shutil.rmtree(rest)
    except OSError as error:
        raise unusable("cannot change", directory, error) from error
    except (KeyError, TypeError, ValueError) as error:
        raise HomeError(f"{source} is damaged: {error}", "restore the home's back-up") from error
    return True


def _read_plan(path: Path) -> dict[str, Any]:
    try:
        plan = json.loads(read_file(path, KEY_MODE))
        if plan["schema"] != _SCHEMA:
            raise HomeError(
                f"{path} was written by another version of certkit", "use that version once"
            )
    except (ValueError, KeyError, TypeError) as error:
        raise HomeError(f"{path} is damaged: {error}", "restore the home's back-up") from error
    return dict(plan)


def _place(directory: Path, name: str) -> Path:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or {"..", CHANGE} & set(parts):
        raise ValueError(f"not a name inside a registry's directory: {name!r}")
    return directory.joinpath(*parts)


def _make_parents(directory: Path, target: Path) -> None:
    for parent in reversed(target.relative_to(directory).parents[:-1]):
        path = directory / parent
        if path.exists():
            check_directory(path)
            sweep(path)
        else:
            make_directory(path)
