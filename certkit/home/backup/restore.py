"""Restoring a home from a back-up: everything is checked before any of it is in place."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from certkit.errors import CertkitError, HomeError, InputError
from certkit.home.backup.archive import Contents, read_backup
from certkit.home.disk.files import (
    TEMPORARY_PREFIX,
    make_directory,
    sync_directory,
    unusable,
    write_atomic,
)
from certkit.home.elsewhere.requesting import find_request
from certkit.home.home import Home
from certkit.home.request import Origin
from certkit.secret import Secret


@dataclass(frozen=True)
class Restored:
    """What `restore` did.

    Attributes:
        home: The home.
        files: How many files it has now.
        registries: The references of its registries.
    """

    home: Home
    files: int
    registries: tuple[str, ...]


def refuse_existing(path: Path) -> None:
    """Refuse a home that holds anything.

    Raises:
        InputError: It does.
        HomeError: It cannot be looked into.
    """
    try:
        if os.path.lexists(path) and (not path.is_dir() or any(path.iterdir())):
            raise InputError(
                f"{path} exists and is not empty; a restore replaces nothing",
                "move it away first, or name another place with --home",
            )
    except OSError as error:
        raise unusable("cannot read", path, error) from error


def restore(file: Path, passphrase: Callable[[], Secret], path: Path) -> Restored:
    """Make a home from a back-up, in one step.

    It is built beside its place and opened there like any home: every certificate parsed, every
    plain key compared with its certificate. Then it takes the name.

    Args:
        file: The back-up.
        passphrase: Tells what it was encrypted with; asked once it is seen to be a back-up.
        path: The home, from `home_path`; missing or empty.

    Raises:
        InputError: The place is taken, or the back-up is damaged.
        HomeError: The passphrase is wrong, the disk refused, or the back-up holds a home that
            cannot be used.
    """
    refuse_existing(path)
    contents = read_backup(file, passphrase)
    try:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unusable("cannot make", path.parent, error) from error
    staged = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    try:
        _lay_out(staged, contents)
        registries = _check(staged)
        refuse_existing(path)
        try:
            # The kernel refuses this when something has come there meanwhile.
            staged.rename(path)
            sync_directory(path.parent)
        except OSError as error:
            raise unusable("cannot make", path, error) from error
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    home = Home.open(path)
    home.journal.append("restore", what=f"{len(contents)} files restored from {file.name}")
    return Restored(home, len(contents), registries)


def _lay_out(root: Path, contents: Contents) -> None:
    make_directory(root)
    made = {root}
    for name, (data, mode) in contents.items():
        target = root / name
        for parent in reversed(target.relative_to(root).parents[:-1]):
            directory = root / parent
            if directory not in made:
                make_directory(directory)
                made.add(directory)
        write_atomic(target, data, mode)
    if (registries := root / "registries") not in made:
        make_directory(registries)


def _check(root: Path) -> tuple[str, ...]:
    try:
        found = Home.open(root).registries()
        for files in found:
            if files.missing:
                raise HomeError(f"{files.reference} lacks {', '.join(files.missing)}")
            if files.waits:
                find_request(files)
                continue
            files.bundle()
            if files.leaf.public_key() != files.server_key().public_key():
                raise HomeError(f"the server key of {files.reference} is not its certificate's")
            own = files.request.origin is Origin.OWN
            if own and not files.authority_key_protection.encrypted:
                files.authority_key(None)
    except CertkitError as error:
        raise HomeError(
            f"the back-up holds a home that cannot be used: {error.message}",
            "use an older back-up; nothing was put in place",
        ) from error
    return tuple(files.reference.text for files in found)
