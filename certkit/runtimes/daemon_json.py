"""Takes a registry out of ``insecure-registries`` in the text of a ``daemon.json``. Pure.

All that stands outside the list stays byte for byte. The list is written empty rather than taken
away: a reload applies only what the file holds, so a key that is gone leaves the daemon as it was
(moby ``daemon/reload.go`` ``reloadRegistryConfig``: ``conf.IsValueSet``).
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, NoReturn

KEY = "insecure-registries"

_BLANK = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
_SCHEMES = ("http", "https")


class UnfitError(ValueError):
    """The file is not one that can be edited without a doubt; the text says why, after its name."""


@dataclass(frozen=True)
class Edit:
    """A file without the entries of one registry.

    Attributes:
        content: The new text; the old one where nothing goes. It may hold passwords of proxies
            and log drivers, so it is never shown.
        removed: The entries that are gone, as they were written.
        networks: The networks among the entries that stay (``10.0.0.0/8``): whatever registry has
            an address in one of them is not verified either.
        listed: Whether the file has the list at all.
    """

    content: bytes = field(repr=False)
    removed: tuple[str, ...]
    networks: tuple[str, ...]
    listed: bool


def without(content: bytes, references: Collection[str]) -> Edit:
    """Take the entries that mean exactly these references out of the list.

    Args:
        content: The whole file.
        references: As image names write them, such as ``registry.lab:5000``.

    Raises:
        UnfitError: It is not plain JSON in UTF-8, holds a key twice, or has no list of texts there.
    """
    text = _text(content)
    if not text.strip(" \t\n\r"):
        # Docker takes an empty file for no settings.
        return Edit(content, (), (), listed=False)
    place = _place_of_list(text)
    if place is None:
        return Edit(content, (), (), listed=False)
    items, end = _items(text, place)
    kept = [item for item in items if not means(item[2], references)]
    networks = tuple(entry for _, _, entry in kept if is_network(entry))
    removed = tuple(entry for _, _, entry in items if means(entry, references))
    if not removed:
        return Edit(content, (), networks, listed=True)
    edited = text[:place] + _written(text, place, end, items, kept) + text[end:]
    return Edit(edited.encode(), removed, networks, listed=True)


def means(entry: str, references: Collection[str]) -> bool:
    """Whether an entry means exactly one of these references.

    Docker drops ``http://`` and ``https://`` in any case and compares the rest to the byte (moby
    ``daemon/pkg/registry/config.go``: ``newServiceConfig``).
    """
    return _bare(entry) in references


def is_network(entry: str) -> bool:
    """Whether an entry is a network, such as ``10.0.0.0/8``."""
    bare = _bare(entry)
    if "/" not in bare:
        return False
    try:
        ipaddress.ip_network(bare, strict=False)
    except ValueError:
        return False
    return True


def _bare(entry: str) -> str:
    scheme, mark, rest = entry.partition("://")
    return rest if mark and scheme.lower() in _SCHEMES else entry


def _text(content: bytes) -> str:
    if content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise UnfitError("begins with a byte order mark")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise UnfitError("is not valid UTF-8") from None


def _place_of_list(text: str) -> int | None:
    """Return where the list's bracket stands; None where the file has no such key."""
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except UnfitError:
        raise
    except json.JSONDecodeError as error:
        # Without the words around it: they may be a password.
        raise UnfitError(f"is not valid JSON (line {error.lineno})") from None
    except (ValueError, RecursionError):
        raise UnfitError("is not valid JSON") from None
    if not isinstance(document, dict):
        raise UnfitError("is no JSON object")
    if document.get(KEY) is None:
        return None
    if not isinstance(document[KEY], list) or not all(
        isinstance(entry, str) for entry in document[KEY]
    ):
        raise UnfitError(f"has no list of texts under {KEY}")
    at = _after_blank(text, _after_blank(text, 0) + 1)
    while True:
        key, at = _DECODER.raw_decode(text, at)
        at = _after_blank(text, _after_blank(text, at) + 1)
        if key == KEY:
            return at
        _, at = _DECODER.raw_decode(text, at)
        at = _after_blank(text, _after_blank(text, at) + 1)


def _items(text: str, place: int) -> tuple[list[tuple[int, int, str]], int]:
    """Return where each entry begins and ends, with its value, and where the list ends."""
    items = []
    at = _after_blank(text, place + 1)
    while text[at] != "]":
        value, end = _DECODER.raw_decode(text, at)
        items.append((at, end, value))
        at = _after_blank(text, end)
        if text[at] == ",":
            at = _after_blank(text, at + 1)
    return items, at + 1


def _written(
    text: str,
    place: int,
    end: int,
    items: list[tuple[int, int, str]],
    kept: list[tuple[int, int, str]],
) -> str:
    """Return the list with what is kept, each after the separator it had."""
    if not kept:
        return "[]"
    parts = [text[place : items[0][0]]]
    for number, item in enumerate(items):
        if item not in kept:
            continue
        if len(parts) > 1:
            parts.append(text[items[number - 1][1] : item[0]])
        parts.append(text[item[0] : item[1]])
    parts.append(text[items[-1][1] : end])
    return "".join(parts)


def _after_blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnfitError("has the same key twice, and readers differ in which one counts")
    return found


def _no_constant(_name: str) -> NoReturn:
    raise UnfitError("is not valid JSON")
