"""Groups of options: typer sees single parameters, the command gets one object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from certkit.cli.grouped import Only, Without, grouped


@dataclass(frozen=True)
class Oven:
    heat: Annotated[int, typer.Option("--heat", "-H", help="Degrees.")] = 180
    fan: Annotated[bool, typer.Option("--fan")] = False
    shelf: Annotated[str | None, typer.Option("--shelf", envvar="OVEN_SHELF")] = None


got: list[object] = []


@grouped
def bake(
    cake: str,
    minutes: Annotated[int, typer.Option("--minutes")] = 30,
    tiers: Annotated[int | None, typer.Option("--storeys")] = None,
    *,
    oven: Annotated[Oven, Without("fan")],
) -> None:
    """Bake it."""
    got[:] = [cake, minutes, tiers, oven]


@grouped
def warm(*, oven: Annotated[Oven, Only("shelf")]) -> None:
    got[:] = [oven]


app = typer.Typer(rich_markup_mode=None)
app.command()(bake)
app.command()(warm)


def test_a_command_gets_its_group_as_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVEN_SHELF", "middle")
    ran = CliRunner().invoke(app, ["bake", "apple", "-H", "200", "--minutes", "45"])
    assert ran.exit_code == 0, ran.output
    assert got == ["apple", 45, None, Oven(200, fan=False, shelf="middle")]


def test_what_is_not_given_keeps_its_default() -> None:
    assert CliRunner().invoke(app, ["bake", "apple"]).exit_code == 0
    assert got == ["apple", 30, None, Oven()]


def test_an_option_without_a_default_goes_by_its_own_name() -> None:
    """Python 3.10's `typing.get_type_hints` would wrap its annotation, and hide it from typer."""
    assert CliRunner().invoke(app, ["bake", "apple", "--storeys", "3"]).exit_code == 0
    assert got == ["apple", 30, 3, Oven()]


def test_help_shows_the_options_in_order_and_the_commands_own_words() -> None:
    text = CliRunner().invoke(app, ["bake", "--help"]).output
    assert "Bake it." in text
    assert "Degrees." in text
    assert text.index("--minutes") < text.index("--heat") < text.index("--shelf")


@pytest.mark.parametrize("arguments", [["bake", "apple", "--fan"], ["warm", "--heat", "100"]])
def test_what_a_command_lacks_it_refuses(arguments: list[str]) -> None:
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 2
    assert "No such option" in ran.output


def test_a_field_that_is_none_is_noticed_where_the_command_is_written() -> None:
    def misspelt(*, oven: Annotated[Oven, Without("fans")]) -> None: ...

    with pytest.raises(AssertionError, match="fans"):
        grouped(misspelt)
