"""Turns state into the lines the remote program reads: one ``key value`` a line.

Values are never quoted, because nothing evaluates them. All that has to be refused is what would
end a line early.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from certkit.errors import InputError
from certkit.names import RegistryReference
from certkit.runtimes.questions import Question
from certkit.runtimes.state import HostState, RuntimeState

# What a host may call a user (shadow-utils allows less); no dash first, since it becomes an
# argument of runuser, setpriv or su.
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\-]{0,63}\$?")
# Becomes an argument of systemctl and a file name below /etc/init.d.
_SERVICE = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_@.:\\-]{0,250}")
_OWNER = re.compile(r"@user|[A-Za-z0-9_][A-Za-z0-9_.-]*:[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Lines:
    """Collects the data part of an exchange."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._blobs: dict[bytes, int] = {}

    def add(self, key: str, value: str | int) -> None:
        """Append one field.

        Args:
            key: A key that ``data.sh`` knows.
            value: Any text of one line.

        Raises:
            InputError: The value holds a line break or a NUL, or is empty.
        """
        text = str(value)
        if not text or any(mark in text for mark in "\n\r\0"):
            raise InputError(
                f"{key} {text[:60]!r} cannot be sent to a host: "
                + ("it holds a line break or a NUL" if text else "it is empty"),
                "write it on one line",
            )
        try:
            self._parts.append(f"{key} {text}\n".encode())
        except UnicodeEncodeError:
            raise InputError(f"{key} {text[:60]!r} is not valid Unicode", "check it") from None

    def add_all(self, key: str, values: Iterable[str]) -> None:
        """Append one field for each value, in order: the words of a command, or a list."""
        for value in values:
            self.add(key, value)

    def add_blob(self, content: bytes) -> int:
        """Append a whole file, once however many files hold the same.

        Args:
            content: Any bytes but NUL, which no shell variable can hold.

        Returns:
            The number that stands for it.

        Raises:
            InputError: There is a NUL in it.
        """
        if content in self._blobs:
            return self._blobs[content]
        if b"\0" in content:
            raise InputError("a file to be placed is binary", "only text, such as PEM, can be sent")
        number = self._blobs[content] = len(self._blobs) + 1
        lines = b"".join(b"|" + line + b"\n" for line in content.split(b"\n"))
        self._parts.append(b"blob\n" + lines + b"blob-end\n")
        return number

    def add_lines(self, lines: bytes) -> None:
        """Append whole lines that another one has collected."""
        self._parts.append(lines)

    def to_bytes(self) -> bytes:
        """Return all lines."""
        return b"".join(self._parts)


def add_state(lines: Lines, state: HostState) -> None:
    """Append all that the place phase needs to know of a state; no other blob may be sent along."""
    lines.add_lines(_encoded(state))


# A thousand hosts share a few states.
@lru_cache(maxsize=64)
def _encoded(state: HostState) -> bytes:
    lines = Lines()
    add_authorities(lines, state)
    for runtime in state.runtimes:
        blobs = [lines.add_blob(file.content) for file in runtime.files]
        add_runtime(lines, runtime)
        for file, blob in zip(runtime.files, blobs, strict=True):
            _check_path(file.path)
            if not _OWNER.fullmatch(file.owner):
                raise InputError(f"owner {file.owner!r} of {file.path} is not user:group", "")
            if not 0 <= file.mode <= 0o777:
                raise InputError(f"mode {file.mode:o} of {file.path} is not a permission", "")
            lines.add("file", file.path)
            lines.add("mode", f"{file.mode:04o}")
            lines.add("perm", symbolic(file.mode))
            lines.add("owner", file.owner)
            lines.add("content", blob)
            if file.absent:
                lines.add("absent", 1)
    return lines.to_bytes()


def add_authorities(lines: Lines, state: HostState) -> None:
    """Append by what the host knows what it once got for this registry."""
    for blob in [lines.add_blob(authority) for authority in state.authorities]:
        lines.add("authority", blob)


def add_runtime(lines: Lines, runtime: RuntimeState, user: str = "") -> None:
    """Append a runtime without its files.

    Args:
        lines: Where to.
        runtime: What.
        user: The one user it is about; by default the runtime's own choice.
    """
    lines.add("runtime", runtime.name)
    lines.add("named", int(runtime.named))
    lines.add("peruser", int(runtime.per_user))
    if user or runtime.user:
        lines.add("user", check_user(user or runtime.user))
    lines.add_all("detect", (f"{sign.kind} {sign.value}" for sign in runtime.detect))
    lines.add_all("version", runtime.version)
    lines.add_all("verify", runtime.probe.verification)
    lines.add_all("shadow", runtime.shadows)
    lines.add_all("hide", runtime.hides)
    if runtime.settings:
        lines.add("settings", runtime.settings)
        if runtime.pidfile:
            lines.add("pidfile", runtime.pidfile)
    if runtime.activation is not None:
        activation = runtime.activation
        lines.add("scope", activation.scope)
        if not _SERVICE.fullmatch(activation.service):
            raise InputError(
                f"{activation.service[:60]!r} is not the name of a service",
                "write it as the service manager does, such as docker",
            )
        lines.add("service", activation.service)
        lines.add("limit", activation.timeout)
        if activation.restart_command:
            lines.add("command", activation.restart_command)
        lines.add_all("health", activation.health)


def add_probe(lines: Lines, runtime: RuntimeState, references: Sequence[RegistryReference]) -> None:
    """Append how a runtime's puller is asked, and about which references."""
    lines.add_all("pull", runtime.probe.pull)
    lines.add_all("digest", runtime.probe.digest)
    lines.add_all("present", runtime.probe.present)
    lines.add_all("remove", runtime.probe.remove)
    installed = {file.path.rsplit("/", 2)[1]: file.path for file in runtime.files}
    for reference in references:
        if reference.text not in installed:
            raise InputError(f"{reference.text} is not among the references of {runtime.name}", "")
        add_reference(lines, reference)
        lines.add("cafile", installed[reference.text])
    if runtime.vouched:
        lines.add("system", 1)


def add_reference(lines: Lines, reference: RegistryReference) -> None:
    """Append a reference and where it is connected to."""
    host, port = reference.endpoint
    lines.add("reference", reference.text)
    lines.add("connect", f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    lines.add("host", host)
    lines.add("isip", int(reference.is_ip))


def add_questions(lines: Lines, questions: Iterable[Question]) -> None:
    """Append what is asked of the host, or of the runtime that was appended last."""
    for question in questions:
        lines.add("ask", f"{question.kind} {question.label}")
        lines.add_all("word", question.words)


def check_user(user: str) -> str:
    """Return the name of a host's user.

    Raises:
        InputError: No host has a user of that name.
    """
    if not _USER.fullmatch(user):
        raise InputError(f"{user!r} is not the name of a user", "write a plain login name")
    return user


def symbolic(mode: int) -> str:
    """Return permission bits of a regular file as ``ls -l`` shows them."""
    bits = "".join(
        letter if mode >> (8 - place) & 1 else "-" for place, letter in enumerate("rwxrwxrwx")
    )
    return f"-{bits}"


def _check_path(path: str) -> None:
    plain = path[2:] if path.startswith("~/") else path[1:]
    parts = plain.split("/")
    if not path.startswith(("/", "~/")) or len(parts) < 3 or not {"", ".", ".."}.isdisjoint(parts):
        raise InputError(
            f"{path[:80]!r} is not a path certkit can place a file at",
            "write an absolute path without . or .., at least two directories deep",
        )
