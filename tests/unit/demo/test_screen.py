"""What the demo looks like: 80 columns, no colour where none is wanted."""

from __future__ import annotations

import io

from rich.console import Console

from certkit.demo.screen import WIDTH, Screen


def told(**settings: object) -> str:
    stream = io.StringIO()
    console = Console(file=stream, highlight=False, soft_wrap=True, **settings)  # type: ignore[arg-type]
    screen = Screen(console)
    screen.heading("1. Title")
    screen.say("word " * 40)
    screen.command("certkit init")
    screen.output("plain [bold]not markup[/bold]\n    deep " + "x" * 100 + "\n\nend\n")
    screen.item("item " * 30)
    screen.shown("shown " * 30)
    screen.failed("failed " * 30)
    return stream.getvalue()


def test_nothing_is_wider_than_a_terminal() -> None:
    assert max(map(len, told().splitlines())) <= WIDTH


def test_what_a_command_says_is_not_markup_and_keeps_its_shape() -> None:
    lines = told().splitlines()
    assert "  plain [bold]not markup[/bold]" in lines
    assert "      deep" in [line[:10] for line in lines]
    assert lines[lines.index("  end") - 1] == ""


def test_colour_is_for_terminals_that_want_it() -> None:
    assert "\x1b[" in told(force_terminal=True, color_system="standard")
    assert "\x1b[3" not in told(force_terminal=True, no_color=True)
    assert "\x1b" not in told()
