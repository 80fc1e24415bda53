"""Options of the steps of ``certkit rotate``."""

from __future__ import annotations

from typing import Annotated

import typer

from certkit.cli.options import RestartChoice

RestartOption = Annotated[
    RestartChoice | None,
    typer.Option(
        "--restart",
        help="Which daemons are restarted, as with distribute. Default: the inventory's, else "
        "changed.",
        show_default=False,
    ),
]
WaveOption = Annotated[
    str | None,
    typer.Option("--wave", metavar="N|N%,...", help="As with distribute.", show_default=False),
]
MaxFailOption = Annotated[
    str | None,
    typer.Option("--max-fail", metavar="N|N%", help="As with distribute.", show_default=False),
]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Restart without asking, although containers stop.")
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace files that certkit did not write.")
]
WaiveOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="HOST",
        help="Do not wait for this host at this gate; it is recorded. Repeatable.",
        show_default=False,
    ),
]
ServedOption = Annotated[
    bool,
    typer.Option(
        "--served", help="The certificate was put into service by hand: see for yourself."
    ),
]
