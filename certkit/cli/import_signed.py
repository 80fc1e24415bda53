"""``certkit import-signed``: take a certificate that another authority signed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from certkit.cli.options import DocumentOutput, HomeOption, OutputOption


def import_signed(
    certificate: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="What the authority answered: PEM, the certificate alone or with its chain.",
            show_default=False,
        ),
    ],
    registry: Annotated[
        str | None,
        typer.Argument(
            metavar="[REGISTRY]",
            help="The registry; not needed when the home has one only.",
            show_default=False,
        ),
    ] = None,
    chain: Annotated[
        Path | None,
        typer.Option(
            "--chain",
            "--import-chain",
            metavar="FILE",
            help="The certificates of the authorities above it, up to the root, in any order.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            "--import-key",
            metavar="FILE",
            help="Its private key, when that is neither the request's nor the present one.",
            show_default=False,
        ),
    ] = None,
    passphrase_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Read the passphrase of that key from this file (mode 0600). "
            "CERTKIT_IMPORT_PASSPHRASE works as well.",
            show_default=False,
        ),
    ] = None,
    home: HomeOption = None,
    output: OutputOption = DocumentOutput.TABLE,
) -> None:
    """Take a certificate that another authority signed: a request's answer, or any later one.

    Key, names, dates and chain are checked before anything is touched. The registry's first
    certificate is ready to be deployed; a later one lies beside the old until it is served, as
    after `certkit renew`.
    """
    from datetime import datetime, timezone

    from certkit.cli import elsewhere, words
    from certkit.home.elsewhere.answering import take_answer
    from certkit.home.elsewhere.material import Material
    from certkit.home.elsewhere.report import TAKEN_SCHEMA, TakenReport
    from certkit.home.home import Home
    from certkit.home.place import home_path

    opened = Home.open(home_path(home))
    files = opened.sole_registry() if registry is None else opened.registry(registry)
    given = Material.read(certificate, chain, key, elsewhere.sources(passphrase_file))
    now = datetime.now(timezone.utc)
    report = TakenReport(take_answer(opened, files, given, now), now, TAKEN_SCHEMA, given.warnings)
    elsewhere.show(words.console_for(output), report)
    if output is DocumentOutput.JSON:
        words.say_json(report.to_json())
