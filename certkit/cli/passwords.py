"""Passwords for hosts: from a prompt, a file or the environment; asked once, never shown."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from certkit.errors import InputError
from certkit.inventory.model import Host
from certkit.secret import Secret, read_secret_file, secret_from_environment

BECOME_ENVIRONMENT = "CERTKIT_BECOME_PASSWORD"
KEY_ENVIRONMENT = "CERTKIT_KEY_PASSPHRASE"


@dataclass(frozen=True)
class Passwords:
    """What was given for all hosts.

    Attributes:
        login: The SSH password; None when none was given.
        become: The sudo or doas password; None when none was given.
        key: The passphrase of identity files; None when none was given.
    """

    login: Secret | None = field(default=None, hash=False)
    become: Secret | None = field(default=None, hash=False)
    key: Secret | None = field(default=None, hash=False)

    def fill(self, hosts: Iterable[Host]) -> tuple[Host, ...]:
        """Give the passwords to the hosts that have none of their own in the inventory."""
        filled = []
        for host in hosts:
            if self.login is not None and host.password is None:
                host = replace(host, password=self.login)
            if self.become is not None and host.become.password is None:
                host = replace(host, become=replace(host.become, password=self.become))
            if self.key is not None:
                host = self._with_key(host)
            filled.append(host)
        return tuple(filled)

    def _with_key(self, host: Host) -> Host:
        """Fill the passphrase in for the host and for the bastions on its way."""
        jump = tuple(self._with_key(hop) for hop in host.jump)
        return replace(host, jump=jump, key_passphrase=host.key_passphrase or self.key)


def collect(
    *,
    ask_login: bool,
    login_file: Path | None,
    ask_become: bool,
    become_file: Path | None,
    key_file: Path | None = None,
) -> Passwords:
    """Gather the passwords before anything connects.

    Raises:
        InputError: Two sources at once, nobody to ask, or an unusable file.
    """
    login = _one("SSH password", ask_login, "--ask-pass", login_file, "--password-file")
    become = _one(
        "sudo password", ask_become, "--ask-become-pass", become_file, "--become-password-file"
    )
    key = None if key_file is None else read_secret_file(key_file, "--key-passphrase-file")
    return Passwords(
        login,
        become or secret_from_environment(BECOME_ENVIRONMENT),
        key or secret_from_environment(KEY_ENVIRONMENT),
    )


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
        return read_secret_file(path, file_flag)
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
