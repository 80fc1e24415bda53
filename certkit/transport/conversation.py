"""One exchange with a process on the host, whatever carries it: send, wait for ready, collect."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from certkit.errors import ErrorKind, HostError
from certkit.inventory.model import Become
from certkit.remote.exchange import Exchange
from certkit.transport import faults
from certkit.transport.connection import Answer
from certkit.transport.options import OUTPUT_LIMIT, STDERR_KEPT, STDOUT_KEPT
from certkit.transport.privilege import Command, command_for, explain

# A password that is wrong shows by sudo asking again, which is silence. PAM takes 2 s to refuse
# one, a directory server may take some to accept one.
_PATIENCE = 20.0
# Once something was said on stderr (usually "try again"), silence means more.
_PATIENCE_AFTER_WORDS = 4.0
# How long output may lie unread while the program runs: what a host may send unread is bounded (by
# SSH's window), so it must not be for ever.
_UNREAD = 0.5
_LOOK = "look at the host, then run the same command again: it picks up what is there"


class Process(Protocol):
    """A command that runs on the host."""

    def send(self, data: bytes) -> None:
        """Write to its stdin; a process that no longer reads is no error."""

    def finish_input(self) -> None:
        """Close its stdin."""

    def wait(self, seconds: float) -> bool:
        """Wait for its end, at most `seconds`; return whether to wait for output now.

        Reading each line as it comes would wake this thread as often; the last one will do.
        """

    def read(self, seconds: float) -> tuple[bytes, bytes] | None:
        """Return what came on stdout and stderr within `seconds`; None when both have ended."""

    def status(self, seconds: float) -> int | None:
        """Return its exit status; None if none will come.

        Raises:
            TimeoutError: None came within `seconds`.
        """


class Conversation:
    """What was heard of one process so far."""

    def __init__(self, process: Process, exchange: Exchange, deadline: float) -> None:
        self.process = process
        self.exchange = exchange
        self.deadline = deadline
        self.ended = False
        self.ready = False
        self._stdout = bytearray()
        self._stderr = bytearray()
        self._heard = 0
        self._searched = 0

    def listen(self, seconds: float) -> bool:
        """Take in what comes within `seconds`; return whether anything came."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise HostError(
                ErrorKind.TIMEOUT,
                f"did not finish within {self.exchange.limit:g} s, and what it did is not known",
                _LOOK,
            )
        heard = self.process.read(min(seconds, left))
        if heard is None:
            self.ended = True
            return False
        out, err = heard
        self._keep(self._stdout, out, STDOUT_KEPT)
        self._keep(self._stderr, err, STDERR_KEPT)
        if out and not self.ready:
            begin = max(0, self._searched - len(self.exchange.ready))
            self.ready = self.exchange.ready in self._stdout[begin:]
            self._searched = len(self._stdout)
        return bool(out or err)

    def _keep(self, kept: bytearray, data: bytes, limit: int) -> None:
        self._heard += len(data)
        if self._heard > OUTPUT_LIMIT:
            raise HostError(
                ErrorKind.SHELL,
                f"sent more than {OUTPUT_LIMIT // 2**20} MiB of output; it begins with "
                f'"{faults.shown(bytes(self._stdout))}"',
                "what does the login shell of this user start?",
            )
        if len(kept) < limit:
            kept += data[: limit - len(kept)]

    @property
    def words(self) -> bool:
        """Whether anything but white space came on stderr."""
        return bool(self._stderr.strip())

    def answer(self) -> Answer:
        """Listen to the end and return all of it."""
        while not self.ended:
            over = self.process.wait(_UNREAD)
            while self.listen(0.25 if over else 0.0):
                pass
        try:
            status = self.process.status(max(0.1, self.deadline - time.monotonic()))
        except TimeoutError as error:
            raise HostError(
                ErrorKind.TIMEOUT,
                "ended its output without telling its exit status, and what it did is not known",
                _LOOK,
                retryable=True,
            ) from error
        return Answer(status, bytes(self._stdout), bytes(self._stderr))


def run_exchange(
    start: Callable[[Command], AbstractContextManager[Process]],
    exchange: Exchange,
    become: Become,
    user: str,
) -> Answer:
    """Run one exchange with the privilege that `become` asks for.

    Args:
        start: Starts the command; the process is closed when its context is left.
        exchange: What to run and send.
        become: How to get the rights.
        user: Who is logged in.

    Raises:
        HostError: ``sudo``, ``shell`` or ``timeout``.
    """
    command = command_for(exchange, become, user)
    for patience in (_PATIENCE_AFTER_WORDS, _PATIENCE):
        with start(command) as process:
            talk = Conversation(process, exchange, time.monotonic() + exchange.limit)
            sent = _converse(talk, command, patience)
            answer = talk.answer()
        if sent or not talk.ready:
            break
        # sudo took the password after all, but so late that its input was closed: what looked
        # like a second prompt was its lecture to newcomers, which it gives once.
    else:
        raise HostError(
            ErrorKind.TIMEOUT,
            f"needs more than {_PATIENCE:g} s to check the password for {become.method}",
            "look at its PAM stack; a directory server that does not answer is the usual reason",
        )
    if not talk.ready and answer.status is not None:
        raise explain(answer, become, command)
    return answer


def _converse(talk: Conversation, command: Command, patience: float) -> bool:
    """Send what is to be sent; return whether that included the exchange's input.

    Without a password everything goes at once. With one, it goes first and alone: a sudo that
    refuses it would take the lines that follow for further attempts, and lock the account.
    """
    process = talk.process
    if command.password is not None:
        process.send(command.password.reveal().encode() + b"\n")
        _wait_until_ready(talk, patience)
    sent = command.password is None or talk.ready
    if sent:
        process.send(talk.exchange.stdin)
    # Where a password was refused, the end of its input makes sudo give up at once.
    process.finish_input()
    return sent


def _wait_until_ready(talk: Conversation, patience: float) -> None:
    last = time.monotonic()
    while not talk.ready and not talk.ended:
        if talk.listen(0.25):
            last = time.monotonic()
        if time.monotonic() - last > (patience if talk.words else _PATIENCE):
            return
