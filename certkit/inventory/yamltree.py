"""YAML as a tree that knows its lines: strict where PyYAML is silent.

Duplicate keys, recursive aliases, alias bombs and foreign tags are refused with their place.
Scalars keep the text that was written, so that the schema decides what a value is: YAML 1.1 would
make ``no`` a boolean and ``22:22`` the number 1342.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NoReturn

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from certkit.errors import InputError
from certkit.inventory.files import SHORTEST, VAULT_HINT
from certkit.inventory.places import Place, shown

ENCRYPTED = object()
"""Stands for a value that ansible-vault encrypted."""

MAX_NODES = 2_000_000
MAX_DEPTH = 40
MAX_NESTING = 200
"""Levels of a document: more than groups, hosts and values take one in another, and far fewer
than overflow the stack of the composer, which recurses in C."""

_TOO_DEEP = "is nested too deeply for an inventory"
_PREFIX = "tag:yaml.org,2002:"
_NULL = f"{_PREFIX}null"
_MERGE = f"{_PREFIX}merge"
_BOOL = f"{_PREFIX}bool"
_INT = f"{_PREFIX}int"
_STR = f"{_PREFIX}str"
_SEQ = f"{_PREFIX}seq"
_MAP = f"{_PREFIX}map"
_KINDS = ("null", "bool", "int", "float", "str", "seq", "map", "timestamp", "value")
_TAGS = frozenset((*(f"{_PREFIX}{kind}" for kind in _KINDS), "!unsafe"))
_VAULT = frozenset(("!vault", "!vault-encrypted"))
_TRUE = frozenset(("yes", "true", "on", "y"))
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_TRUTHS = "yes no true false on off Yes No True False On Off YES NO TRUE FALSE ON OFF"
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), _NULL),
    **dict.fromkeys(_TRUTHS.split(), _BOOL),
    "<<": _MERGE,
}
"""What YAML 1.1 takes for more than a text where no quotes are around it, numbers aside."""

if yaml.__with_libyaml__:
    from yaml import CSafeLoader as _SafeLoader
else:
    from yaml import SafeLoader as _SafeLoader  # type: ignore[assignment]


class _Loader(_SafeLoader):
    """Composes a document; answers at once what the composer asks for each of its nodes.

    PyYAML's own answers try patterns of dates and the like, which mean nothing here, and know no
    bound on depth.
    """

    __slots__ = ("_depth", "_source")  # all nodes count here, and a dict would cost them a tenth

    def __init__(self, text: str, source: str) -> None:
        super().__init__(text)
        self._source = source
        self._depth = 0

    def descend_resolver(self, current_node: Node | None, current_index: object) -> None:
        """Take note that a node inside `current_node` comes next."""
        self._depth += 1
        if self._depth > MAX_NESTING and current_node is not None:
            mark = current_node.start_mark
            Place(self._source, mark.line + 1, mark.column + 1).refuse(_TOO_DEEP)

    def ascend_resolver(self) -> None:
        """Take note that the node is composed."""
        self._depth -= 1

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> str:  # noqa: ANN401
        """Return the tag of a node that was written without one."""
        if kind is not ScalarNode:
            return _SEQ if kind is SequenceNode else _MAP
        if not implicit[0]:  # it is in quotes
            return _STR
        return _WORDS.get(value) or (_INT if _WHOLE.fullmatch(value) else _STR)


class Tree:
    """One YAML document.

    Args:
        text: What was read.
        source: What to call the file in messages.
    """

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self._visited = 0
        self.root = self._compose(text)

    def _compose(self, text: str) -> Node:
        loader = _Loader(text, self.source)
        try:
            root = loader.get_single_node()
        except yaml.MarkedYAMLError as error:
            self._explain(error, text)
        except yaml.YAMLError as error:
            raise InputError(f"{shown(self.source)} is not YAML: {shown(error)}") from None
        finally:
            loader.dispose()
        if root is None or (isinstance(root, ScalarNode) and root.tag == _NULL):
            raise InputError(f"{shown(self.source)} is empty", SHORTEST)
        assert isinstance(root, Node)
        return root

    def _explain(self, error: yaml.MarkedYAMLError, text: str) -> NoReturn:
        mark = error.problem_mark or error.context_mark
        line = mark.line if mark else 0
        place = Place(self.source, line + 1, (mark.column if mark else 0) + 1)
        lines = text.split("\n")
        for number in (line, line - 1):
            if 0 <= number < len(lines) and (found := re.match(r" *\t", lines[number])):
                Place(self.source, number + 1, found.end()).refuse(
                    "is indented with a tab, which YAML forbids", "indent with spaces"
                )
        problem = error.problem or error.context or "it cannot be read"
        if "single document" in (error.context or ""):
            problem = "holds more than one document"
        if "nesting depth" in problem:  # libyaml's own bound, where it looks that far ahead
            place.refuse(_TOO_DEEP)
        place.refuse(f"is not YAML: {shown(problem)}", "check the indentation around it")

    def place(self, node: Node, what: str = "") -> Place:
        """Where a node begins."""
        mark = node.start_mark
        return Place(self.source, mark.line + 1, mark.column + 1, what)

    def visit(self, node: Node, depth: int) -> None:
        """Count a node, so that aliases cannot unfold without end."""
        self._visited += 1
        if self._visited > MAX_NODES or depth > MAX_DEPTH:
            self.place(node).refuse(
                "unfolds without end through its aliases, or is nested too deeply"
            )

    def pairs(self, node: Node, what: str, depth: int = 0) -> Iterator[tuple[str, Node, Node]]:
        """The keys of a mapping, each once, merge keys (``<<``) resolved.

        Args:
            node: The mapping, or an empty value, which has no keys.
            what: What it is, for messages: ``hosts``, ``host web01``.
            depth: How deep it stands.

        Yields:
            The key's text, the key's node and the value's node.

        Raises:
            InputError: It is not a mapping, or has a key twice.
        """
        self.visit(node, depth)
        if is_null(node):
            return
        if not isinstance(node, MappingNode):
            self.place(node).refuse(f"{what} must be a mapping of keys", "write key: value lines")
        own: dict[str, Node] = {}
        merged: list[Node] = []
        for key, value in node.value:
            if key.tag == _MERGE:
                merged += value.value if isinstance(value, SequenceNode) else [value]
                continue
            if not isinstance(key, ScalarNode):
                self.place(key).refuse(f"{what} has a key that is not a text")
            if key.value in own:
                self.place(key).refuse(
                    f"{what} has the key '{shown(key.value)}' twice",
                    f"it stands in line {own[key.value].start_mark.line + 1} already; keep one",
                )
            own[key.value] = key
            yield key.value, key, value
        for other in reversed(merged):
            for name, key, value in self.pairs(other, what, depth + 1):
                if name not in own:
                    own[name] = key
                    yield name, key, value

    def items(self, node: Node, depth: int = 0) -> list[Node]:
        """The nodes of a sequence; a single scalar counts as a sequence of one."""
        self.visit(node, depth)
        if isinstance(node, SequenceNode):
            return list(node.value)
        return [node]

    def scalar(self, node: Node, what: str) -> str:
        """The text of a scalar as written.

        Raises:
            InputError: It is a list or a mapping, encrypted, or has a tag of its own.
        """
        self.refuse_tags(node, what)
        if not isinstance(node, ScalarNode):
            self.place(node).refuse(f"{what} must be a single value, not a list or a mapping")
        return str(node.value)

    def refuse_tags(self, node: Node, what: str) -> None:
        """Refuse ``!vault`` and every other tag that YAML itself does not have."""
        if node.tag in _TAGS:
            return
        if node.tag in _VAULT:
            self.place(node).refuse(f"{what} is encrypted by ansible-vault", VAULT_HINT)
        self.place(node).refuse(f"{what} has the tag {shown(node.tag)}, which means nothing here")

    def plain(self, node: Node, depth: int = 0) -> Any:  # noqa: ANN401 - whatever the file holds
        """Python data for any value; booleans and whole numbers become such.

        What ansible-vault encrypted becomes `ENCRYPTED`: it is an error only where it is used.
        """
        self.visit(node, depth)
        tag = node.tag
        if tag in _VAULT:
            return ENCRYPTED
        if isinstance(node, MappingNode):
            return {
                name: self.plain(value, depth + 1)
                for name, _, value in self.pairs(node, "the value", depth + 1)
            }
        if isinstance(node, SequenceNode):
            return [self.plain(item, depth + 1) for item in node.value]
        if tag == _INT and _WHOLE.fullmatch(node.value) and len(node.value) < 19:
            return int(node.value)
        if tag == _BOOL:
            return node.value.lower() in _TRUE
        return None if tag == _NULL else str(node.value)


def is_null(node: Node) -> bool:
    """Whether the value was left empty."""
    return isinstance(node, ScalarNode) and node.tag == _NULL
