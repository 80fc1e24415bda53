"""Passwords for hosts: from a prompt, a file or the environment; asked once, never shown."""

from __future__ import annotations

import getpass
import os
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from certkit.errors import InputError
from certkit.inventory.model import Host
from certkit.secret import Secret

BECOME_ENVIRONMENT = "CERTKIT_BECOME_PASSWORD"
_LONGEST = 4096


@dataclass(frozen=True)
class Passwords:
    """What was given for all hosts.

    Attributes:
        login: The SSH password; None when none was given.
        become: The sudo or doas password; None when none was given.
    """

    login: Secret | None = field(default=None, hash=False)
    become: Secret | None = field(default=None, hash=False)

    def fill(self, hosts: Iterable[Host]) -> tuple[Host, ...]:
        """Give the passwords to the hosts that have none of their own in the inventory."""
        filled = []
        for host in hosts:
            if self.login is not None and host.password is None:
                host = replace(host, password=self.login)
            if self.become is not None and host.become.password is None:
                host = replace(host, become=replace(host.become, password=self.become))
            filled.append(host)
        return tuple(filled)


def collect(
    *,
    ask_login: bool,
    login_file: Path | None,
    ask_become: bool,
    become_file: Path | None,
) -> Passwords:
    """Gather the passwords before anything connects.

    Raises:
        InputError: Two sources at once, nobody to ask, or an unusable file.
    """
    # Taken out, so that no child process (ssh -G, an inventory script) inherits it.
    from_environment = os.environ.pop(BECOME_ENVIRONMENT, "")
    login = _one("SSH password", ask_login, "--ask-pass", login_file, "--password-file")
    become = _one(
        "sudo password", ask_become, "--ask-become-pass", become_file, "--become-password-file"
    )
    if become is None and from_environment:
        become = Secret(from_environment)
    return Passwords(login, become)


def ask_passphrase(path: Path) -> Secret | None:
    """Ask for the passphrase of an identity file; an empty answer means to go without it."""
    try:
        typed = getpass.getpass(f"passphrase of {path}: ")
    except EOFError:
        return None
    return Secret(typed) if typed else None


def _one(what: str, ask: bool, ask_flag: str, path: Path | None, file_flag: str) -> Secret | None:
    if ask and path is not None:
        raise InputError(f"{ask_flag} and {file_flag} were both given", "keep one of them")
    if path is not None:
        return _read(path, file_flag)
    if not ask:
        return None
    if not sys.stdin.isatty():
        raise InputError(
            f"{ask_flag} was given, and there is no terminal to ask for the {what}",
            f"use {file_flag} FILE",
        )
    try:
        typed = getpass.getpass(f"{what}: ")
    except EOFError:
        typed = ""
    if not typed:
        raise InputError(f"no {what} was typed", f"leave out {ask_flag}, or use {file_flag} FILE")
    return Secret(typed)


def _read(path: Path, flag: str) -> Secret:
    try:
        with path.expanduser().open("rb") as file:
            status = os.fstat(file.fileno())
            # A pipe (/dev/fd/3, process substitution) has no bits to be lax about.
            if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
                raise InputError(
                    f"{flag} {path} can be read by others (mode {status.st_mode & 0o777:04o})",
                    f"chmod 600 {path}",
                )
            raw = file.read(_LONGEST + 1)
    except OSError as error:
        raise InputError(
            f"{flag} {path} cannot be read: {error.strerror}", "check the path"
        ) from None
    try:
        first = raw.decode("utf-8").split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError:
        raise InputError(f"{flag} {path} is not UTF-8 text", "") from None
    if not first or len(raw) > _LONGEST or "\0" in first:
        raise InputError(f"{flag} {path} holds no password on its first line", "")
    return Secret(first)
