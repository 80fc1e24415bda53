"""How an answer is collected: in few readings, whole, and not left lying where there is much."""

from __future__ import annotations

import time

import pytest

from certkit.errors import ErrorKind, HostError
from certkit.remote.exchange import Exchange
from certkit.transport.conversation import Conversation

EXCHANGE = Exchange("true", b"", b"READY-1", "1", 60.0)


class Told:
    """A process whose output comes in pieces, one for each wait, and which then ends."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._coming = pieces
        self._here: list[bytes] = []
        self.readings = 0
        self.patience: list[float] = []

    def send(self, data: bytes) -> None:
        """Take nothing."""

    def finish_input(self) -> None:
        """Take nothing."""

    def wait(self, seconds: float) -> bool:
        """Let one more piece come."""
        self.patience.append(seconds)
        if self._coming:
            self._here.append(self._coming.pop(0))
        return not self._coming

    def read(self, seconds: float) -> tuple[bytes, bytes] | None:
        """Give one piece; wait for no more than has come."""
        self.readings += 1
        if self._here:
            return self._here.pop(0), b""
        if self._coming:
            assert seconds == 0, "it may not block while the program runs"
            return b"", b""
        return None

    def status(self, seconds: float) -> int | None:
        """Succeed."""
        return 0


def talk(process: Told, seconds: float = 60.0) -> Conversation:
    return Conversation(process, EXCHANGE, time.monotonic() + seconds)


def test_what_came_while_the_program_ran_is_all_there() -> None:
    process = Told([b"READY-1\n", b"1 a\n", b"1 b\n", b"1 end 0\n"])
    conversation = talk(process)
    answer = conversation.answer()
    assert answer.stdout == b"READY-1\n1 a\n1 b\n1 end 0\n"
    assert answer.status == 0
    assert conversation.ready


def test_an_answer_that_is_there_at_once_is_not_polled_for() -> None:
    process = Told([b"READY-1\n1 end 0\n"])
    assert talk(process).answer().stdout == b"READY-1\n1 end 0\n"
    assert process.readings == 2, "one for the words, one for their end"
    assert all(0 < seconds <= 1 for seconds in process.patience), "SSH's window must not stay full"


def test_a_program_that_outlasts_its_limit_is_an_error() -> None:
    process = Told([b""] * 1_000_000)
    with pytest.raises(HostError) as caught:
        talk(process, 0.05).answer()
    assert caught.value.kind is ErrorKind.TIMEOUT
