"""``certkit doctor``: find out why a pull fails, from this machine and from hosts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from certkit.cli.options import (
    AskBecomePassOption,
    AskPassOption,
    BecomePasswordFileOption,
    DocumentOutput,
    ExcludeOption,
    FleetOutput,
    HomeOption,
    HostKeyChoice,
    HostKeyOption,
    IdentityOption,
    InventoryOption,
    KeyPassphraseFileOption,
    KnownHostsOption,
    LimitOption,
    OutputOption,
    ParallelOption,
    PasswordFileOption,
    PortOption,
    QuietOption,
    RegistryArgument,
    RetriesOption,
    TimeoutOption,
    UserOption,
    VerboseOption,
)

if TYPE_CHECKING:
    from certkit.home.registry import RegistryFiles
    from certkit.names import RegistryReference


def doctor(
    registry: RegistryArgument = None,
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
    home: HomeOption = None,
    inventory: InventoryOption = None,
    limit: LimitOption = None,
    exclude: ExcludeOption = None,
    output: OutputOption = DocumentOutput.TABLE,
    parallel: ParallelOption = None,
    timeout: TimeoutOption = None,
    retries: RetriesOption = 2,
    user: UserOption = None,
    port: PortOption = None,
    identity_file: IdentityOption = None,
    known_hosts: KnownHostsOption = None,
    host_key: HostKeyOption = HostKeyChoice.STRICT,
    ask_pass: AskPassOption = False,
    password_file: PasswordFileOption = None,
    ask_become_pass: AskBecomePassOption = False,
    become_password_file: BecomePasswordFileOption = None,
    key_passphrase_file: KeyPassphraseFileOption = None,
    verbose: VerboseOption = 0,
    quiet: QuietOption = False,
) -> None:
    """Find out why a pull fails: each thing that is wrong, its proof, and the cure.

    Looks from this machine, and from the hosts that --host or --limit name; changes nothing.
    Findings come in order of likelihood. Exits with 0 when nothing is wrong, 4 with findings (or
    a message that --explain does not know), 1 when a host could not be examined.
    """
    from datetime import datetime, timezone

    from certkit.cli.render import diagnosis as render
    from certkit.doctor.finding import Diagnosis
    from certkit.doctor.here import look
    from certkit.doctor.host import Home, judge_host
    from certkit.doctor.local import judge_here

    if explain is not None:
        raise typer.Exit(render.explained(explain, output).value)
    chosen = ",".join(filter(None, [limit, *(host or ())])) or None
    if chosen is None:
        files, references = _registry(registry, home)
        session = None
    else:
        from certkit.cli.session import Flags, Session

        session = Session(
            Flags(
                registry=registry,
                home=home,
                inventory=inventory,
                limit=chosen,
                exclude=exclude,
                output=FleetOutput(output.value),
                verbose=verbose,
                quiet=quiet,
                user=user,
                port=port,
                identity_file=identity_file,
                known_hosts=known_hosts,
                host_key=host_key,
                ask_pass=ask_pass,
                password_file=password_file,
                ask_become_pass=ask_become_pass,
                become_password_file=become_password_file,
                key_passphrase_file=key_passphrase_file,
            )
        )
        files, references = session.files, session.references
    truth = Home() if files is None else Home(files.bundle().certificates, files.leaf)
    views = {reference.text: look(reference) for reference in references}
    diagnosis = Diagnosis(references[0].text)
    findings, seen = judge_here(views, references, truth, datetime.now(timezone.utc))
    diagnosis.findings += findings
    diagnosis.seen += seen
    if session is not None:
        from certkit.doctor.hosts import examine
        from certkit.fleet.job import RunOptions
        from certkit.fleet.targets import targets_for

        settings = session.inventory.settings
        targets = targets_for(session.hosts, references, session.bundle.pem, settings)
        with session.running({"examine": "examining"}) as running:
            facts, diagnosis.unexamined = examine(
                targets,
                references,
                running.connector,
                RunOptions(
                    parallel=parallel or settings.parallel or 64,
                    retries=retries,
                    host_timeout=timeout,
                ),
                watcher=running.screen,
                stop=session.stop,
            )
        for one in facts:
            findings, seen = judge_host(one, references, views, truth)
            diagnosis.findings += findings
            diagnosis.seen += seen
        diagnosis.interrupted = session.stop.interrupted
    render.show(diagnosis, output, quiet=quiet, known=files is not None)
    raise typer.Exit(diagnosis.exit_code.value)


def _registry(
    registry: str | None, home: Path | None
) -> tuple[RegistryFiles | None, tuple[RegistryReference, ...]]:
    """Return what the home has for a registry, if anything, and its names."""
    from certkit.home.home import Home, home_path
    from certkit.names import RegistryReference

    path = home_path(home)
    if registry is None:
        files = Home.open(path).sole_registry()
        return files, files.references
    reference = RegistryReference.parse(registry)
    found = Home.open(path).find(reference) if path.exists() else None
    return found, (reference,) if found is None else found.references
