"""What the steps of ``certkit rotate`` share, and the walk through all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup

from certkit.cli.flags import DEFAULT_INVENTORY, Flags, SpreadFlags
from certkit.errors import CertkitError, ExitCode, InputError

if TYPE_CHECKING:
    from certkit.home.keys.passphrase import PassphraseSources
    from certkit.home.rotation.report import RotationReport
    from certkit.operations.rotating import Rotating

WALK = "walk"
_STEPS = ("start", "switch", "finish", "abort", "status", WALK)


class WalkingGroup(TyperGroup):
    """Takes options and a registry that stand in a step's place for those of the walk."""

    # Typer's own types for both have other names in its versions.
    def parse_args(self, ctx, args):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        first = args[0] if args else "-"
        # Anything else is a step misspelt, for which the parser has a better word.
        walks = first[:1] == "-" or "." in first or ":" in first
        if walks and first not in ctx.help_option_names:
            args = [WALK, *args]
        return super().parse_args(ctx, args)


def carry_out(
    name: str, flags: Flags, how: SpreadFlags, step: Callable[[Rotating], ExitCode]
) -> None:
    """Do a step over all hosts, and end the command with its one document.

    Raises:
        CertkitError: It was refused, or could not be done; a refusal has its document too.
    """
    from certkit.cli.render import rotation
    from certkit.cli.render.output import STDOUT
    from certkit.cli.session import Session
    from certkit.operations.rotating import Rotating

    session = Session(flags, yes=how.yes)
    rotating = Rotating(session, how.distribution)
    error = None
    try:
        code = step(rotating)
    except CertkitError as raised:
        if raised.exit_code is not ExitCode.FAILED:
            raise
        error, code = session.told(raised), raised.exit_code
    found, parts = rotating.report, session.parts
    STDOUT.write(rotation.written(flags.output, name, found, session.again, parts, error))
    if error is not None:
        raise error
    raise typer.Exit(code.value)


def where_it_stands(flags: Flags) -> RotationReport:
    """Read it from the home, and from the inventory where there is one.

    Raises:
        InputError: The inventory cannot be used.
        HomeError: The home is unusable.
    """
    from certkit.cli.session import Session
    from certkit.home.home import Home
    from certkit.home.place import home_path
    from certkit.home.rotation.report import RotationReport
    from certkit.home.rotation.steps import read_rotation
    from certkit.operations.rotating import Rotating

    if flags.inventory is not None or DEFAULT_INVENTORY.exists():
        return Rotating(Session(flags), SpreadFlags().distribution).report
    home = Home.open(home_path(flags.home))
    files = home.registry(flags.registry) if flags.registry else home.sole_registry()
    state = read_rotation(files)
    return RotationReport(files.reference.text, state, state.known)


def passphrases(path: Path | None, *, refused: bool = False) -> PassphraseSources:
    """Say where a passphrase comes from: a file, the environment, or a question."""
    from certkit.cli import words
    from certkit.home.keys.passphrase import PassphraseSources

    ask = words.ask_secret if words.on_terminal() else None
    return PassphraseSources(path, refused, ask)


def walk_through(flags: Flags, how: SpreadFlags, sources: PassphraseSources) -> None:
    """Go through the steps that remain, and ask before each.

    Raises:
        InputError: There is nobody to ask.
    """
    from certkit.cli import words
    from certkit.cli.session import Session
    from certkit.operations.rotating import Rotating
    from certkit.operations.walking import walk

    if flags.registry in _STEPS:
        raise InputError(
            f"options stand behind the step: certkit rotate {flags.registry} --option",
            "see certkit rotate --help",
        )
    if not words.on_terminal():
        raise InputError(
            "without a terminal there is nobody to ask between the steps",
            "run certkit rotate start, switch and finish; certkit rotate status tells which",
        )

    def ask(question: str) -> bool:
        return words.ask_text(f"{question}? (yes or no)", "no").strip().lower() in ("y", "yes")

    session = Session(flags, yes=how.yes)
    code = walk(Rotating(session, how.distribution), sources, ask, force=how.force)
    raise typer.Exit(code.value)
