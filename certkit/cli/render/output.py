"""Standard output of a run, which must not end the run when it cannot be written."""

from __future__ import annotations

import contextlib
import os
import sys


class StandardOutput:
    """Writes reports; hosts are finished whether or not anybody can read about them.

    Attributes:
        trouble: Why something was lost; empty while nothing was. A reader that has gone away
            (``| head``) has what it wanted, so that is no trouble.
    """

    def __init__(self) -> None:
        self.trouble = ""
        self._ended = False

    def write(self, text: str) -> None:
        """Write, or drop the text once that has failed; never raises for it."""
        if self._ended:
            return
        if sys.stdout is None:  # closed by the caller: >&-
            self._end("it is closed")
            return
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            self._end("")
        except OSError as error:
            self._end(error.strerror or str(error))

    def _end(self, trouble: str) -> None:
        self._ended = True
        self.trouble = trouble
        if sys.stdout is None:
            return
        # Python would complain once more when it flushes what is left at exit.
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(nowhere, sys.stdout.fileno())
            finally:
                os.close(nowhere)
