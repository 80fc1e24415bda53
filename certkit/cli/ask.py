"""What the commands say and ask beside their reports."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from certkit.cli.flags import DEFAULT_INVENTORY, Flags
from certkit.cli.words import say, say_plain
from certkit.fleet.plan import RestartPlan
from certkit.fleet.report import FAILURES, FleetReport, Outcome
from certkit.inventory.folding import count, fold_names

if TYPE_CHECKING:
    from rich.console import Console

    from certkit.cli.session import Session
    from certkit.operations.serving import Service


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
        answer = console.input("Go on? [y/N] ", markup=False)
    except EOFError:
        return False
    except KeyboardInterrupt:
        # The handler has noted the interruption; the engine looks at that first.
        return False
    return answer.strip().lower() in ("y", "yes")


def given(flags: Flags) -> str:
    """Return the options that said where home, inventory and host keys are, to be said again."""
    options = (
        ("--home", flags.home if str(flags.home) != os.environ.get("CERTKIT_HOME") else None),
        ("-i", flags.inventory if flags.inventory != DEFAULT_INVENTORY else None),
        ("--known-hosts", flags.known_hosts),
    )
    return "".join(
        f" {flag} {shlex.quote(str(path))}" for flag, path in options if path is not None
    )


def said_again(command: str, flags: Flags) -> str:
    """Return a command with the registry, where one was named, and the options of `given`."""
    return " ".join((command, *filter(None, [flags.registry]))) + given(flags)


def next_steps(session: Session, report: FleetReport, option: str = "") -> list[str]:
    """Return the commands worth running now, ready to paste.

    Args:
        session: The run.
        report: How it ended.
        option: What was asked for beside the usual, and is worth asking for again.
    """
    where = given(session.flags)
    again = f"certkit {report.command}{f' {option}' if option else ''}{where}"
    outcomes = {host.outcome for host in report.hosts}
    if report.command == "status":
        from certkit.fleet.findings import RETIRE

        cures = {one.cure for host in report.hosts for one in host.every_finding}
        heals = [one for one in (RETIRE, "certkit distribute") if one in cures]
        return [f"{one}{where}" for one in heals[:1]]
    if report.check:
        return [again] if Outcome.WOULD_CHANGE in outcomes else []
    if report.interrupted:
        return [f"{again} --resume"]
    if outcomes & (FAILURES | {Outcome.SKIPPED}) and any(host.error for host in report.hosts):
        return [f"{again} --retry-failed"]
    if report.command == "remove":
        return []
    return [f"certkit verify{where}"] if report.hosts else []


def then_look(session: Session, put: Service) -> list[str]:
    """Return the command worth running once a pair is served."""
    look = f"certkit registry status {put.report.registry}{given(session.flags)}"
    return [look] if put.served else []


def tell_of(session: Session, put: Service) -> None:
    """Say, beside the report, what a certificate that was to replace another one leaves to do."""
    from certkit.home.renewed import what_hosts_lack

    lines = []
    if put.promoted is not None:
        lines = what_hosts_lack(session.home, put.promoted)
    elif not put.served and not put.report.check:
        # By itself this is all that cron sends where standard output is thrown away.
        [host] = put.report.hosts
        why = f": {host.error.message}" if host.error else ""
        waits = f"the new certificate of {put.report.registry} waits in the home, for {host.name}"
        lines = [f"error: {waits} does not serve it{why}; the same command tries again"]
        if put.by_hand:
            lines = [f"{waits} does not serve it yet: reload it there, then run the same again"]
    for line in lines:
        say_plain(session.console, line)
