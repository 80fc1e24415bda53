"""A dataclass of options as one parameter of a command.

Typer knows single parameters: it reads a function's signature and its type hints. A command under
`grouped` shows it the fields of its dataclass parameters one by one, and gets them as one object.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache, wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, get_args, get_origin, get_type_hints


class Without:
    """``Annotated[Flags, Without("limit")]``: the command lacks these; they keep their defaults."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def choose(self, options: dict[str, Parameter]) -> dict[str, Parameter]:
        """Return those that the command has, in their order."""
        assert options.keys() >= set(self.names), self.names
        return {name: one for name, one in options.items() if name not in self.names}


class Only(Without):
    """``Annotated[Flags, Only("home")]``: the command lacks all but these."""

    def choose(self, options: dict[str, Parameter]) -> dict[str, Parameter]:
        """Return those that the command has, in the order given here."""
        return {name: options[name] for name in self.names}


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let typer see each field of the command's dataclass parameters as a parameter.

    Args:
        command: Its dataclass parameters are keyword-only. Each of their fields is
            ``Annotated[T, typer.Option(...)] = default``; help shows them in their order.
    """
    groups: dict[str, tuple[type[Any], list[str]]] = {}
    shown: list[Parameter] = []
    # Not get_type_hints: Python 3.10's hides the option of whatever is None by default.
    for given in signature(command, eval_str=True).parameters.values():
        hint = given.annotation
        kind, *marks = get_args(hint) if get_origin(hint) is Annotated else [hint]
        if isinstance(kind, type) and is_dataclass(kind):
            options = _options(kind)
            for mark in marks:
                options = mark.choose(options)
            groups[given.name] = (kind, list(options))
            shown += options.values()
        else:
            shown.append(given.replace(kind=Parameter.KEYWORD_ONLY))

    @wraps(command)
    def run(**values: Any) -> None:  # noqa: ANN401 - whatever typer parsed
        for name, (kind, names) in groups.items():
            values[name] = kind(**{one: values.pop(one) for one in names})
        command(**values)

    run.__annotations__ = {one.name: one.annotation for one in shown}
    setattr(run, "__signature__", Signature(shown))  # noqa: B010 - functions declare no such name
    return run


@cache
def _options(kind: type[Any]) -> dict[str, Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return {
        one.name: Parameter(
            one.name, Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name]
        )
        for one in fields(kind)
    }
