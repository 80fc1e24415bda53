"""Ansible's variables, translated into certkit's settings.

The names and their order of precedence are Ansible's (``ansible-doc -t connection ssh`` and
``-t become sudo``): where a value has several names, the later one in its list wins, whatever the
group it stands in, because Ansible too merges the variables first and looks at the names then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from certkit.inventory import fields
from certkit.inventory.draft import Layer
from certkit.inventory.files import VAULT_HINT
from certkit.inventory.places import Place, shown
from certkit.inventory.ssh_args import read_arguments
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
_SPECIAL = (
    "ansible_become",
    "ansible_connection",
    "ansible_host_key_checking",
    "ansible_ssh_host_key_checking",
    "ansible_ssh_args",
    "ansible_ssh_common_args",
    "ansible_ssh_extra_args",
)
_OWN: Mapping[str, str] = {f"certkit_{key.replace('.', '_')}": key for key in fields.FIELDS}
RUN_VARS = (
    "certkit_registry",
    "certkit_aliases",
    "certkit_wave",
    "certkit_max_fail",
    "certkit_parallel",
    "certkit_registry_host",
)
"""Variables about the whole inventory; they belong to the group ``all``."""

_KNOWN = (*_OWN, *RUN_VARS)
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
    values = {
        name: entry
        for name, entry in found.items()
        if name in USED and entry[0] is not None and entry[0] != ""
    }
    for name in found:
        if name.startswith("certkit_") and name not in USED:
            place = found[name][1]
            fields.unknown(name, _KNOWN, place)
    if not values:
        return layer
    for name, (value, place) in values.items():
        if value is ENCRYPTED:
            place.refuse(f"{name} is encrypted by ansible-vault", VAULT_HINT)
        if isinstance(value, str) and "{{" in value:
            place.refuse(f"{name} {fields.TEMPLATE}", fields.TEMPLATE_HINT)
    if _foreign_connection(values, host, notes):
        layer["skip"] = (True, values["ansible_connection"][1])
        return layer
    for key in dict.fromkeys(_KEY_OF[name] for name in values if name in _KEY_OF):
        _take(layer, key, [name for name in ALIASES[key] if name in values], values, host, notes)
    _become(layer, values)
    _connection(layer, values)
    for name in ("ansible_host_key_checking", "ansible_ssh_host_key_checking"):
        if name in values and str(values[name][0]).strip().lower() in ("false", "no", "0", "off"):
            notes.add(f"{name} is ignored: certkit always checks host keys", host)
    for name in ("ansible_ssh_extra_args", "ansible_ssh_common_args", "ansible_ssh_args"):
        if name in values:
            value, place = values[name]
            for key, raw in read_arguments(name, str(value), place, lambda t: notes.add(t, host)):
                layer.setdefault(
                    fields.FIELDS[key].name, (fields.parse(key, raw, place, None), place)
                )
    for name in values:
        if name not in _OWN:
            continue
        value, place = values[name]
        field = fields.FIELDS[_OWN[name]].name
        layer[field] = (_parse(_OWN[name], name, value, place, notes), place)
    return layer


def _parse(key: str, name: str, value: Any, place: Place, notes: Notes) -> Any:  # noqa: ANN401
    if name in SECRET_VARS:
        notes.secrets[place] = None
        return fields.parse(key, value, place, None)
    if isinstance(value, (list, dict)):
        return fields.parse(key, value, place, None)
    return _parse_shared(key, value, place)


# Whole groups share one value at one place. Typed, because 1 and True would be one key.
@lru_cache(maxsize=50_000, typed=True)
def _parse_shared(key: str, value: Any, place: Place) -> Any:  # noqa: ANN401
    return fields.parse(key, value, place, None)


def _take(layer: Layer, key: str, names: list[str], values: Vars, host: str, notes: Notes) -> None:
    name = names[-1]
    for other in names[:-1]:
        if str(values[other][0]) != str(values[name][0]):
            notes.add(f"{other} and {name} disagree; {name} wins, as in Ansible", host)
    value, place = values[name]
    layer[fields.FIELDS[key].name] = (_parse(key, name, value, place, notes), place)


def _foreign_connection(values: Vars, host: str, notes: Notes) -> bool:
    if "ansible_connection" not in values:
        return False
    value, _ = values["ansible_connection"]
    kind = str(value).removeprefix("ansible.builtin.").removeprefix("ansible.netcommon.")
    if kind in _SSH or kind == "local":
        return False
    notes.add(f"skipped, because certkit cannot connect by '{shown(value)}'", host)
    return True


def _connection(layer: Layer, values: Vars) -> None:
    if "ansible_connection" in values:
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
