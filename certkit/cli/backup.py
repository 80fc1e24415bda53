"""``certkit backup`` and ``certkit restore``: the whole home in one encrypted file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from certkit.cli.options import DocumentOutput, HomeOption, OutputOption

_PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="Read the back-up's passphrase from this file (mode 0600). "
        "CERTKIT_BACKUP_PASSPHRASE works as well.",
        show_default=False,
    ),
]


def backup(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file to make; it must not exist.")
    ],
    passphrase_file: _PassphraseFile = None,
    home: HomeOption = None,
    output: OutputOption = DocumentOutput.TABLE,
) -> None:
    """Write the whole home into one encrypted file, and read it back.

    The file is in the age format: without certkit, `age -d FILE | tar x` opens it. Keys that have
    a passphrase of their own keep it.
    """
    from datetime import datetime, timezone

    from certkit.cli import words
    from certkit.home.backup.archive import (
        ENVIRONMENT,
        back_up,
        passphrase_for_backup,
        refuse_place,
    )
    from certkit.home.home import Home
    from certkit.home.keys.passphrase import PassphraseSources
    from certkit.home.place import home_path

    opened = Home.open(home_path(home))
    refuse_place(opened, file)
    ask = words.ask_secret if words.on_terminal() else None
    sources = PassphraseSources(passphrase_file, ask=ask, environment=ENVIRONMENT)
    passphrase = passphrase_for_backup(sources, new=True)
    done = back_up(opened, file, passphrase, datetime.now(timezone.utc))
    console = words.console_for(output)
    words.say(console, f"Backed up {done.files} files to {done.path} (0600), and read it back.")
    words.say_pairs(console, [("SHA-256", done.sha256)])
    words.say(console, "Keep it, and its passphrase apart from it, away from this machine.")
    if output is DocumentOutput.JSON:
        words.say_json(
            {
                "schema": "certkit.backup/1",
                "path": str(done.path),
                "files": done.files,
                "sha256": done.sha256,
            }
        )


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What certkit backup made.")],
    passphrase_file: _PassphraseFile = None,
    home: HomeOption = None,
    output: OutputOption = DocumentOutput.TABLE,
) -> None:
    """Make a home from a back-up. Everything is checked first; a home that exists is refused."""
    from certkit.cli import words
    from certkit.home.backup.archive import ENVIRONMENT, passphrase_for_backup
    from certkit.home.backup.restore import refuse_existing
    from certkit.home.backup.restore import restore as restore_home
    from certkit.home.keys.passphrase import PassphraseSources
    from certkit.home.place import home_path

    path = home_path(home)
    refuse_existing(path)
    ask = words.ask_secret if words.on_terminal() else None
    sources = PassphraseSources(passphrase_file, ask=ask, environment=ENVIRONMENT)
    done = restore_home(file, lambda: passphrase_for_backup(sources, new=False), path)
    console = words.console_for(output)
    words.say(console, f"Restored {done.files} files to {path}.")
    words.say_pairs(console, [("registry", registry) for registry in done.registries])
    if output is DocumentOutput.JSON:
        words.say_json(
            {
                "schema": "certkit.restore/1",
                "home": str(path),
                "files": done.files,
                "registries": list(done.registries),
            }
        )
