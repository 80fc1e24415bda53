"""The remote program, composed and ready to be sent: one function for each phase.

The boot text reads all of stdin, drops what stands before the begin marker (an unused sudo
password), and evaluates the program only if the end marker arrived: a cut link runs nothing.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from certkit.errors import InputError
from certkit.names import RegistryReference
from certkit.remote.encode import (
    Lines,
    add_authorities,
    add_probe,
    add_questions,
    add_reference,
    add_runtime,
    add_state,
)
from certkit.remote.exchange import Exchange
from certkit.runtimes.questions import Question
from certkit.runtimes.state import HostState, RuntimeState

# Seconds. Placing: the lock may be waited for, and a daemon asked four times. The rest is slack
# for a slow host's forks and fsyncs.
_LOCK_WAIT = 15
_ASKING = 90
_SLACK = 30

# No newline, no single quote, no `!`: it must pass through any login shell in single quotes.
_BOOT = (
    "LC_ALL=C; N={nonce}; echo READY-$N; P=$(cat); P=${{P#*begin-$N}}; "
    'case $P in *end-$N) eval "${{P%data-$N*}}";; *) exit 97;; esac'
)

# Indentation and whole-line comments are for people; a thousand hosts need not receive them. No
# string in the program spans lines with an indented or commented continuation (a test says so).
_COMMENT = re.compile(r"^[ \t]*(#.*)?\n", re.MULTILINE)
_INDENT = re.compile(r"^ +", re.MULTILINE)
_MAKING = threading.Lock()

# What a host that is as it should be does not come to stands last: a shell parses as it goes.
_PLACE = (
    *("common", "data", "service", "find", "left", "all", "compare", "place_look"),
    *("state", "forget", "place", "place_main"),
)
_PLACE_AND_TELL = ("settings", *_PLACE)
_RESTART = ("common", "state", "data", "service", "forget", "log", "restart")
_SURVEY = ("common", "data", "service", "find", "left", "all", "survey")
_PROBE = ("common", "data", "probe")
_EXAMINE = ("common", "data", "examine")


def place(
    state: HostState,
    *,
    check: bool = False,
    force: bool = False,
    restarts: bool = True,
    operator: str = "",
    nonce: str | None = None,
) -> Exchange:
    """Compose the phase that compares and places files.

    Args:
        state: What the host should look like.
        check: Only look; nothing is written, not even a lock.
        force: Overwrite files that certkit did not write.
        restarts: Whether the policy may restart daemons: if so, the host remembers that one is
            due, until it is proven, over a run that is cut short.
        operator: Who asks, told to whoever finds the host locked, such as ``ann@bastion``.
        nonce: For tests; random by default.

    Raises:
        InputError: Something in the state cannot be sent.
    """
    lines = Lines()
    lines.add("check", int(check))
    lines.add("force", int(force))
    lines.add("restarts", int(restarts))
    lines.add("wait", _LOCK_WAIT)
    if operator:
        lines.add("operator", operator)
    parts = _PLACE_AND_TELL if state.retire_insecure else _PLACE
    add_state(lines, state)
    per_runtime = _ASKING * len(state.runtimes)
    return compose(parts, lines, nonce, _LOCK_WAIT + per_runtime + _SLACK)


def survey(state: HostState, *, nonce: str | None = None) -> Exchange:
    """Compose the phase that reads how a host stands; it writes nothing.

    Args:
        state: What the host should look like.
        nonce: For tests; random by default.

    Raises:
        InputError: Something in the state cannot be sent.
    """
    lines = Lines()
    add_authorities(lines, state)
    for runtime in state.runtimes:
        add_runtime(lines, runtime)
        lines.add_all("elsewhere", runtime.elsewhere)
        for file in runtime.files:
            lines.add("file", file.path)
    return compose(_SURVEY, lines, nonce, _ASKING * len(state.runtimes) + _SLACK)


def restart(
    runtime: RuntimeState,
    user: str = "",
    paths: Sequence[str] = (),
    *,
    due: bool = False,
    operator: str = "",
    nonce: str | None = None,
) -> Exchange:
    """Compose the phase that restarts one runtime's daemon and gates on its health.

    Args:
        runtime: What to restart; it must have a daemon.
        user: The user a rootless runtime belongs to, as the place phase reported it.
        paths: The files that changed, as reported (absolute): what a rollback puts back where the
            host has no list of its own. It has one whenever a restart is due.
        due: Restart it only while that is still due: the host said so before, and another run may
            have seen to it since.
        operator: See `place`.
        nonce: For tests; random by default.

    Raises:
        InputError: The runtime has no daemon, or something cannot be sent.
    """
    if runtime.activation is None:
        raise InputError(f"{runtime.name} has no daemon to restart", "")
    lines = Lines()
    lines.add("wait", _LOCK_WAIT)
    lines.add("due", int(due))
    if operator:
        lines.add("operator", operator)
    add_runtime(lines, runtime, user)
    for path in paths:
        lines.add("file", path)
    # Restart and health, then the same again on the old files.
    limit = 4 * runtime.activation.timeout + _LOCK_WAIT + _ASKING + _SLACK
    return compose(_RESTART, lines, nonce, limit)


def probe(
    runtime: RuntimeState,
    user: str = "",
    references: Sequence[RegistryReference] = (),
    image: str = "",
    *,
    timeout: int = 60,
    nonce: str | None = None,
) -> Exchange:
    """Compose the phase that proves trust from the host itself.

    Args:
        runtime: Whose puller to ask.
        user: The user a rootless runtime belongs to.
        references: What to ask for, as image names write it.
        image: A repository, with tag or digest, that exists in the registry and is really pulled;
            by default a name that does not exist is asked for, which proves trust as well.
        timeout: Seconds that each pull and each handshake may take.
        nonce: For tests; random by default.

    Raises:
        InputError: Something cannot be sent.
    """
    nonce = nonce or _nonce()
    lines = Lines()
    lines.add("limit-probe", timeout)
    if image:
        lines.add("image", image)
    add_runtime(lines, runtime, user)
    add_probe(lines, runtime, references)
    each = 5 * timeout if image else 2 * timeout
    return compose(_PROBE, lines, nonce, each * max(1, len(references)) + _SLACK)


def examine(
    references: Sequence[RegistryReference],
    about: Sequence[tuple[RuntimeState, str, Sequence[Question]]],
    general: Sequence[Question] = (),
    *,
    timeout: int = 15,
    nonce: str | None = None,
) -> Exchange:
    """Compose the phase that collects what ``certkit doctor`` judges; it writes nothing.

    Args:
        references: Each is looked up and shaken hands with, without any trust.
        about: A runtime that is there, the user a rootless one belongs to, and what to ask.
        general: What to ask of the host as a whole.
        timeout: Seconds that each lookup, handshake and command may take.
        nonce: For tests; random by default.

    Raises:
        InputError: Something cannot be sent.
    """
    lines = Lines()
    lines.add("limit-probe", timeout)
    for reference in references:
        add_reference(lines, reference)
    add_questions(lines, general)
    commands = 2 * len(references)
    for runtime, user, questions in about:
        add_runtime(lines, runtime, user)
        add_questions(lines, questions)
        commands += sum(question.kind == "run" for question in questions)
    return compose(_EXAMINE, lines, nonce, timeout * max(1, commands) + _SLACK)


def _nonce() -> str:
    return secrets.token_hex(12)


def compose(parts: Sequence[str], lines: Lines, nonce: str | None, limit: float) -> Exchange:
    """Compose an exchange.

    Args:
        parts: Names of the parts of the program, in order; the last one runs.
        lines: The data.
        nonce: For tests; random when None.
        limit: Seconds that the whole exchange may take.
    """
    nonce = nonce or _nonce()
    if not re.fullmatch(r"[0-9a-f]{8,64}", nonce):
        raise ValueError("a nonce is 8 to 64 hex digits")
    mark = nonce.encode()
    data = lines.to_bytes()
    if mark in data:
        raise ValueError("the nonce stands in the data")
    text = text_of(tuple(parts))
    # For `load`: how many lines stand before the data, this one and the marker among them.
    lines_before = text.count(b"\n") + 2
    stdin = b"begin-%b\nPROGRAM_LINES=%d\n" % (mark, lines_before)
    stdin += b"%bdata-%b\n%bend-%b\n" % (text, mark, data, mark)
    return Exchange(
        boot=_BOOT.format(nonce=nonce),
        stdin=stdin,
        ready=b"READY-" + mark,
        nonce=nonce,
        limit=float(limit),
    )


def text_of(parts: tuple[str, ...]) -> bytes:
    """Return the program made of some of its parts, without comments and indentation."""
    # All threads of a run ask at the same moment; one is to make it, the others wait for it.
    with _MAKING:
        return _text_of(parts)


@cache
def _text_of(parts: tuple[str, ...]) -> bytes:
    folder = files("certkit.remote") / "program"
    text = "".join((folder / f"{part}.sh").read_text("ascii") for part in parts)
    return _INDENT.sub("", _COMMENT.sub("", text)).encode()
