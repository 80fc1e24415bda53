"""``certkit schema``: the published JSON Schemas, for editors and for those who parse reports."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated

import typer

from certkit.cli.render.output import STDOUT
from certkit.errors import InputError

_SUFFIX = ".schema.json"

NameArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]", help="inventory, fleet, registry-status or rotation.", show_default=False
    ),
]


def schema(name: NameArgument = None) -> None:
    """Print the JSON Schema of the inventory, of the fleet reports, of a registry or a rotation."""
    from certkit.inventory.places import shown, suggest

    folder = files("certkit") / "schemas"
    known = {
        entry.name.removesuffix(_SUFFIX): entry
        for entry in folder.iterdir()
        if entry.name.endswith(_SUFFIX)
    }
    there_are = f"there are: {', '.join(sorted(known))}"
    if name is None:
        raise InputError("no schema was named", there_are)
    if name not in known:
        raise InputError(
            f"there is no schema '{shown(name)}'",
            suggest(name, known) or there_are,
        )
    STDOUT.write(known[name].read_text(encoding="utf-8"))
