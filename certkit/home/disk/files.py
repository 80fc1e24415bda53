"""The only place that writes into a home: modes that no umask weakens, writes that never tear."""

from __future__ import annotations

import errno
import os
import secrets
import shlex
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from certkit.errors import HomeError

DIRECTORY_MODE = 0o700
KEY_MODE = 0o600
CERTIFICATE_MODE = 0o644

TEMPORARY_PREFIX = ".certkit-new-"
"""How the name of a file or directory that is not finished starts; swept under the lock."""

MAX_FILE_BYTES = 4 << 20
"""More than this, in bytes, is no file of ours."""

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def make_directory(path: Path, mode: int = DIRECTORY_MODE) -> None:
    """Make one directory with exactly this mode, whatever the umask is.

    Raises:
        HomeError: It cannot be made.
    """
    try:
        path.mkdir(mode)
        path.chmod(mode)
        sync_directory(path.parent)
    except OSError as error:
        raise unusable("cannot make", path, error) from error


def write_atomic(path: Path, content: bytes, mode: int) -> None:
    """Replace or make a file so that readers see the old content or the new, never a mixture.

    The temporary file lies beside it, is opened exclusively without following links, has its mode
    before its content, and is flushed to the disk before it takes the name.

    Args:
        path: The file.
        content: Its whole content.
        mode: Its permission bits.

    Raises:
        HomeError: The disk refused; the old file is untouched.
    """
    temporary = path.parent / f"{TEMPORARY_PREFIX}{path.name}-{secrets.token_hex(8)}"
    try:
        try:
            _write_new(temporary, content, mode)
            temporary.rename(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)
    except OSError as error:
        raise unusable("cannot write", path, error) from error


def write_directory(path: Path, files: Mapping[str, tuple[bytes, int]]) -> None:
    """Make a directory with files as one step: afterwards all of it is there, or nothing.

    It is built beside its place and renamed; an empty directory in that place is replaced, any
    other is refused by the kernel.

    Args:
        path: The directory.
        files: Content and mode by name.

    Raises:
        HomeError: The disk refused, or the directory exists and is not empty.
    """
    temporary = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    try:
        try:
            make_directory(temporary)
            for name, (content, mode) in files.items():
                _write_new(temporary / name, content, mode)
            sync_directory(temporary)
            temporary.rename(path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_directory(path.parent)
    except OSError as error:
        raise unusable("cannot make", path, error) from error


def sweep(directory: Path) -> tuple[str, ...]:
    """Remove what an interrupted run left unfinished; call it under the lock only.

    Returns:
        The names removed.
    """
    removed = []
    for path in sorted(directory.iterdir()):
        if path.name.startswith(TEMPORARY_PREFIX):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            removed.append(path.name)
    return tuple(removed)


def read_file(path: Path, mode: int) -> bytes:
    """Read a file of the home after checking who can touch it.

    Args:
        path: The file; a symbolic link is refused.
        mode: The permission bits it may have at most. A key (0600) must not be readable by
            others, a certificate (0644) not writable.

    Raises:
        HomeError: It is missing, a link, lax, somebody else's, or too large.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise HomeError(
                f"{path} is a symbolic link", "a home holds plain files; put the file itself there"
            ) from error
        raise unusable("cannot read", path, error) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise HomeError(f"{path} is not a plain file", "a home holds plain files")
        check_status(path, status, mode)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_FILE_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_FILE_BYTES:
        raise HomeError(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB")
    return content


def check_directory(path: Path) -> None:
    """Refuse a directory that others own, can enter or that is no directory.

    Raises:
        HomeError: With the command that mends it.
    """
    try:
        status = path.lstat()
    except OSError as error:
        raise unusable("cannot read", path, error) from error
    if not stat.S_ISDIR(status.st_mode):
        raise HomeError(f"{path} is not a directory", "name another one with --home")
    check_status(path, status, DIRECTORY_MODE)


def check_status(path: Path, status: os.stat_result, mode: int) -> None:
    """Refuse a file or directory that is somebody else's or laxer than the mode.

    Raises:
        HomeError: With the command that mends it.
    """
    shown = shlex.quote(str(path))
    if status.st_uid != os.geteuid():
        raise HomeError(
            f"{path} belongs to user {status.st_uid}, not to you (user {os.geteuid()})",
            f"run certkit as its owner, or take it over: chown -R {os.geteuid()} {shown}",
        )
    actual = stat.S_IMODE(status.st_mode)
    if actual & ~mode & 0o777:
        raise HomeError(
            f"{path} has mode {actual:04o}, which lets others in; it must be {mode:04o}",
            f"chmod {mode:o} {shown}",
        )


def sync_directory(path: Path) -> None:
    """Flush a directory, so that a rename in it survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unusable(what: str, path: Path, error: OSError) -> HomeError:
    """The error for a failed system call on the home: ``cannot write /x: No space left``."""
    reason = error.strerror or str(error)
    hints = {
        errno.ENOSPC: "free some space and run the command again; nothing was left half written",
        errno.EDQUOT: "free some space and run the command again; nothing was left half written",
        errno.EROFS: "the file system is read-only; choose another place with --home",
        errno.EACCES: "choose a place you may write to with --home",
        errno.EPERM: "choose a place you may write to with --home",
        errno.ENOENT: "check the path, or choose another place with --home",
        errno.ENOTDIR: "a file stands in the way; choose another place with --home",
        errno.ENAMETOOLONG: "choose a shorter path with --home",
    }
    other = "check the disk and the path, then run the command again"
    return HomeError(f"{what} {path}: {reason}", hints.get(error.errno or 0, other))


def _write_new(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, _CREATE, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
