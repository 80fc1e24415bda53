"""Values that must not be shown, and the two places they come from without a prompt.

Never from the command line, where every user of the machine can read it.
"""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from certkit.errors import InputError
from certkit.paths import expanded

MAX_BYTES = 4096
"""A secret's file larger than this, in bytes, is some other file given by mistake."""

_secret_variables = {
    "CERTKIT_BACKUP_PASSPHRASE",
    "CERTKIT_BECOME_PASSWORD",
    "CERTKIT_CA_NEW_PASSPHRASE",
    "CERTKIT_CA_PASSPHRASE",
    "CERTKIT_IMPORT_PASSPHRASE",
    "CERTKIT_KEY_PASSPHRASE",
}


class Secret:
    """Wraps a password or passphrase so that no repr, log line or format string can show it.

    Equality is by value, hashing is refused, and pickling is refused so that it cannot leave
    the process by accident. Only `reveal` gives the text.
    """

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text; call it only where it is handed to the peer that needs it."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled")


def read_secret_file(path: Path, what: str) -> Secret:
    """Read a secret from a file, dropping exactly one line end.

    Args:
        path: The file; a pipe (``<(pass show ca)``) works as well.
        what: What it is, for errors: ``the passphrase file``.

    Raises:
        InputError: It is missing, readable by others, empty, too large, not UTF-8, or has more
            than one line.
    """
    name = f"{what} {path}"
    try:
        descriptor = os.open(expanded(path), os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror}", "check the path") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise InputError(f"{name} is not a file", "check the path")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise InputError(f"{name} is larger than {MAX_BYTES} bytes", "check the path")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{name} is not UTF-8 text", "check the path") from None
    text = text[: -2 if text.endswith("\r\n") else -1] if text.endswith("\n") else text
    if not text:
        raise InputError(f"{name} is empty", "write the secret into it")
    if "\n" in text or "\0" in text:
        raise InputError(f"{name} does not hold one secret on one line", "check the path")
    if mode & 0o077:
        # Last: a file that holds no secret, given by mistake, may have to be readable.
        raise InputError(
            f"others can get at {name}: it has mode {stat.S_IMODE(mode):04o}",
            f"chmod 600 {shlex.quote(str(path))}",
        )
    return Secret(text)


def secret_from_environment(variable: str) -> Secret | None:
    """Return the secret that a variable holds, and keep the variable from every child from now on.

    Raises:
        InputError: It is set but empty: an unset secret of a CI job must not pass for a choice.
    """
    _secret_variables.add(variable)
    value = os.environ.get(variable)
    if value == "":
        raise InputError(f"{variable} is set but empty", "unset it, or give it a value")
    return None if value is None else Secret(value)


def environment_for_children() -> dict[str, str]:
    """Return this process's environment without any variable that holds a secret of certkit's."""
    return {name: value for name, value in os.environ.items() if name not in _secret_variables}
