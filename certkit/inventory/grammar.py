"""What each kind of value may look like; a value that breaks its grammar raises `GrammarError`.

Pure. Values come as YAML, INI or JSON have them, so a port may be a number or a text. They are
judged here before they can become an argument of ``ssh -G``, a path or a line on a terminal.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
import re
from typing import Literal, NamedTuple

from certkit.inventory.places import GrammarError, shown, suggest
from certkit.inventory.ranges import is_ipv6

_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_ZONE = re.compile(r"[A-Za-z0-9_.-]+")
_USER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@+\\$-]{0,254}")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_SERVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:\\-]{0,254}")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/=-]{0,254}")
_RUNTIME = re.compile(r"[a-z][a-z0-9-]{0,40}")
_FINGERPRINT = re.compile(r"SHA256:([A-Za-z0-9+/]{43})=?")
_KEY_TYPE = re.compile(r"(?:ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+")
_SHARE = re.compile(r"[0-9]{1,6}%?")

_FLAGS = {
    **dict.fromkeys(("true", "yes", "on", "1", "y"), True),
    **dict.fromkeys(("false", "no", "off", "0", "n"), False),
}
_RUNTIME_SHORT = {"rootless": "docker-rootless", "snap": "docker-snap"}


class Target(NamedTuple):
    """``user@host:port`` taken apart; what was not said is None."""

    user: str | None
    host: str
    port: int | None


def text(value: object) -> str:
    """One line of printable text."""
    if type(value) is str and value.isprintable() and value.strip():
        return value
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise GrammarError("must be a text")
    result = str(value)
    if not result.strip():
        raise GrammarError("is empty")
    if not result.isprintable():
        raise GrammarError("holds control characters, a tab or a line break", "remove them")
    return result


def is_plain_host(name: str) -> bool:
    """Whether it is a host name or an IPv4 address and nothing around it."""
    return _HOST.fullmatch(name) is not None and len(name) <= 253 and ".." not in name


def host(value: object) -> str:
    """A host name or an IP address, without brackets and without a port."""
    name = text(value)
    if is_plain_host(name):
        return name
    if name.startswith("-"):
        raise GrammarError(
            f"'{shown(name)}' starts with a dash", "a host name starts with a letter or digit"
        )
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    bare, percent, zone = name.partition("%")
    if ":" in bare:
        if not is_ipv6(bare) or (percent and not _ZONE.fullmatch(zone)):
            raise GrammarError(f"'{shown(name)}' is neither a host name nor an IPv6 address")
        return name
    if not name.isascii():
        raise GrammarError(
            f"'{shown(name)}' has letters beyond ASCII", "write the name's xn-- form"
        )
    if not is_plain_host(name):
        raise GrammarError(
            f"'{shown(name)}' is not a host name", "letters, digits, dashes, dots and underscores"
        )
    return name


def address(value: object) -> str:
    """A host that can be connected to; unlike a mere name it must not be a half-written IPv4."""
    if type(value) is str and _IPV4.fullmatch(value):
        return value
    name = host(value)
    if name.rstrip(".").rpartition(".")[2].isdigit() and not _IPV4.fullmatch(name):
        raise GrammarError(
            f"'{shown(name)}' is all numbers but not a valid IPv4 address",
            "check the four numbers, or give the host an address",
        )
    return name


def port(value: object) -> int:
    """A TCP port."""
    digits = str(value).strip()
    if isinstance(value, bool) or not _PORT.fullmatch(digits) or int(digits) > 65535:
        raise GrammarError(f"'{shown(value)}' is not a port", "a port is a number from 1 to 65535")
    return int(digits)


def user(value: object) -> str:
    r"""A login name, local or of a domain (``DOM\ann``, ``ann@dom``)."""
    name = text(value)
    if not _USER.fullmatch(name):
        raise GrammarError(
            f"'{shown(name)}' is not a user name", "letters, digits and any of _ . @ + \\ $ -"
        )
    return name


def target(value: object) -> Target:
    """``[user@]host[:port]``, an IPv6 address in brackets when a port follows."""
    if type(value) is str and is_plain_host(value):
        return Target(None, value, None)
    whole = text(value).strip()
    rest = whole[6:].rstrip("/") if whole.startswith("ssh://") else whole
    login, at, rest = rest.rpartition("@")
    found = user(login) if at else None
    if is_ipv6(rest.partition("%")[0]):
        return Target(found, host(rest), None)
    if rest.startswith("["):
        inside, _, tail = rest[1:].partition("]")
        if not is_ipv6(inside.partition("%")[0]) or (tail and not tail.startswith(":")):
            raise GrammarError(
                f"'{shown(whole)}' is not a host", "write an IPv6 address as [fd00::1]:22"
            )
        return Target(found, host(inside), port(tail[1:]) if tail else None)
    name, colon, digits = rest.partition(":")
    return Target(found, host(name), port(digits) if colon else None)


def flag(value: object) -> bool:
    """Yes or no, in any of the spellings of YAML 1.1 and Ansible."""
    known = _FLAGS.get(str(value).strip().lower())
    if known is None:
        raise GrammarError(f"'{shown(value)}' is neither true nor false")
    return known


def seconds(value: object) -> float:
    """A positive number of seconds, at most a day."""
    try:
        number = float(str(value).strip())
    except ValueError:
        number = 0.0
    if isinstance(value, bool) or not 0 < number <= 86400:
        raise GrammarError(f"'{shown(value)}' is not a number of seconds", "from above 0 to 86400")
    return int(number) if number == int(number) else number


def choice(value: object, known: tuple[str, ...]) -> str:
    """One word of a closed list."""
    word = text(value)
    if word not in known:
        hint = suggest(word, known) or f"one of {', '.join(known)}"
        raise GrammarError(f"'{shown(word)}' is not known here", hint)
    return word


def runtime(value: object) -> str:
    """The name of a runtime; whether certkit has it is for `certkit.runtimes` to say."""
    word = text(value)
    if not _RUNTIME.fullmatch(word):
        raise GrammarError(
            f"'{shown(word)}' is not the name of a runtime", "such as docker, podman or auto"
        )
    return _RUNTIME_SHORT.get(word, word)


def service(value: object) -> str:
    """A service name, by systemd's grammar for unit names, which is the widest."""
    name = text(value)
    if not _SERVICE.fullmatch(name):
        raise GrammarError(f"'{shown(name)}' is not the name of a service")
    return name


def word(value: object) -> str:
    """A tag or the name of a group."""
    name = text(value)
    if not _WORD.fullmatch(name):
        raise GrammarError(f"'{shown(name)}' is not one plain word")
    return name


def directory(value: object) -> str:
    """An absolute path on the host, already in its shortest form."""
    path = text(value)
    bare = path.rstrip("/") or "/"
    if not path.startswith("/") or path.startswith("//") or bare == "/":
        raise GrammarError(f"'{shown(path)}' is not an absolute path")
    if posixpath.normpath(bare) != bare:
        raise GrammarError(
            f"'{shown(path)}' is not in its shortest form", f"write {posixpath.normpath(bare)}"
        )
    return bare


def executable(value: object) -> str:
    """An absolute path of a program on the host, without arguments."""
    path = directory(value)
    if " " in path:
        raise GrammarError(
            f"'{shown(path)}' holds a space", "give the path alone, without arguments"
        )
    return path


def fingerprint(value: object) -> str:
    """A key's ``SHA256:...`` fingerprint, without padding."""
    found = _FINGERPRINT.fullmatch(text(value).strip())
    if not found:
        raise GrammarError(
            f"'{shown(value)}' is not a SHA256 fingerprint",
            "ssh-keygen -lf KEY.pub prints it: SHA256: and 43 characters",
        )
    return f"SHA256:{found[1]}"


def host_key(value: object) -> str:
    """A pinned host key: its fingerprint, or type and base64 as in known_hosts."""
    words = text(value).split()
    if len(words) == 1:
        return fingerprint(words[0])
    kind, blob = words[0], words[1]
    try:
        raw = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not _KEY_TYPE.fullmatch(kind) or raw[4 : 4 + len(kind)] != kind.encode():
        raise GrammarError(
            "is not a host key",
            "write SHA256:... or the type and key as in known_hosts: ssh-ed25519 AAAA...",
        )
    return f"{kind} {blob}"


def share(value: object, *, least: int = 1) -> str:
    """A number of hosts, or a percentage of them."""
    amount = str(value).strip()
    number = int(amount.rstrip("%")) if _SHARE.fullmatch(amount) else -1
    if isinstance(value, bool) or number < least or (amount.endswith("%") and number > 100):
        raise GrammarError(
            f"'{shown(value)}' is neither a number of hosts nor a percentage", "such as 3 or 10%"
        )
    return amount


def secret_source(value: object) -> tuple[Literal["env", "file"], str]:
    """Where a secret is to be taken from: ``env:NAME`` or ``file:PATH``."""
    kind, _, rest = text(value).partition(":")
    if kind == "env" and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", rest):
        return "env", rest
    if kind == "file" and rest:
        return "file", rest
    raise GrammarError("does not say where the secret is", "write env:NAME or file:PATH")
