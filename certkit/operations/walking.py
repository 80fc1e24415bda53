"""All steps of a rotation, one after the other, as long as somebody says yes."""

from __future__ import annotations

from collections.abc import Callable

from certkit.errors import ExitCode
from certkit.home.keys.passphrase import PassphraseSources
from certkit.operations.rotating import Rotating
from certkit.pki.rollover_state import Phase


def walk(
    rotating: Rotating,
    passphrases: PassphraseSources,
    ask: Callable[[str], bool],
    *,
    force: bool = False,
) -> ExitCode:
    """Go through the steps that remain, and ask before each.

    Args:
        rotating: The rotation.
        passphrases: Where those of the authorities come from.
        ask: Told what is next, answers whether to do it.
        force: Replace files of the registry that certkit did not write.

    Returns:
        How the last step ended; `ExitCode.ATTENTION` where the answer was no.

    Raises:
        GateClosedError: A host has not proven what the next step needs.
    """
    while True:
        before = rotating.report
        step, question = _next(before.next_step, open_=before.open)
        if not ask(question):
            return ExitCode.ATTENTION
        if step == "start":
            code = rotating.start(passphrases)
        elif step == "switch":
            code = rotating.switch(passphrases, force=force)
            if code is ExitCode.ATTENTION and ask("Is it in service now"):
                code = rotating.switch(passphrases, served=True)
        elif step == "finish":
            code = rotating.finish()
        else:
            code = rotating.abort(force=force)
            if rotating.report.rollover.phase is Phase.ABORTING and ask("Is it in service again"):
                code = rotating.abort(served=True)
        if code is not ExitCode.DONE or not rotating.report.open:
            return code


def _next(step: tuple[str, str], *, open_: bool) -> tuple[str, str]:
    """Return the step that is next, and what it does."""
    sentence, command = step
    if not open_:
        return "start", "Make a new authority and put it on every host"
    return command.rpartition(" ")[2], sentence.capitalize()
