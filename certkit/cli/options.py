"""Options that several commands share, spelled once."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from certkit.errors import InputError


class DocumentOutput(str, Enum):
    """What ``-o`` takes where a command prints one document."""

    TABLE = "table"
    JSON = "json"


def _home(given: str) -> Path:
    if not given:
        # The path of no characters is the current directory, and few want a home there.
        raise InputError(
            "--home was given nothing", "name a directory, or leave it out; is a variable not set?"
        )
    return Path(given)


HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        envvar="CERTKIT_HOME",
        parser=_home,
        help="Where certkit keeps authorities and keys; default: the user's data directory.",
        show_default=False,
    ),
]

InventoryOption = Annotated[
    Path | None,
    typer.Option(
        "--inventory",
        "-i",
        metavar="FILE",
        envvar="CERTKIT_INVENTORY",
        help="The hosts; default: hosts.yaml here.",
        show_default=False,
    ),
]

OutputOption = Annotated[
    DocumentOutput,
    typer.Option("--output", "-o", help="Words, or one JSON document on standard output."),
]

PassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="Read the passphrase of the authority's key from this file (mode 0600). "
        "CERTKIT_CA_PASSPHRASE works as well.",
        show_default=False,
    ),
]

RegistryArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[REGISTRY]",
        help="The registry; default: the inventory's, else the only one of the home.",
        show_default=False,
    ),
]

FromOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="PATTERN",
        help="Look from these hosts of the inventory too; as --limit elsewhere.",
        show_default=False,
    ),
]

RetriesOption = Annotated[
    int,
    typer.Option(
        "--retries",
        metavar="N",
        min=0,
        max=20,
        help="How often a host is tried again after a failure that may pass.",
    ),
]
