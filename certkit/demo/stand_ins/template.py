"""The small part of Go's templates that people write after ``docker ... --format``."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}")
_RANGE = re.compile(
    r"\{\{-?\s*range\s+(?P<path>\.[\w.]*)\s*-?\}\}(?P<body>.*?)\{\{-?\s*end\s*-?\}\}", re.DOTALL
)
_VALUE = re.compile(r"(?:(?P<function>json|println|len)\s+)?(?P<path>\.[\w.]*)")


class TemplateError(Exception):
    """The template uses something that is not understood here."""


def render(template: str, data: object) -> str:
    """Fill in ``{{.A.B}}``, ``{{json .A}}``, ``{{println .}}``, ``{{len .A}}`` and ``{{range}}``.

    Raises:
        TemplateError: It uses anything else, or a field that is not there.
    """
    if template == "json":
        return json.dumps(data)

    def each(match: re.Match[str]) -> str:
        return "".join(
            render(match["body"], item) for item in _items(_look_up(data, match["path"]))
        )

    return _ACTION.sub(lambda match: _value(match[1], data), _RANGE.sub(each, template))


def _value(action: str, data: object) -> str:
    match = _VALUE.fullmatch(action)
    if match is None:
        raise TemplateError(f"template parsing error: {action!r} is beyond this stand-in")
    value = _look_up(data, match["path"])
    if match["function"] == "json":
        return json.dumps(value)
    if match["function"] == "len":
        return str(len(_items(value)))
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text + "\n" if match["function"] == "println" else text


def _look_up(data: object, path: str) -> object:
    for name in path.strip(".").split("."):
        if not name:
            continue
        if not isinstance(data, dict) or name not in data:
            raise TemplateError(f"template: :1:2: can't evaluate field {name}")
        data = data[name]
    return data


def _items(value: object) -> Collection[object]:
    if not isinstance(value, Collection):
        raise TemplateError(f"template: range can't iterate over {value}")
    return value
