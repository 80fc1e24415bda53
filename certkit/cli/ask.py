"""What is asked on the terminal."""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING

from certkit.cli.render.output import STDERR
from certkit.cli.words import say
from certkit.fleet.plan import RestartPlan
from certkit.inventory.folding import count, fold_names

if TYPE_CHECKING:
    from rich.console import Console

_LOOK_SECONDS = 0.2


def confirm_restarts(console: Console, plan: RestartPlan) -> bool:
    """Ask on the terminal whether containers may be stopped."""
    stopped = sum(plan.containers.values())
    sentence = (
        f"Restarting the daemons of {count(len(plan.hosts), 'host')} stops "
        f"{count(stopped, 'running container')} on {count(len(plan.containers), 'host')}"
    )
    if plan.unknown:
        sentence += f"; {fold_names(plan.unknown)} could not tell how many run"
    say(console, f"{sentence}.")
    say(console, "The files are done. --yes goes on without asking; --restart safe spares them.")
    try:
        # Not by the console: interrupted there, it would keep the question and print it again.
        STDERR.write("Go on? [y/N] ")
        # A signal just before a read that blocks would be handled after it, at the next key.
        while not select.select([sys.stdin], [], [], _LOOK_SECONDS)[0]:
            pass
        answer = input()
    except EOFError:
        return False
    except KeyboardInterrupt:
        # The handler has noted the interruption; the engine looks at that first.
        return False
    return answer.strip().lower() in ("y", "yes")
