"""Ansible's INI inventory, of which a plain list of ``[user@]host[:port]`` lines is a case."""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from typing import Any

from certkit.inventory.ansible.groups import Graph
from certkit.inventory.places import Place, shown

_SECTION = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?")
_LITERAL = re.compile(r"""[-+0-9'"\[({]|True\b|False\b|None\b""")
_DOTTED = re.compile(r"[0-9]+\.[0-9]+\.")  # an address, the one common case that is no literal
# Words as shlex takes them, where no backslash and no comment makes it harder.
_WORD = r"""(?:[^\s'"\\#]|'[^']*'|"[^"\\]*")+"""
_EASY = re.compile(rf"""{_WORD}(?:[ \t]+{_WORD})*""", re.ASCII)
_A_WORD, _HARD = re.compile(_WORD, re.ASCII), re.compile(r"""['"\\#]""")
_QUOTES = re.compile(r"""'([^']*)'|"([^"]*)\"""")
_MAX_LITERAL = 4096


def read_ini(text: str, source: str) -> Graph:
    """Read sections, hosts and variables (rules: ``ansible.plugins.inventory.ini``).

    Args:
        text: The file.
        source: What to call it in messages.

    Returns:
        The graph.

    Raises:
        InputError: A line is none of what its section may hold, or a section's group is missing.
    """
    graph = Graph(source)
    section, kind = "ungrouped", "hosts"
    pending: dict[str, Place] = {}
    defined = {"all", "ungrouped"}
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        place = Place(source, number, len(raw) - len(raw.lstrip()) + 1)
        if line.startswith("[") and (found := _SECTION.fullmatch(line)):
            section, kind = found[1], found[2] or "hosts"
            if kind not in ("hosts", "vars", "children"):
                place.refuse(
                    f"unknown kind of section '[{shown(section)}:{shown(kind)}]'",
                    "a section is [group], [group:vars] or [group:children]",
                )
            graph.group(section, place)
            if kind == "vars":
                pending.setdefault(section, place)
            else:
                defined.add(section)
            continue
        if kind == "vars":
            _variable(graph, section, line, place)
        elif kind == "children":
            _child(graph, section, line, place)
            defined.add(line.partition("#")[0].strip())
        else:
            _host(graph, section, line, place)
    for name, place in pending.items():
        if name not in defined:
            place.refuse(
                f"[{shown(name)}:vars] is about a group that is not defined", f"add [{shown(name)}]"
            )
    return graph


def _variable(graph: Graph, section: str, line: str, place: Place) -> None:
    name, equals, value = (part.strip() for part in line.partition("="))
    if not equals or not name:
        place.refuse(f"'{shown(line)}' is not key=value", f"as [{shown(section)}:vars] has it")
    spot = place._replace(what=f"group {section}")
    graph.groups[section].vars[name] = (_literal(value), spot)


def _child(graph: Graph, section: str, line: str, place: Place) -> None:
    name = line.partition("#")[0].strip()
    graph.group(name, place)
    graph.groups[section].children[name] = None


def _host(graph: Graph, section: str, line: str, place: Place) -> None:
    try:
        words = _words(line)
    except ValueError as error:
        place.refuse(f"'{shown(line)}': {error}", "check its quotes")
    if not words:
        return
    found: dict[str, tuple[Any, Place]] = {}
    spot = place._replace(what=f"host {shown(words[0])}")
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if not equals or not name:
            place.refuse(
                f"'{shown(word)}' after the host '{shown(words[0])}' is not key=value",
                "write ansible_port=2222, with quotes around spaces; one host a line",
            )
        found[name] = (_literal(value), spot)
    for host in graph.add(words[0], graph.group(section, place), spot):
        graph.hosts[host].update(found)


def _words(line: str) -> list[str]:
    """What ``shlex.split`` makes of the line, which it takes letter by letter.

    Raises:
        ValueError: The quoting is unbalanced.
    """
    if not _HARD.search(line):
        return line.split()
    if not _EASY.fullmatch(line):
        return shlex.split(line, comments=True)
    return [_QUOTES.sub(r"\1\2", word) for word in _A_WORD.findall(line)]


def _literal(value: str) -> Any:  # noqa: ANN401 - as Ansible reads it
    if not _LITERAL.match(value) or len(value) > _MAX_LITERAL or _DOTTED.match(value):
        return value
    if value.isdecimal() and value.isascii() and len(value) < 19 and value[0] != "0":
        return int(value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            result = ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value
    return result if isinstance(result, (str, int, float, bool, list, dict)) else value
