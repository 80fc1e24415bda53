"""Getting the rights: the fixed command line, and what it means when no program answered.

The command line is constant but for the nonce in the boot text, and goes through whatever login
shell the user has, so it holds nothing but words and single-quoted text. sudo's prompts are never
read (sudo-rs words them differently, and languages differ): whether the program announced itself
and the exit status decide, and stderr only words the explanation.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from certkit.errors import ErrorKind, HostError
from certkit.inventory.model import Become
from certkit.remote.exchange import Exchange
from certkit.secret import Secret
from certkit.transport.connection import Answer
from certkit.transport.faults import WrongPassword, shown

_WORD = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./@+-]*\$?")
_FLAGS = (
    "`-K/--ask-become-pass`, `--become-password-file FILE` or the environment's "
    "CERTKIT_BECOME_PASSWORD"
)

_NOT_ALLOWED = (
    *("not in the sudoers", "not allowed to", "may not run", "unknown user"),
    *("i'm afraid", "operation not permitted"),
)


@dataclass(frozen=True)
class Command:
    """A command as argv, and the password that its first word may ask for on stdin."""

    argv: tuple[str, ...]
    password: Secret | None = None

    @property
    def line(self) -> str:
        """The command as a line for the login shell, whichever that is."""
        line = shlex.join(self.argv)
        return line if self.argv[0] != "sh" else f"exec {line}"


def command_for(exchange: Exchange, become: Become, user: str) -> Command:
    """Return the command that runs an exchange as ``become.user``.

    Args:
        exchange: Its boot text is the argument of ``sh -c``.
        become: How to get the rights.
        user: Who is logged in; nothing is needed where that is the user to become.

    Raises:
        HostError: ``sudo``: the inventory names a user or program that cannot be a plain word.
    """
    program = ("sh", "-c", exchange.boot)
    if any(c in exchange.boot for c in "'!\n"):
        raise ValueError("the boot text cannot be quoted for every shell")
    if become.method == "none" or user == become.user:
        return Command(program)
    tool = _word(become.executable or become.method)
    target = () if become.user == "root" else ("-u", _word(become.user))
    if become.method == "doas":
        return Command((tool, "-n", *target, *program))
    if become.password is None:
        return Command((tool, "-n", *target, "--", *program))
    return Command((tool, "-S", "-p", "", *target, "--", *program), become.password)


def explain(answer: Answer, become: Become, command: Command) -> HostError:
    """Return what went wrong when the remote program never announced itself.

    Args:
        answer: What came instead; its status is known.
        become: What was asked for.
        command: What was run.
    """
    if command.argv[0] == "sh":
        return _no_shell(answer)
    text = answer.stderr.decode("utf-8", "replace").lower()
    said = shown(answer.stderr.strip()) or shown(answer.stdout.strip())
    quoted = f' ("{said}")' if said else ""
    tool = command.argv[0]
    if answer.status == 127 or (answer.status == 126 and "denied" not in text):
        return _sudo(
            f"has no {tool}{quoted}",
            "install it, log in as root, or set `become` in the inventory",
        )
    if _any(text, *_NOT_ALLOWED):
        return _sudo(
            f"does not allow this user to become {become.user}{quoted}",
            f"grant it in sudoers: USER ALL=({become.user}) NOPASSWD: ALL",
        )
    if become.method == "doas":
        return _sudo(
            f"does not let doas become {become.user} without a password{quoted}",
            "doas reads passwords from a terminal only: add `permit nopass USER` to "
            "/etc/doas.conf, or use sudo",
        )
    if "tty" in text and "no askpass" not in text:
        return _sudo(
            f"lets {tool} run only on a terminal{quoted}",
            "remove `requiretty` for this user in sudoers (Defaults:USER !requiretty)",
        )
    # `nologin` says its word on stdout, sudo on stderr. Silence counts as a refused password: to
    # try a refused one on the next host is worse than to stop for nothing.
    if answer.status != 1 or (answer.stdout.strip() and not answer.stderr.strip()):
        return _no_shell(answer)
    if command.password is None:
        return _sudo(
            f"wants a password for sudo, or does not allow it to this user{quoted}",
            f"give it with {_FLAGS}",
        )
    return WrongPassword(
        ErrorKind.SUDO,
        f"did not take the password for sudo{quoted}",
        f"the run stops here so that no account is locked; give the right one with {_FLAGS}",
    )


def _no_shell(answer: Answer) -> HostError:
    came = shown((answer.stdout + answer.stderr).strip())
    return HostError(
        ErrorKind.SHELL,
        f"did not run a POSIX shell (exit status {answer.status}); it sent "
        + (f'"{came}"' if came else "nothing"),
        "certkit needs a login that can run `sh -c`: not nologin, not a restricted shell, and "
        "no forced command in authorized_keys",
    )


def _sudo(message: str, hint: str) -> HostError:
    return HostError(ErrorKind.SUDO, message, hint)


def _any(text: str, *parts: str) -> bool:
    return any(part in text for part in parts)


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise _sudo(
            f"has a `become` that is not a plain name: {text!r}",
            "`become.user` and `become.executable` take letters, digits and ._-/@+",
        )
    return text
