"""Ansible's variables, translated into certkit's settings.

The names and their order of precedence are Ansible's (``ansible-doc -t connection ssh`` and
``-t become sudo``): where a value has several names, the later one in its list wins, whatever the
group it stands in, because Ansible too merges the variables first and looks at the names then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from certkit.inventory import fields
from certkit.inventory.draft import Layer
from certkit.inventory.files import VAULT_HINT
from certkit.inventory.places import Place, shown
from certkit.inventory.ssh.arguments import read_arguments
from certkit.inventory.yamltree import ENCRYPTED

Vars = dict[str, tuple[Any, Place]]
"""Variable to its value and where that stands."""

ALIASES: Mapping[str, tuple[str, ...]] = {
    "address": ("ansible_host", "ansible_ssh_host"),
    "port": ("ansible_port", "ansible_ssh_port"),
    "user": ("ansible_user", "ansible_ssh_user"),
    "password": ("ansible_password", "ansible_ssh_pass", "ansible_ssh_password"),
    "identity_file": ("ansible_private_key_file", "ansible_ssh_private_key_file"),
    "key_passphrase": (
        "ansible_private_key_passphrase",
        "ansible_ssh_private_key_passphrase",
    ),
    "become.method": ("ansible_become_method",),
    "become.user": ("ansible_become_user", "ansible_sudo_user"),
    "become.password": ("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"),
    "become.executable": ("ansible_become_exe", "ansible_sudo_exe"),
    "timeout.connect": ("ansible_ssh_timeout",),
}
"""Key of `fields.FIELDS` to the variables that Ansible knows it by, the strongest last."""

_KEY_OF = {name: key for key, names in ALIASES.items() if key != "become.method" for name in names}
_UNCHECKED = ("ansible_host_key_checking", "ansible_ssh_host_key_checking")
_ARGUMENTS = ("ansible_ssh_extra_args", "ansible_ssh_common_args", "ansible_ssh_args")
_SPECIAL = ("ansible_become", "ansible_connection", *_UNCHECKED, *_ARGUMENTS)
_OWN: Mapping[str, str] = {f"certkit_{key.replace('.', '_')}": key for key in fields.FIELDS}
RUN_VARS = frozenset(
    (
        "certkit_registry",
        "certkit_aliases",
        "certkit_wave",
        "certkit_max_fail",
        "certkit_parallel",
        "certkit_registry_host",
    )
)
"""Variables about the whole inventory; they belong to the group ``all``."""

_KNOWN = (*_OWN, *sorted(RUN_VARS))
USED = frozenset((*(name for names in ALIASES.values() for name in names), *_SPECIAL, *_KNOWN))
"""Every variable that certkit reads; all others are kept and not used."""

SECRET_VARS = frozenset(
    (
        *(name for key in fields.SECRET_KEYS for name in ALIASES[key]),
        *(f"certkit_{key.replace('.', '_')}" for key in fields.SECRET_KEYS),
    )
)
_SSH = frozenset(("ssh", "paramiko", "paramiko_ssh", "smart", "libssh", "community.general.ssh"))


class Notes:
    """Warnings that many hosts share, told once with a count.

    Attributes:
        secrets: Where secrets stand in plain text.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        self.secrets: dict[Place, None] = {}

    def add(self, text: str, host: str) -> None:
        """Note something about one host."""
        self._counts[text] += 1
        self._first.setdefault(text, host)

    def lines(self) -> list[str]:
        """One sentence for each note."""
        return [
            f"{text} (host {self._first[text]}" + (f" and {count - 1} more)" if count > 1 else ")")
            for text, count in self._counts.items()
        ]


def translate(found: Vars, host: str, notes: Notes) -> Layer:
    """Turn the variables of one host into settings.

    Args:
        found: The host's variables, all groups merged in.
        host: Its name, for messages.
        notes: Collects warnings.

    Returns:
        The settings with their places.

    Raises:
        InputError: A value that certkit needs is a template, encrypted, or breaks its grammar.
    """
    layer: Layer = {}
    values: Vars = {}
    for name, (value, place) in found.items():
        if name not in USED:
            if is_used(name):
                fields.unknown(name, _KNOWN, place)
        elif value is ENCRYPTED:
            place.refuse(f"{name} is encrypted by ansible-vault", VAULT_HINT)
        elif isinstance(value, str) and "{{" in value:
            place.refuse(f"{name} {fields.TEMPLATE}", fields.TEMPLATE_HINT)
        elif value is not None and value != "":
            values[name] = (value, place)
    plan = _plan(tuple(values))
    if plan.connection and _foreign_connection(values, host, notes):
        layer["skip"] = (True, values["ansible_connection"][1])
        return layer
    for key, names in plan.keys:
        _take(layer, key, names, values, host, notes)
    _become(layer, values)
    if plan.connection:
        _connection(layer, values)
    for name in plan.unchecked:
        if str(values[name][0]).strip().lower() in ("false", "no", "0", "off"):
            notes.add(f"{name} is ignored: certkit always checks host keys", host)
    for name in plan.arguments:
        value, place = values[name]
        for key, raw in read_arguments(name, str(value), place, lambda t: notes.add(t, host)):
            layer.setdefault(fields.FIELDS[key].name, (fields.parse(key, raw, place, None), place))
    for name in plan.own:
        value, place = values[name]
        field = fields.FIELDS[_OWN[name]].name
        layer[field] = (_parse(_OWN[name], name, value, place, notes), place)
    return layer


def is_used(name: str) -> bool:
    """Whether certkit reads a variable, or would if it were spelled right."""
    return name in USED or name.startswith("certkit_")


class _Plan(NamedTuple):
    """What is to be done with the variables of these names; most hosts of a fleet share one.

    Attributes:
        keys: Keys of `fields.FIELDS` with the variables that are given for each.
        connection: Whether ``ansible_connection`` is among them.
        unchecked: Those about not checking host keys.
        arguments: Those that hold ssh arguments, the strongest first.
        own: certkit's own, those about the whole inventory apart.
    """

    keys: tuple[tuple[str, tuple[str, ...]], ...]
    connection: bool
    unchecked: tuple[str, ...]
    arguments: tuple[str, ...]
    own: tuple[str, ...]


@lru_cache(maxsize=1000)
def _plan(names: tuple[str, ...]) -> _Plan:
    keys = dict.fromkeys(_KEY_OF[name] for name in names if name in _KEY_OF)
    return _Plan(
        tuple((key, tuple(name for name in ALIASES[key] if name in names)) for key in keys),
        "ansible_connection" in names,
        tuple(name for name in _UNCHECKED if name in names),
        tuple(name for name in _ARGUMENTS if name in names),
        tuple(name for name in names if name in _OWN),
    )


def _parse(key: str, name: str, value: Any, place: Place, notes: Notes) -> Any:  # noqa: ANN401
    if name in SECRET_VARS:
        notes.secrets[place] = None
        return fields.parse(key, value, place, None)
    if isinstance(value, str) and (key in fields.PATHS or key.endswith("_from")):
        return _parse_file(key, value, place)
    return fields.parse(key, value, place, None)


@lru_cache(maxsize=1000)
def _parse_file(key: str, value: str, place: Place) -> Any:  # noqa: ANN401
    # Whole groups share one file, which is looked at once.
    return fields.parse(key, value, place, None)


def _take(
    layer: Layer, key: str, names: Sequence[str], values: Vars, host: str, notes: Notes
) -> None:
    name = names[-1]
    for other in names[:-1]:
        if str(values[other][0]) != str(values[name][0]):
            notes.add(f"{other} and {name} disagree; {name} wins, as in Ansible", host)
    value, place = values[name]
    layer[fields.FIELDS[key].name] = (_parse(key, name, value, place, notes), place)


def _foreign_connection(values: Vars, host: str, notes: Notes) -> bool:
    value, _ = values["ansible_connection"]
    kind = str(value).removeprefix("ansible.builtin.").removeprefix("ansible.netcommon.")
    if kind in _SSH or kind == "local":
        return False
    notes.add(f"skipped, because certkit cannot connect by '{shown(value)}'", host)
    return True


def _connection(layer: Layer, values: Vars) -> None:
    value, place = values["ansible_connection"]
    local = str(value).endswith("local")
    layer["connection"] = ("local" if local else "ssh", place)


def _become(layer: Layer, values: Vars) -> None:
    if "ansible_become" in values:
        value, place = values["ansible_become"]
        if str(value).strip().lower() in ("false", "no", "off", "0", "n"):
            layer["become.method"] = ("none", place)
            return
    if "ansible_become_method" in values:
        value, place = values["ansible_become_method"]
        method = str(value).rpartition(".")[2]
        if method not in ("sudo", "doas"):
            place.refuse(
                f"ansible_become_method: certkit cannot become root by '{shown(value)}'",
                "use sudo or doas, or log in as root",
            )
        layer["become.method"] = (method, place)
    elif "ansible_become" in values:
        layer["become.method"] = ("sudo", values["ansible_become"][1])
