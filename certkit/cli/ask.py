"""What `distribute` and `remove` say and ask beside their report."""

from __future__ import annotations

import getpass
import os
import shlex
import socket

from rich.text import Text

from certkit.cli.render.fold import fold, fold_names
from certkit.cli.render.text import count
from certkit.cli.session import DEFAULT_INVENTORY, Running, Session
from certkit.errors import CertkitError
from certkit.fleet.plan import RestartPlan
from certkit.fleet.report import FAILURES, FleetReport, Outcome


def confirm_restarts(session: Session, running: Running, plan: RestartPlan, *, yes: bool) -> bool:
    """Ask before containers are stopped, where there is somebody to ask.

    Without a terminal the run goes on: the policy that the operator set is the answer.
    """
    if yes or not plan.disturbs or not session.terminal:
        return True
    stopped = sum(plan.containers.values())
    sentence = (
        f"Restarting the daemons of {count(len(plan.hosts), 'host')} stops "
        f"{count(stopped, 'running container')} on {count(len(plan.containers), 'host')}"
    )
    if plan.unknown:
        sentence += f"; {fold_names(plan.unknown)} could not tell how many run"
    with running.screen.paused(), running.interrupts.asking():
        session.console.print(Text(f"{sentence}."), soft_wrap=True)
        session.console.print(
            Text("The files are done. --yes goes on without asking; --restart safe spares them.")
        )
        try:
            answer = session.console.input("Go on? [y/N] ", markup=False)
        except EOFError:
            return False
        except KeyboardInterrupt:
            # The handler has noted the interruption; the engine looks at that first.
            return False
    return answer.strip().lower() in ("y", "yes")


def operator() -> str:
    """Who runs this, for whoever finds a host locked: ``ann@bastion``."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "somebody"
    host = socket.gethostname()
    return "".join(mark for mark in f"{name}@{host}" if mark.isprintable())[:100]


def note_in_home(session: Session, report: FleetReport) -> None:
    """Write one line about the run into the home's journal."""
    hosts = {
        outcome.value: fold_names(one.name for one in group)
        for outcome, group in fold(report.hosts, lambda host: host.outcome)
    }
    trust = [entry.sha256 for entry in report.bundle]
    did = "removed trust from" if report.command == "remove" else "placed trust on"
    try:
        session.home.journal.append(
            report.command,
            registry=report.registry,
            what=f"{did} {count(len(report.hosts), 'host')}",
            hosts=hosts,
            bundle=trust,
            result=report.exit_code.value,
        )
    except CertkitError as error:
        # The hosts are done; a full disk here must not make the report disappear.
        session.warn(f"the home's journal has no line of this run: {error.message}")


def next_steps(session: Session, report: FleetReport) -> list[str]:
    """Return the commands worth running now, ready to paste."""
    flags = session.flags
    given = (
        ("--home", flags.home if "CERTKIT_HOME" not in os.environ else None),
        ("-i", flags.inventory if flags.inventory != DEFAULT_INVENTORY else None),
        ("--known-hosts", flags.known_hosts),
    )
    where = "".join(f" {flag} {shlex.quote(str(path))}" for flag, path in given if path is not None)
    outcomes = {host.outcome for host in report.hosts}
    if report.command == "status":
        heals = any(
            one.cure == "certkit distribute" for host in report.hosts for one in host.every_finding
        )
        return [f"certkit distribute{where}"] if heals else []
    if report.check:
        return [f"certkit {report.command}{where}"] if Outcome.WOULD_CHANGE in outcomes else []
    if report.interrupted:
        return [f"certkit {report.command}{where} --resume"]
    if outcomes & (FAILURES | {Outcome.SKIPPED}) and any(host.error for host in report.hosts):
        return [f"certkit {report.command}{where} --retry-failed"]
    if report.command == "remove":
        return []
    return [f"certkit verify{where}"] if report.hosts else []
