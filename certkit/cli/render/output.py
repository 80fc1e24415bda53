"""Standard output and error, which must not end a command when they cannot be written."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
from typing import Literal, TextIO


class StandardStream:
    """Takes what a command prints; its work is finished whether or not anybody can read of it.

    It is as much of a file as Rich needs one to be.
    """

    def __init__(self, name: Literal["stdout", "stderr"]) -> None:
        self._name = name
        self._trouble = ""
        self._ended = False

    def write(self, text: str) -> int:
        """Write, or drop the text once that has failed; never raises for it."""
        if self._ended:
            return 0
        try:
            self._put(text)
        except BrokenPipeError:
            self._end("")
        except OSError as error:
            self._end(error.strerror or str(error))
        return len(text)

    def flush(self) -> None:
        """Do nothing: everything is flushed as it is written."""

    def isatty(self) -> bool:
        """Whether somebody looks at it."""
        return self._stream.isatty()

    @property
    def encoding(self) -> str:
        """How its text becomes bytes."""
        return self._stream.encoding or "utf-8"

    def lost(self) -> str:
        """Return why something was lost, and begin anew.

        Returns:
            Empty where nothing was. A reader that has gone away (``| head``) has what it wanted,
            so that is nothing either.
        """
        trouble, self._trouble, self._ended = self._trouble, "", False
        return trouble

    def abandon(self) -> None:
        """Let go of what could not be written; Python would complain once more at exit."""
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(nowhere, self._stream.fileno())
            finally:
                os.close(nowhere)

    @property
    def _stream(self) -> TextIO:
        # Looked up each time: whoever runs a command in a process of his own may exchange it.
        stream: TextIO = getattr(sys, self._name)
        return stream

    def _put(self, text: str) -> None:
        stream = self._stream
        try:
            number = stream.fileno()
        except OSError:  # none of the system's, as where somebody collects what is said
            stream.write(text)
            stream.flush()
            return
        stream.flush()  # what others have written comes first
        left = memoryview(text.encode(stream.encoding, stream.errors or "strict"))
        while left:
            try:
                left = left[os.write(number, left) :]
            except BlockingIOError:
                # Whoever shares the pipe may have made it so. It takes more once it is read, and
                # Python's own stream forgets how much it had taken.
                select.select([], [number], [])

    def _end(self, trouble: str) -> None:
        self._ended = True
        self._trouble = trouble
        self.abandon()


class ClosedStream(io.TextIOBase):
    """In place of a stream that the caller has closed (``>&-``), where Python has None.

    What prints nothing to None without a word, as typer does for ``--help``, fails here.
    """

    def write(self, text: str) -> int:
        """Fail.

        Raises:
            OSError: Always.
        """
        raise OSError(errno.EBADF, "it is closed")


STDOUT = StandardStream("stdout")
STDERR = StandardStream("stderr")
