"""``certkit passphrase``: set, change or remove the passphrase of an authority's key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from certkit.cli.options import DocumentOutput, HomeOption, OutputOption, PassphraseFileOption


def passphrase(
    registry: Annotated[
        str | None,
        typer.Argument(
            metavar="[REGISTRY]",
            help="The registry; not needed when the home has one only.",
            show_default=False,
        ),
    ] = None,
    passphrase_file: PassphraseFileOption = None,
    new_passphrase_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Read the new passphrase from this file (mode 0600). "
            "CERTKIT_CA_NEW_PASSPHRASE works as well.",
            show_default=False,
        ),
    ] = None,
    no_passphrase: Annotated[
        bool, typer.Option("--no-passphrase", help="Remove the passphrase: leave the key plain.")
    ] = False,
    home: HomeOption = None,
    output: OutputOption = DocumentOutput.TABLE,
) -> None:
    """Set, change or remove the passphrase of a registry's authority: of every key it has.

    The keys of a rotation and archived ones change with the one that signs. The present passphrase
    comes from --passphrase-file, CERTKIT_CA_PASSPHRASE or the terminal. While the key is plain,
    these give the new one.
    """
    from certkit.cli import words
    from certkit.home.home import Home
    from certkit.home.keys.passphrase import NEW_ENVIRONMENT, PassphraseSources
    from certkit.home.place import home_path
    from certkit.home.repassphrase import change_passphrase

    opened = Home.open(home_path(home))
    files = opened.sole_registry() if registry is None else opened.registry(registry)
    ask = words.ask_secret if words.on_terminal() else None
    done = change_passphrase(
        opened,
        files,
        PassphraseSources(passphrase_file, ask=ask),
        PassphraseSources(new_passphrase_file, no_passphrase, ask, NEW_ENVIRONMENT),
    )
    console = words.console_for(output)
    words.say(console, done.sentence)
    for warning in done.warnings:
        words.say(console, f"warning: {warning}", "yellow")
    if output is DocumentOutput.JSON:
        words.say_json(done.to_json())
