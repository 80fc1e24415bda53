"""Back-ups of a home: one encrypted file, read back before it counts, restored whole or not at all.

Inside the encryption is a plain tar, so ``age -d FILE | tar x`` opens it without certkit.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import secrets
import stat
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from certkit.errors import HomeError, InputError
from certkit.home.backup import age
from certkit.home.disk.files import (
    CERTIFICATE_MODE,
    KEY_MODE,
    TEMPORARY_PREFIX,
    check_directory,
    check_status,
    sync_directory,
    unusable,
)
from certkit.home.home import Home
from certkit.home.keys.passphrase import PassphraseSources
from certkit.paths import expanded, read_named
from certkit.pki.bundle import time_text
from certkit.secret import Secret

ENVIRONMENT = "CERTKIT_BACKUP_PASSPHRASE"
SCHEMA = "certkit.backup/1"
MANIFEST = "MANIFEST.json"

MAX_BYTES = 1 << 30
"""A back-up larger than this, in bytes, is none of ours."""

_LOCK = "lock"

Contents = Mapping[str, tuple[bytes, int]]
"""Content and mode of each file, by its path below the home."""


@dataclass(frozen=True)
class BackedUp:
    """What `back_up` did.

    Attributes:
        path: The file.
        files: How many files of the home are in it.
        sha256: The file's digest, 64 hex digits, to compare copies with.
    """

    path: Path
    files: int
    sha256: str


def back_up(home: Home, path: Path, passphrase: Secret, now: datetime) -> BackedUp:
    """Write the whole home into one encrypted file, and read it back before it gets its name.

    Args:
        home: The home; locked meanwhile.
        path: The file, which must not exist.
        passphrase: What to encrypt it with.
        now: The time, with a time zone.

    Raises:
        InputError: The file exists, or cannot be written there.
        HomeError: The home is unusable, or what was written does not read back.
    """
    path = refuse_place(home, path)
    with home.lock("certkit backup"):
        contents = _collect(home.path)
        plain = _pack(contents, now)
        sealed = age.encrypt(plain, passphrase)
        _write_new_file(path, sealed, lambda data: age.decrypt(data, passphrase, str(path)), plain)
        home.journal.append("backup", what=f"{len(contents)} files backed up to {path.name}")
    return BackedUp(path, len(contents), hashlib.sha256(sealed).hexdigest())


def refuse_place(home: Home, path: Path) -> Path:
    """Refuse a place that no back-up can go to, before anybody is asked for a passphrase.

    Returns:
        The absolute path.

    Raises:
        InputError: It exists, or lies inside the home.
    """
    path = expanded(path).absolute()
    if os.path.lexists(path):
        raise _exists(path)
    if home.path in path.resolve().parents:
        raise InputError(f"{path} lies inside the home", "keep the back-up apart from it")
    return path


def read_backup(path: Path, passphrase: Callable[[], Secret]) -> dict[str, tuple[bytes, int]]:
    """Open a back-up and check all of it.

    Args:
        path: The file.
        passphrase: Tells what it was encrypted with; asked once it is seen to be a back-up.

    Returns:
        Content and mode of each file, by its path below the home.

    Raises:
        InputError: It cannot be read, or anything in it is not as the back-up says.
        HomeError: The passphrase is wrong.
    """
    sealed = read_named(path, MAX_BYTES)
    age.check_header(sealed, str(path))
    return _unpack(age.decrypt(sealed, passphrase(), str(path)), str(path))


def passphrase_for_backup(sources: PassphraseSources, *, new: bool) -> Secret:
    """The passphrase of a back-up: from the file, the environment, or a question.

    Args:
        sources: Where to look, with `ENVIRONMENT`.
        new: Whether the back-up is being made, so that it is asked for twice.

    Raises:
        InputError: There is none, it is empty, or the two answers differ.
    """
    found = sources.given()
    if found is not None:
        return found
    if sources.ask is None:
        raise InputError(
            "no passphrase for the back-up was given, and there is no terminal to ask on",
            f"give it with --passphrase-file FILE or {ENVIRONMENT}",
        )
    first = sources.ask("Passphrase of the back-up: ")
    if not first:
        raise InputError("the passphrase is empty", "a back-up is always encrypted")
    if new and sources.ask("The same again: ") != first:
        raise InputError("the two passphrases differ", "run the command again")
    return Secret(first)


def _collect(root: Path) -> dict[str, tuple[bytes, int]]:
    contents = {}
    try:
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root).as_posix()
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode):
                check_directory(path)
                continue
            if not stat.S_ISREG(status.st_mode):
                raise HomeError(f"{path} is not a plain file", "a home holds plain files")
            if name == _LOCK:
                continue
            check_status(path, status, CERTIFICATE_MODE)
            lax = stat.S_IMODE(status.st_mode) & 0o077
            contents[name] = (path.read_bytes(), CERTIFICATE_MODE if lax else KEY_MODE)
    except OSError as error:
        raise unusable("cannot read", root, error) from error
    return contents


def _pack(contents: Contents, now: datetime) -> bytes:
    manifest = {
        "schema": SCHEMA,
        "created": time_text(now),
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "mode": f"{mode:04o}"}
            for name, (data, mode) in contents.items()
        },
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        listed = {MANIFEST: (json.dumps(manifest, indent=2).encode() + b"\n", KEY_MODE), **contents}
        for name, (data, mode) in listed.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(data), mode, int(now.timestamp())
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def _unpack(plain: bytes, source: str) -> dict[str, tuple[bytes, int]]:
    contents: dict[str, tuple[bytes, int]] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isreg() else None
                if file is None or member.name in contents:
                    raise ValueError(f"{member.name} is not a plain file of its own")
                contents[member.name] = (file.read(), KEY_MODE)
        manifest = json.loads(contents.pop(MANIFEST)[0])
        if manifest["schema"] != SCHEMA:
            raise ValueError(f"it was made by another version ({manifest['schema']!r})")
        if set(contents) != set(manifest["files"]):
            raise ValueError("its files are not those of its list")
        for name, said in manifest["files"].items():
            parts = name.split("/")
            if not all(parts) or {".", ".."} & set(parts) or "\0" in name:
                raise ValueError(f"it holds the name {name!r}")
            data, mode = contents[name][0], int(said["mode"], 8)
            if hashlib.sha256(data).hexdigest() != said["sha256"]:
                raise ValueError(f"{name} is not what was backed up")
            if mode not in (KEY_MODE, CERTIFICATE_MODE):
                raise ValueError(f"{name} has the mode {mode:04o}")
            contents[name] = (data, mode)
    except (tarfile.TarError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{source} is no back-up of a home: {error}", "use another copy of the back-up"
        ) from error
    return contents


def _write_new_file(
    path: Path, sealed: bytes, opened: Callable[[bytes], bytes], plain: bytes
) -> None:
    """Write beside, flush, read back from the disk, and only then take the name if it is free."""
    temporary = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        try:
            descriptor = os.open(temporary, flags, KEY_MODE)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, KEY_MODE)
                file.write(sealed)
                file.flush()
                os.fsync(descriptor)
            if opened(temporary.read_bytes()) != plain:
                raise HomeError(f"what was written to {path} does not read back", "check the disk")
            _name_once(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_directory(path.parent)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}", "name a file in another place"
        ) from error


def _name_once(temporary: Path, path: Path) -> None:
    try:
        # Unlike a rename, a link never replaces what came there meanwhile.
        os.link(temporary, path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS):
            raise
        # A stick with FAT knows no links.
        if os.path.lexists(path):
            raise _exists(path) from None
        temporary.rename(path)


def _exists(path: Path) -> InputError:
    return InputError(f"{path} exists, and a back-up replaces nothing", "name a new file")
