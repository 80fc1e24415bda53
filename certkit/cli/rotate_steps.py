"""The session of a step of ``certkit rotate``, and the walk through all of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from certkit.cli.flags import Flags, SpreadFlags
from certkit.errors import ExitCode, InputError

if TYPE_CHECKING:
    from certkit.cli.rotating import Rotating
    from certkit.home.passphrase import PassphraseSources


def rotating(flags: Flags, how: SpreadFlags) -> Rotating:
    """Open the session of a step."""
    from certkit.cli.rotating import Rotating
    from certkit.cli.session import Session

    return Rotating(Session(flags), how)


def passphrases(path: Path | None, *, refused: bool = False) -> PassphraseSources:
    """Say where a passphrase comes from: a file, the environment, or a question."""
    from certkit.cli import words
    from certkit.home.passphrase import PassphraseSources

    ask = words.ask_secret if words.on_terminal() else None
    return PassphraseSources(path, refused, ask)


def walk() -> ExitCode:
    """Go through the steps that remain, and ask before each.

    Raises:
        InputError: There is nobody to ask.
    """
    from certkit.cli import words
    from certkit.pki.rollover_state import Phase

    if not words.on_terminal():
        raise InputError(
            "without a terminal there is nobody to ask between the steps",
            "run certkit rotate start, switch and finish; certkit rotate status tells which",
        )
    home, inventory = (os.environ.get(f"CERTKIT_{name}") for name in ("HOME", "INVENTORY"))
    flags = Flags(
        home=Path(home) if home else None, inventory=Path(inventory) if inventory else None
    )
    step = rotating(flags, SpreadFlags())
    questions = {
        Phase.STARTED: "Put the new authority's certificate into service",
        Phase.SWITCHED: "Take the old authority off the hosts",
        Phase.ABORTING: "Go on going back to the old authority",
    }
    while True:
        before = step.report.rollover.phase
        question = questions.get(before, "Make a new authority and put it on every host")
        if words.ask_text(f"{question}? (yes or no)", "no").strip().lower() not in ("y", "yes"):
            return ExitCode.ATTENTION if before.under_way else ExitCode.DONE
        if before is Phase.STARTED:
            code = step.switch(passphrases(None), (), served=False, force=False)
        elif before is Phase.SWITCHED:
            code = step.finish((), destroy=False)
        elif before is Phase.ABORTING:
            code = step.abort(served=False, force=False, back_to_compromised=False)
        else:
            code = step.start(passphrases(None), (), compromised=False)
        if code is not ExitCode.DONE or not step.report.rollover.phase.under_way:
            return code
