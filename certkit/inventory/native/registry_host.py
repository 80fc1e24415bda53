"""Reading ``registry_host:``: its keys, what each may say, and which go with which way to run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from yaml.nodes import MappingNode, Node

from certkit.errors import InputError
from certkit.inventory import fields, grammar
from certkit.inventory.draft import Draft, Layer, RegistryHostDraft
from certkit.inventory.model import Host
from certkit.inventory.places import GrammarError, Place, shown, suggest
from certkit.inventory.registry_host import ENGINES, KEY_MODES, RUN_KINDS, RegistryHost
from certkit.inventory.yamltree import Tree, is_null
from certkit.names import RegistryReference


def _matching(pattern: str, what: str) -> Callable[[object], str]:
    compiled = re.compile(pattern)

    def parse(value: object) -> str:
        text = grammar.text(value)
        if not compiled.fullmatch(text):
            raise GrammarError(f"'{shown(text)}' is not {what}")
        return text

    return parse


def _mode(value: object) -> int:
    text = str(value)
    mode = int(text, 8) if re.fullmatch(r"0?[0-7]{3}", text) else -1
    if mode not in KEY_MODES:
        known = ", ".join(f"{mode:04o}" for mode in KEY_MODES)
        raise GrammarError(
            f"'{shown(text)}' is not a mode for a private key", f'write one of {known}, as "0600"'
        )
    return mode


def _owner(value: object) -> str:
    text = _OWNER(value)
    return text if ":" in text else f"{text}:0"


def _data(value: object) -> str:
    text = grammar.text(value)
    return grammar.directory(text) if text.startswith("/") else _VOLUME(text)


def _connect(value: object) -> str:
    try:
        reference = RegistryReference.parse(grammar.text(value))
    except InputError as error:
        raise GrammarError(error.message, error.hint) from None
    if reference.port is None:
        raise GrammarError("has no port", "such as 127.0.0.1:5000")
    return reference.written


_OWNER = _matching(
    r"[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?", "an owner, such as 1000:1000"
)
_VOLUME = _matching(
    r"[A-Za-z0-9][A-Za-z0-9_.-]*", "the name of a volume, nor an absolute path of a directory"
)
_NAME = _matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}", "a plain name")
_IMAGE = _matching(r"[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,400}", "the name of an image")
_FILE = _matching(r"[A-Za-z0-9_./][^\n\r\0]*", "the path of a compose file")

_COMMON: Mapping[str, Callable[[Any], Any]] = {
    "certificate": grammar.directory,
    "key": grammar.directory,
    "key_owner": _owner,
    "key_mode": _mode,
    "connect": _connect,
    "timeout": grammar.seconds,
}
_ENGINE: Mapping[str, Callable[[Any], Any]] = {
    "engine": partial(grammar.choice, known=ENGINES),
    "name": _NAME,
}
_OF_RUN: Mapping[str, Mapping[str, Callable[[Any], Any]]] = {
    "container": {
        **_ENGINE,
        "image": _IMAGE,
        "port": grammar.port,
        "data": _data,
        "env_file": grammar.directory,
    },
    "existing-container": _ENGINE,
    "compose": {"project": grammar.directory, "file": _FILE, "service": _NAME},
    "systemd": {"unit": grammar.service},
    "proxy": {"reload_command": grammar.text},
    "files": {},
}
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "container": (),
    "existing-container": ("name", "certificate", "key"),
    "compose": ("project", "service", "certificate", "key"),
    "systemd": ("unit", "certificate", "key"),
    "proxy": ("reload_command", "certificate", "key"),
    "files": ("certificate", "key"),
}
KEYS = ("host", "run", *_COMMON, *dict.fromkeys(key for keys in _OF_RUN.values() for key in keys))
"""Every key of ``registry_host:``, in the order of the documentation."""


class Reader(Protocol):
    """What the reader of the native format lends: the document, and its way to read a host."""

    tree: Tree

    def machine(self, node: Node, what: str) -> Layer:
        """Read the settings of one machine."""


def read(reader: Reader, node: Node) -> RegistryHostDraft:
    """Read the mapping.

    Args:
        reader: The document's.
        node: The value of ``registry_host:``, or the root of a file of its own.

    Raises:
        InputError: A key is unknown, missing, or belongs to another way to run.
    """
    tree = reader.tree
    place = tree.place(node, "registry_host")
    if not isinstance(node, MappingNode):
        place.refuse(
            "registry_host must be a mapping", "write registry_host: {host: NAME, run: container}"
        )
    found: dict[str, tuple[Node, Place]] = {}
    for key, key_node, value in tree.pairs(node, "registry_host"):
        spot = tree.place(key_node, "registry_host")
        if key not in KEYS:
            fields.unknown(key, KEYS, spot)
        if not is_null(value):
            found[key] = (value, spot)
    for key, hint in (("host", "name its machine"), ("run", f"one of {', '.join(RUN_KINDS)}")):
        if key not in found:
            place.refuse(f"registry_host has no {key}", hint)
    node, spot = found.pop("host")
    machine: str | Layer
    if isinstance(node, MappingNode):
        machine = reader.machine(node, "host of registry_host")
        if "address" not in machine:
            spot.refuse("registry_host: its host has no address", "add address: NAME")
    else:
        machine = tree.scalar(node, "host")
    run = _value(tree, "run", found.pop("run"), partial(grammar.choice, known=RUN_KINDS))
    known = {**_COMMON, **_OF_RUN[run]}
    values = {"run": run}
    for key, given in found.items():
        if key not in known:
            given[1].refuse(f"registry_host: {key} means nothing with run: {run}", _home_of(key))
        values[key] = _value(tree, key, given, known[key])
    for key in _REQUIRED[run]:
        if key not in values:
            place.refuse(f"registry_host has no {key}, which run: {run} needs", f"add {key}:")
    _check_paths(values, place)
    return RegistryHostDraft(place, machine, spot, values)


def settle(
    draft: RegistryHostDraft,
    hosts: Sequence[Host],
    drafts: Sequence[Draft],
    defaults: Layer,
    resolve: Callable[[Draft], Host],
) -> RegistryHost:
    """Find or make the machine.

    Args:
        draft: As read.
        hosts: The inventory's, resolved; one of them is taken as it is.
        drafts: The inventory's, unresolved: a host marked ``skip`` may be the registry's.
        defaults: What a machine of its own starts from.
        resolve: Settles a draft.

    Raises:
        InputError: The inventory has no host of that name.
    """
    machine = draft.machine
    if isinstance(machine, str):
        for host in hosts:
            if machine in (host.name, *host.also_known_as) and not host.skip:
                return RegistryHost(host=host, **draft.values)
        listed = next((one for one in drafts if one.name == machine), None)
        if listed is None:
            near = suggest(machine, [one.name for one in drafts])
            draft.machine_place.refuse(
                f"registry_host: the inventory has no host '{shown(machine)}'",
                near
                or f"list it (skip: true where trust is not its business), or write host: "
                f"{{address: {shown(machine)}}}",
            )
        return RegistryHost(host=resolve(listed), **draft.values)
    name = str(machine["address"][0])
    own = Draft(name, draft.machine_place, (defaults, machine))
    return RegistryHost(host=resolve(own), **draft.values)


def _value(tree: Tree, key: str, given: tuple[Node, Place], parse: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - as many types as keys
    node, place = given
    try:
        text = tree.scalar(node, key)
        if "{{" in text:
            raise GrammarError(fields.TEMPLATE, fields.TEMPLATE_HINT)
        return parse(text)
    except GrammarError as error:
        place.refuse(f"registry_host: {key}: {error.message}", error.hint)


def _check_paths(values: Mapping[str, Any], place: Place) -> None:
    certificate, key = values.get("certificate"), values.get("key")
    if (certificate is None) != (key is None):
        place.refuse("registry_host has one of certificate and key", "give both")
    if certificate is None or key is None:
        return
    if certificate == key:
        place.refuse(
            "registry_host: certificate and key are one file", "give the key a file of its own"
        )
    apart = certificate.rpartition("/")[0] != key.rpartition("/")[0]
    if values["run"] == "container" and apart:
        place.refuse(
            "registry_host: certificate and key are in two directories",
            "a container that certkit starts mounts one directory: put them side by side",
        )


def _home_of(key: str) -> str:
    runs = " or ".join(run for run, keys in _OF_RUN.items() if key in keys)
    return f"it is for run: {runs}"
