"""Standard output and error, which must not end a command when they cannot be written."""

from __future__ import annotations

import contextlib
import os
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
        stream = self._stream
        if stream is None:  # closed by the caller: >&-
            self._end("it is closed")
            return 0
        try:
            stream.write(text)
            stream.flush()
        except BrokenPipeError:
            self._end("")
        except OSError as error:
            self._end(error.strerror or str(error))
        return len(text)

    def flush(self) -> None:
        """Do nothing: everything is flushed as it is written."""

    def isatty(self) -> bool:
        """Whether somebody looks at it."""
        return self._stream is not None and self._stream.isatty()

    @property
    def encoding(self) -> str:
        """How its text becomes bytes."""
        return "utf-8" if self._stream is None else self._stream.encoding

    def lost(self) -> str:
        """Return why something was lost, and begin anew.

        Returns:
            Empty where nothing was. A reader that has gone away (``| head``) has what it wanted,
            so that is nothing either.
        """
        trouble, self._trouble, self._ended = self._trouble, "", False
        return trouble

    @property
    def _stream(self) -> TextIO | None:
        # Looked up each time: whoever runs a command in a process of his own may exchange it.
        stream: TextIO | None = getattr(sys, self._name)
        return stream

    def _end(self, trouble: str) -> None:
        self._ended = True
        self._trouble = trouble
        if self._stream is None:
            return
        # Python would complain once more when it flushes what is left at exit.
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(nowhere, self._stream.fileno())
            finally:
                os.close(nowhere)


STDOUT = StandardStream("stdout")
STDERR = StandardStream("stderr")
