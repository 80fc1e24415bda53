"""The commands by name, each imported only when it is the one that is wanted.

Typer reads every option of every command it is given, which takes longer than the rest of a start;
a list of names and sentences is all that ``certkit --help`` shows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from certkit.errors import CertkitError

# Name, module below certkit.cli, what in it, and a sentence that fits a line of 80 columns; in the
# order of a first hour with certkit.
_COMMANDS = (
    ("init", "init", "init", "Make an authority and the registry's certificate."),
    (
        "distribute",
        "distribute",
        "distribute",
        "Put the trust on every host; restart what must be.",
    ),
    ("verify", "verify", "verify", "Prove from every host that it trusts the registry."),
    ("status", "status", "status", "Show how every host stands; find drift."),
    ("renew", "renew", "renew", "Make a new certificate from the same authority."),
    (
        *("import-signed", "import_signed", "import_signed"),
        "Take a certificate that another authority signed.",
    ),
    ("remove", "remove", "remove", "Take the trust off the hosts again."),
    ("doctor", "doctor", "doctor", "Find out why a pull fails, and the cure."),
    ("inspect", "inspect", "inspect", "Show a certificate, the home or a live registry."),
    ("inventory", "inventory", "inventory", "List the hosts as certkit understands them."),
    (
        *("passphrase", "passphrase", "passphrase"),
        "Set, change or remove the authority's passphrase.",
    ),
    ("backup", "backup", "backup", "Write the whole home into one encrypted file."),
    ("restore", "backup", "restore", "Make a home from a back-up."),
    ("log", "log", "log", "Show who did what, when, to which hosts."),
    ("schema", "schema", "schema", "Print the JSON Schema of the inventory or a report."),
    ("demo", "demo", "demo", "Show the whole job on an embedded fleet."),
    ("registry", "registry", "app", "Put the registry's own certificate into service."),
    ("rotate", "rotate", "app", "Replace the authority without a failed pull."),
)
_SENTENCES = {name: sentence for name, _, _, sentence in _COMMANDS}
_PLACES = {name: (module, what) for name, module, what, _ in _COMMANDS}

NAMES = tuple(_PLACES)
"""What `command` takes."""

OPTIONS: dict[str, Any] = {
    # Boxed help imports half of rich and takes three times as long.
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["--help", "-h"]},
}


def command(name: str) -> Any:  # noqa: ANN401 - see below
    """Return a command, ready to be called as click's commands are.

    Args:
        name: One of `NAMES`.
    """
    module, what = _PLACES[name]
    found = getattr(import_module(f"certkit.cli.{module}"), what)
    tool = typer.Typer(add_completion=False, **OPTIONS)
    if isinstance(found, typer.Typer):
        tool.add_typer(found, name=name, context_settings=OPTIONS["context_settings"])
        group: Any = get_command(tool)
        made = group.commands[name]
    else:
        tool.command(name, short_help=_SENTENCES[name])(found)
        made = get_command(tool)
    for one in (made, *getattr(made, "commands", {}).values()):
        if one.callback is not None:
            one.callback = _completing(one.callback)
    return made


def _completing(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Let the hints of errors name commands with what this one was given."""

    @wraps(callback)
    def run(**given: Any) -> Any:  # noqa: ANN401 - whatever typer parsed
        try:
            return callback(**given)
        except CertkitError as error:
            from certkit.cli.again import Again

            error.hint = Again.of(given).completed(error.hint)
            raise

    return run


class Commands(TyperGroup):
    """All of them, as one group."""

    # Typer carries click under different names in its versions.
    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **named)
        # The names are for suggestions; what they stand for is asked for by `get_command`.
        nothing: Any = None
        self.commands = dict.fromkeys(_PLACES, nothing)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401
        """Return the names, in order."""
        return list(_PLACES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401
        """Return a command; None when there is none of that name."""
        return command(cmd_name) if cmd_name in _PLACES else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """Show the sentences, for which no command is needed."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_SENTENCES.items()))
