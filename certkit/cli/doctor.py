"""``certkit doctor``: find out why a pull fails, from this machine and from hosts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from certkit.cli.flags import Flags
from certkit.cli.grouped import Without, grouped
from certkit.cli.options import DocumentOutput, OutputOption
from certkit.errors import InputError

if TYPE_CHECKING:
    from certkit.cli.session import Session
    from certkit.home.registry import RegistryFiles
    from certkit.names import RegistryReference


@grouped
def doctor(
    *,
    host: Annotated[
        list[str] | None,
        typer.Option(
            "--host",
            metavar="HOST",
            help="Also look from this host of the inventory; repeat for more. Default: only from "
            "this machine.",
            show_default=False,
        ),
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain",
            metavar="TEXT",
            help="Only say what this message of a client means; - reads it from standard input.",
            show_default=False,
        ),
    ] = None,
    output: OutputOption = DocumentOutput.TABLE,
    flags: Annotated[Flags, Without("registry_host", "output", "run_timeout")],
) -> None:
    """Find out why a pull fails: each thing that is wrong, its proof, and the cure.

    Looks from this machine, and from the hosts that --host or --limit name; changes nothing.
    Findings come in order of likelihood, those of hosts first. Exits with 0 when nothing is wrong,
    4 with findings (or a message that --explain does not know), 1 when a host could not be
    examined.
    """
    from certkit.cli.again import Again
    from certkit.cli.render import diagnosis as render

    if explain is not None:
        raise typer.Exit(render.explained(explain, output).value)

    from datetime import datetime, timezone

    from certkit.doctor.finding import Diagnosis
    from certkit.doctor.here import look
    from certkit.doctor.host import Home, judge_host
    from certkit.doctor.local import judge_here
    from certkit.home.request import Origin

    chosen = ",".join(filter(None, [flags.limit, *(host or ())])) or None
    if chosen is None:
        files, references = _registry(flags)
        session = None
    else:
        session = _session(flags, chosen, host or ())
        files, references = session.files, session.references
    truth = Home()
    if files is not None:
        truth = Home(
            files.bundle().certificates,
            files.leaf,
            files.bundle().pem,
            files.server_chain[1:],
            files.request.origin is Origin.OWN,
        )
    views = {reference.text: look(reference) for reference in references}
    diagnosis = Diagnosis(references[0].text)
    findings, seen = judge_here(views, references, truth, datetime.now(timezone.utc))
    diagnosis.findings += findings
    diagnosis.seen += seen
    if session is not None:
        from certkit.doctor.hosts import examine
        from certkit.operations.run import targets_of

        targets = targets_of(session)
        with session.running({"examine": "examining"}) as running:
            facts, diagnosis.unexamined = examine(
                targets,
                references,
                running.connector,
                running.bounds,
                watcher=running.progress,
                stop=session.stop,
            )
        diagnosis.examined = tuple(one.name for one in facts)
        for one in facts:
            findings, seen = judge_host(one, references, views, truth)
            diagnosis.findings += findings
            diagnosis.seen += seen
        diagnosis.interrupted = session.stop.interrupted
    if session is None:
        diagnosis = Again.of(vars(flags)).told(diagnosis)
    else:
        diagnosis = session.told(diagnosis)
    render.show(diagnosis, output, quiet=flags.quiet, known=files is not None)
    raise typer.Exit(diagnosis.exit_code.value)


def _session(flags: Flags, chosen: str, hosts: Sequence[str]) -> Session:
    """Open the session over the chosen hosts; one that nobody knows is told by its own option."""
    from certkit.cli.session import Session

    try:
        return Session(replace(flags, limit=chosen))
    except InputError as error:
        named = any(f"'{one}'" in error.message for one in hosts)
        if named or flags.limit is None:
            message = error.message.replace("--limit '", "--host '")
            raise InputError(message, error.hint) from None
        raise


def _registry(flags: Flags) -> tuple[RegistryFiles | None, tuple[RegistryReference, ...]]:
    """Return what the home has for a registry, if anything, and its names."""
    from certkit.cli.flags import DEFAULT_INVENTORY
    from certkit.home.home import Home, find_in
    from certkit.home.place import home_path
    from certkit.names import RegistryReference

    path = home_path(flags.home)
    named = flags.registry
    if named is None and (flags.inventory is not None or DEFAULT_INVENTORY.exists()):
        from certkit.cli.given import given_inventory

        named = given_inventory(flags).registry
    if named is None:
        files = Home.open(path).sole_registry()
        return files, files.references
    reference = RegistryReference.parse(named)
    found = find_in(path, reference)
    return found, (reference,) if found is None else found.references
