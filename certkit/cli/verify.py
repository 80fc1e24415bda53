"""``certkit verify``: prove from every host that its runtimes trust the registry."""

from __future__ import annotations

from typing import Annotated

import typer

from certkit.cli.flags import FleetFlags
from certkit.cli.grouped import grouped


@grouped
def verify(
    *,
    image: Annotated[
        str | None,
        typer.Option(
            "--image",
            metavar="REPO[:TAG|@DIGEST]",
            help="Pull this image of the registry on every host; all must come by one digest, and "
            "by that digest too. Default: ask for a name that does not exist.",
            show_default=False,
        ),
    ] = None,
    flags: FleetFlags,
) -> None:
    """Prove from every host that its runtimes trust the registry's certificate.

    Two legs: a TLS handshake with only the installed file as root, and the answer of the daemon
    itself. A pass that proves nothing (an insecure registry, localhost) counts as a failure.
    """
    from certkit.cli.session import Session
    from certkit.fleet import verify as engine
    from certkit.fleet.image import image_of
    from certkit.operations.run import report_of, targets_of

    session = Session(flags)
    pulled = "" if image is None else image_of(image, session.references)
    with session.running() as running:
        results = engine.verify(
            targets_of(session),
            session.references,
            running.connector,
            engine.VerifyOptions(**vars(running.bounds), image=pulled),
            watcher=running.watcher,
            stop=session.stop,
        )
    report = report_of(session, "verify", results)
    session.show(report, [])
    raise session.done(report)
