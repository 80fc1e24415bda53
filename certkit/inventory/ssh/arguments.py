"""The few ssh options that ``ansible_ssh_common_args`` and its kin may carry into certkit."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from certkit.inventory.places import Place, shown

_BY_LETTER = {"J": "proxyjump", "i": "identityfile", "p": "port", "l": "user"}
_BY_NAME = {
    "proxyjump": "jump",
    "identityfile": "identity_file",
    "port": "port",
    "user": "user",
    "userknownhostsfile": "known_hosts_file",
}
# What Ansible sets by itself, or what makes no difference to certkit.
_HARMLESS = frozenset(
    ("controlmaster", "controlpersist", "controlpath", "compression", "loglevel", "batchmode")
).union(
    ("serveraliveinterval", "serveralivecountmax", "connecttimeout", "tcpkeepalive"),
    ("forwardagent", "preferredauthentications", "gssapiauthentication"),
    ("-C", "-q", "-4", "-6", "-T", "-n"),
)
_VALUED = frozenset("BbcDEeFIiJLlmOopQRSWw")


def read_arguments(
    name: str, text: str, place: Place, warn: Callable[[str], None]
) -> list[tuple[str, str | list[str]]]:
    """Take what certkit knows from ssh arguments.

    Args:
        name: The variable that holds them, for messages.
        text: The arguments, quoted as for a shell.
        place: Where they stand.
        warn: Called with a sentence for each option that is ignored.

    Returns:
        Keys of `certkit.inventory.fields.FIELDS` with their values, the first of a kind first.

    Raises:
        InputError: The quoting is unbalanced, or a ProxyCommand is no plain jump.
    """
    try:
        options = split_arguments(text)
    except ValueError as error:
        place.refuse(f"{name}: {error}", "check its quotes")
    found: list[tuple[str, str | list[str]]] = []
    for option, value in options:
        if option == "proxycommand":
            jump = jump_of_command(value)
            if jump is None:
                place.refuse(
                    f"{name}: ProxyCommand is not supported", "use -J HOST or -o ProxyJump=HOST"
                )
            option, value = "proxyjump", jump
        if option == "stricthostkeychecking" and value.lower() in ("yes", "ask", "accept-new"):
            continue
        if option == "stricthostkeychecking" or (
            option == "userknownhostsfile" and value in ("/dev/null", "none")
        ):
            warn(f"{name}: {option}={shown(value)} is ignored: certkit always checks host keys")
        elif option in _BY_NAME:
            key = _BY_NAME[option]
            many = {"jump": value.split(","), "known_hosts_file": value.split()}
            found.append((key, many.get(key, value)))
        elif option not in _HARMLESS:
            warn(f"{name}: the option '{shown(option)}' is ignored")
    return found


@lru_cache(maxsize=1000)
def split_arguments(text: str) -> tuple[tuple[str, str], ...]:
    """Cut ssh arguments into (lower-case option name or flag, value) pairs.

    Raises:
        ValueError: The quoting is unbalanced.
    """
    words = iter(shlex.split(text))
    found: list[tuple[str, str]] = []
    for word in words:
        letter, value = word[1:2], word[2:]
        if not word.startswith("-") or letter not in _VALUED or not letter:
            found.append((word, ""))
            continue
        value = value or next(words, "")
        if letter == "o":
            name, _, value = value.replace("=", " ", 1).partition(" ")
            found.append((name.lower(), value.strip().strip('"')))
        else:
            found.append((_BY_LETTER.get(letter, f"-{letter}"), value))
    return tuple(found)


def jump_of_command(command: str) -> str | None:
    """The jump host of ``ssh -W %h:%p [user@]host``, which ProxyJump replaced; else None."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if not words or Path(words[0]).name != "ssh":
        return None
    found: dict[str, str] = {}
    host = ""
    for option, value in split_arguments(shlex.join(words[1:])):
        if option in ("-W", "port", "user"):
            found[option] = value
        elif option not in _HARMLESS:
            if host or option.startswith("-") or value:
                return None
            host = option
    if found.get("-W") not in ("%h:%p", "[%h]:%p") or not host:
        return None
    login = f"{found['user']}@" if "user" in found and "@" not in host else ""
    port = f":{found['port']}" if "port" in found else ""
    return f"{login}{host}{port}"
