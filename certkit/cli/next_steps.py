"""What is worth running or knowing after a run, beside its report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from certkit.cli.words import say_plain
from certkit.fleet.report import FAILURES, FleetReport, Outcome

if TYPE_CHECKING:
    from certkit.cli.session import Session
    from certkit.operations.serving import Service


def next_steps(session: Session, report: FleetReport, option: str = "") -> Iterator[str]:
    """Yield the commands worth running now, ready to paste; found out where they are shown.

    Args:
        session: The run.
        report: How it ended.
        option: What was asked for beside the usual, and is worth asking for again.
    """
    again = session.again(f"certkit {report.command}{f' {option}' if option else ''}")
    outcomes = {host.outcome for host in report.hosts}
    if report.command == "status":
        from certkit.fleet.drift.findings import RETIRE

        cures = {one.cure for host in report.hosts for one in host.every_finding}
        heals = map(session.again, (RETIRE, "certkit distribute"))
        yield from [one for one in heals if one in cures][:1]
    elif report.check:
        if Outcome.WOULD_CHANGE in outcomes:
            yield again
    elif report.interrupted:
        yield f"{again} --resume"
    elif outcomes & (FAILURES | {Outcome.SKIPPED}) and any(host.error for host in report.hosts):
        yield f"{again} --retry-failed"
    elif report.hosts and report.command != "remove":
        yield session.again("certkit verify")


def then_look(session: Session, put: Service) -> Iterator[str]:
    """Yield the command worth running once a pair is served."""
    if put.served:
        yield session.again(f"certkit registry status {put.report.registry}")


def tell_of(session: Session, put: Service) -> None:
    """Say, beside the report, what a certificate that was to replace another one leaves to do."""
    from certkit.home.renewal.report import what_hosts_lack

    lines = []
    if put.promoted is not None:
        lines = what_hosts_lack(put.promoted)
    elif not put.served and not put.report.check:
        # By itself this is all that cron sends where standard output is thrown away.
        [host] = put.report.hosts
        why = f": {host.error.message}" if host.error else ""
        waits = f"the new certificate of {put.report.registry} waits in the home, for {host.name}"
        lines = [f"error: {waits} does not serve it{why}; the same command tries again"]
        if put.by_hand:
            lines = [f"{waits} does not serve it yet: reload it there, then run the same again"]
    for line in lines:
        say_plain(session.console, session.again(line))
