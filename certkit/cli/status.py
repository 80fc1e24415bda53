"""``certkit status``: how every host stands; nothing is written anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from certkit.cli.flags import FleetFlags
from certkit.cli.grouped import grouped
from certkit.errors import CertkitError


@grouped
def status(
    *,
    prometheus: Annotated[
        Path | None,
        typer.Option(
            "--prometheus",
            metavar="FILE",
            help="Write the figures for node-exporter's textfile collector too; replaced whole.",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Write one self-contained page too; replaced whole.",
            show_default=False,
        ),
    ] = None,
    flags: FleetFlags,
) -> None:
    """Read how every host stands, in one round trip, and write nothing there.

    What each runtime trusts for the registry, and what differs from what it should: missing, stale
    and foreign files, files and directories that get in the way, modes, insecure settings, a
    restart that is due, the clock. Exits with 4 when something wants attention.
    """
    from certkit.cli.next_steps import next_steps
    from certkit.cli.render.standing import show_standing, standing_line
    from certkit.cli.render.whole import refuse_place
    from certkit.cli.session import Session
    from certkit.fleet import status as engine
    from certkit.fleet.drift.directory import Wanted
    from certkit.fleet.report import BundleEntry
    from certkit.operations.run import report_of, targets_of
    from certkit.pki.bundle import fingerprint, subject_text, time_text

    for path in (prometheus, html):
        if path is not None:
            refuse_place(path)
    session = Session(flags)
    leaf = session.files.leaf
    wanted = Wanted(session.bundle.pem, session.bundle.fingerprints, session.references, leaf)
    with session.running() as running:
        results = engine.status(
            targets_of(session),
            wanted,
            running.connector,
            running.bounds,
            watcher=running.watcher,
            stop=session.stop,
        )
    report = report_of(session, "status", results, check=True)
    report.server = BundleEntry(
        fingerprint(leaf), subject_text(leaf.subject), time_text(leaf.not_valid_after_utc)
    )
    now = datetime.now(timezone.utc)
    session.show(
        report,
        next_steps(session, report),
        lambda console, shown, steps: show_standing(console, shown, steps, now),
        standing_line,
    )
    documents: dict[Path, str] = {}
    if prometheus is not None:
        from certkit.cli.render.prometheus import exposition

        documents[prometheus] = exposition(report, now)
    if html is not None:
        from certkit.cli.render.page import page

        documents[html] = page(report, now)
    _write(documents)
    raise session.done(report)


def _write(documents: Mapping[Path, str]) -> None:
    from certkit.cli.render.whole import write_whole

    failed = []
    for path, text in documents.items():
        try:
            write_whole(path, text)
        except OSError as error:
            failed.append(f"{path} could not be written: {error.strerror}")
    if failed:
        raise CertkitError("; ".join(failed), "name another file")
