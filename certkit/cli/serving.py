"""What the commands about the registry's own certificate do between the session and the report."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

from rich.console import Console

from certkit.cli import words
from certkit.cli.ask import operator
from certkit.cli.options import DocumentOutput
from certkit.cli.session import Session
from certkit.errors import CertkitError, InputError
from certkit.fleet.report import FleetReport
from certkit.home import waiting as leaves
from certkit.inventory.registry_host import RegistryHost
from certkit.pki.bundle import colons
from certkit.registry.deploy import Deployed, DeployOptions
from certkit.registry.deploy import deploy as put_into_service
from certkit.registry.pair import Pair
from certkit.registry.status import RegistryStatus, judge, look


def deploy(
    session: Session,
    *,
    check: bool,
    force: bool,
    waiting: bool,
    witnesses: str | None = None,
    seen: Callable[[str], None] | None = None,
    show: bool = True,
) -> FleetReport:
    """Put the current or the waiting pair into service, promote the latter, and show the report.

    Args:
        session: The run.
        check: Only look.
        force: Replace files that certkit did not write.
        waiting: The waiting pair, not the current one.
        witnesses: Hosts that must see it too.
        seen: Told the fingerprint once it is served, in place of the promotion.
        show: Whether a success is shown too; one document is all that a command may print.

    Raises:
        InputError: The inventory names no registry host, or nothing is waiting.
        HomeError: The home is unusable.
    """
    server = required(session)
    files = session.files
    next_leaf = leaves.find_next(files)
    known: tuple[bytes, ...]
    if waiting:
        if next_leaf is None:
            raise InputError(
                f"no new certificate of {files.reference} is waiting",
                f"make one with certkit renew {files.reference}",
            )
        pair = Pair(next_leaf.chain_pem, next_leaf.key_pem).checked()
        known = (files.server_chain_pem,)
    else:
        pair = Pair.current(files)
        known = (next_leaf.chain_pem,) if next_leaf else ()
    options = DeployOptions(
        check=check,
        force=force,
        operator=operator(),
        retries=session.flags.retries,
        known=known,
        witnesses=session.chosen(witnesses),
    )
    phases = {"deploy": "checking" if check else "deploying"}
    with session.running(phases) as running:
        done = put_into_service(
            server,
            files.reference,
            pair,
            running.connector,
            options,
            watcher=session.watcher(running.screen),
            stop=session.stop,
        )
    report = session.report("registry deploy", [done.result], check=check)
    if not check:
        _note(session, pair, done)
        if seen is not None and done.served:
            seen(pair.sha256)
        elif waiting and done.served:
            leaves.promote(session.home, files, pair.sha256, datetime.now(timezone.utc))
    if show or not done.served:
        session.show(report, [f"certkit registry status {files.reference}"] if done.served else [])
    return report


def status(session: Session, *, witnesses: str | None, output: DocumentOutput) -> RegistryStatus:
    """Look at what is served, judge it by the home, and show it.

    Raises:
        HomeError: The home is unusable.
    """
    chosen = session.chosen(witnesses)
    with session.running() as running:
        sights = look(session.server, session.files.reference, running.connector, chosen)
    found = judge(session.files, sights, datetime.now(timezone.utc))
    if output is DocumentOutput.JSON:
        words.say_json(found.to_json())
    else:
        _show(words.console_for(output), found)
    return found


def required(session: Session) -> RegistryHost:
    """Return the registry's own machine.

    Raises:
        InputError: Nothing says which it is.
    """
    server = session.server
    if server is None:
        raise InputError(
            f"{session.inventory.path} does not say where the registry runs",
            "add registry_host: {host: NAME, run: container} (docs/inventory.md), or give "
            "--registry-host FILE",
        )
    return server


def _note(session: Session, pair: Pair, done: Deployed) -> None:
    """Write one line into the home's journal."""
    try:
        session.home.journal.append(
            "registry deploy",
            registry=session.files.reference.text,
            what="put the server certificate into service"
            if done.served
            else "tried to put the server certificate into service",
            hosts={done.result.outcome.value: done.result.name},
            sha256=pair.sha256,
            served=done.served,
        )
    except CertkitError as error:
        # The registry is served; a full disk here must not make the report disappear.
        session.warn(f"the home's journal has no line of this run: {error.message}")


def _show(console: Console, found: RegistryStatus) -> None:
    words.say(console, f"{found.reference}: {found.verdict}", "bold")
    pairs = []
    served = found.served
    if served is not None:
        pairs += [
            ("served", colons(served.sha256)),
            ("issued by", served.issuer),
            ("valid until", f"{served.not_after} ({served.days_left} days, {served.state})"),
            ("names", ", ".join(served.names)),
        ]
    if found.says != "current":
        pairs.append(("the home says", colons(found.home.sha256)))
    if found.reason:
        pairs.append(("refused", found.reason))
    for sight in found.sights:
        seen = colons(sight.sha256)[:23] if sight.sha256 else ""
        pairs.append(
            (f"from {sight.place}", seen or (sight.problem.message if sight.problem else ""))
        )
    words.say_pairs(console, pairs)
