"""Every setting a host can have: the key that names it, the field it fills, the grammar it obeys.

One table for the native format, for the ``certkit_*`` variables of Ansible inventories and for
the published JSON Schema, so that the three cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from certkit.errors import InputError
from certkit.inventory import grammar
from certkit.inventory.model import BECOME_METHODS, CONNECTIONS, RESTART_POLICIES, Settings
from certkit.inventory.places import GrammarError, Place, shown, suggest
from certkit.names import RegistryReference
from certkit.secret import Secret, read_secret_file, secret_from_environment


class Field(NamedTuple):
    """How one key is read.

    Attributes:
        name: The field of `Host` (or ``become.*``, ``timeouts.*``) that it fills.
        parse: Judges one value.
        many: Whether a list is meant; a single value then counts as a list of one.
    """

    name: str
    parse: Callable[[Any], Any]
    many: bool = False


def _path(value: object) -> Path:
    return _path_of(grammar.text(value))


@lru_cache(maxsize=1000)
def _path_of(text: str) -> Path:
    return Path(text)  # dear, and a fleet has few


def _secret(value: object) -> Secret:
    if isinstance(value, (bool, list, dict)) or not str(value):
        raise GrammarError("must be a text")
    return Secret(str(value))


def _secret_from(value: object) -> Secret:
    kind, where = grammar.secret_source(value)
    if kind == "file":
        try:
            return read_secret_file(Path(where), "the secret's file")
        except InputError as error:
            raise GrammarError(f"cannot be used: {error.message}", error.hint) from None
    try:
        found = secret_from_environment(where)
    except InputError as error:
        raise GrammarError(error.message, error.hint) from None
    if found is None:
        raise GrammarError(f"names the environment variable {where}, which is not set")
    return found


def _jump(value: object) -> str:
    hop = grammar.text(value).strip()
    if hop.lower() != "none":
        grammar.target(hop)
    return hop


FIELDS: Mapping[str, Field] = {
    "address": Field("address", grammar.address),
    "port": Field("port", grammar.port),
    "user": Field("user", grammar.user),
    "connection": Field("connection", partial(grammar.choice, known=CONNECTIONS)),
    "identity_file": Field("identity_files", _path, many=True),
    "certificate_file": Field("certificate_file", _path),
    "identities_only": Field("identities_only", grammar.flag),
    "agent_key": Field("agent_key", grammar.fingerprint),
    "use_agent": Field("use_agent", grammar.flag),
    "password": Field("password", _secret),
    "password_from": Field("password", _secret_from),
    "key_passphrase": Field("key_passphrase", _secret),
    "key_passphrase_from": Field("key_passphrase", _secret_from),
    "jump": Field("jump", _jump, many=True),
    "host_key": Field("host_key", grammar.host_key),
    "host_key_alias": Field("host_key_alias", grammar.host),
    "known_hosts_file": Field("known_hosts_files", _path, many=True),
    "global_known_hosts_file": Field("global_known_hosts_files", _path, many=True),
    "become.method": Field("become.method", partial(grammar.choice, known=BECOME_METHODS)),
    "become.user": Field("become.user", grammar.user),
    "become.password": Field("become.password", _secret),
    "become.password_from": Field("become.password", _secret_from),
    "become.executable": Field("become.executable", grammar.executable),
    "runtime": Field("runtimes", grammar.runtime, many=True),
    "service": Field("service", grammar.service),
    "certs_dir": Field("certs_dir", grammar.directory),
    "restart": Field("restart", partial(grammar.choice, known=RESTART_POLICIES)),
    "restart_command": Field("restart_command", grammar.text),
    "rootless_user": Field("rootless_user", grammar.user),
    "timeout.connect": Field("timeouts.connect", grammar.seconds),
    "timeout.handshake": Field("timeouts.handshake", grammar.seconds),
    "timeout.host": Field("timeouts.host", grammar.seconds),
    "timeout.restart": Field("timeouts.restart", grammar.seconds),
    "tags": Field("tags", grammar.word, many=True),
    "skip": Field("skip", grammar.flag),
}
"""By the key in files; a dot stands for a mapping inside."""

NAMES = frozenset(field.name for field in FIELDS.values())
"""Every field that a key can fill."""

SECRET_KEYS = frozenset(("password", "key_passphrase", "become.password"))
PATHS = frozenset(
    ("identity_file", "certificate_file", "known_hosts_file", "global_known_hosts_file")
)


def parse(key: str, value: object, place: Place, base: Path | None) -> Any:  # noqa: ANN401
    """Judge the value of one key.

    Args:
        key: A key of `FIELDS`.
        value: As read: a text, number, boolean, or a list of those.
        place: Where it stands.
        base: The directory that relative paths start from; None leaves them as they are.

    Returns:
        The value in the type of its field; a tuple where the field holds several.

    Raises:
        InputError: It breaks the grammar of its kind.
    """
    field = FIELDS[key]
    try:
        if field.many:
            values = value if isinstance(value, list) else [value]
            return _several(key, [_one(key, field, item, base) for item in values])
        return _one(key, field, value, base)
    except GrammarError as error:
        place.refuse(f"{key}: {error.message}", error.hint)


def _one(key: str, field: Field, value: object, base: Path | None) -> Any:  # noqa: ANN401
    if value is None or isinstance(value, (list, dict)):
        raise GrammarError("must be a single value" if not field.many else "must hold plain values")
    if isinstance(value, str) and "{{" in value:
        raise GrammarError(TEMPLATE, TEMPLATE_HINT)
    parsed = field.parse(value)
    if key in PATHS:
        try:
            parsed = parsed.expanduser()
        except RuntimeError:
            raise GrammarError("names the home of a user who does not exist here") from None
        return parsed if base is None or parsed.is_absolute() else base / parsed
    return parsed


def _several(key: str, values: list[Any]) -> tuple[Any, ...]:
    unique = tuple(dict.fromkeys(values))
    if key == "jump":
        if len(unique) != len(values):
            raise GrammarError("goes through the same host twice")
        if any(hop.lower() == "none" for hop in unique):
            if len(unique) > 1:
                raise GrammarError("names hosts and 'none' at once")
            return ()
    if key == "runtime":
        if not unique:
            raise GrammarError("is an empty list", "leave it out to detect the runtimes")
        if "auto" in unique and len(unique) > 1:
            raise GrammarError("names runtimes and 'auto' at once", "keep one of the two")
    return unique


TEMPLATE = "is a template, and certkit does not evaluate '{{ }}'"
TEMPLATE_HINT = "let Ansible resolve it: ansible-inventory -i FILE --list | certkit ... -i -"


def reference(value: object, key: str, place: Place) -> str:
    """A registry reference, normalised as image names have it."""
    if isinstance(value, str) and "{{" in value:
        place.refuse(f"{key}: {TEMPLATE}", TEMPLATE_HINT)
    try:
        return RegistryReference.parse(grammar.text(value)).written
    except (GrammarError, InputError) as error:
        place.refuse(f"{key}: {error.message}", error.hint)


def _parallel(value: object) -> int:
    digits = str(value).strip()
    if not digits.isascii() or not digits.isdigit() or not 1 <= int(digits[:9]) <= 10_000:
        raise GrammarError(f"'{shown(digits, 20)}' is not a number of hosts from 1 to 10000")
    return int(digits)


SETTINGS: Mapping[str, Field] = {
    "restart": FIELDS["restart"],
    "wave": Field("wave", grammar.share, many=True),
    "max_fail": Field("max_fail", partial(grammar.share, least=0)),
    "parallel": Field("parallel", _parallel),
}
"""Settings of the run as a whole, by key."""


def settings(found: Mapping[str, tuple[object, Place]]) -> Settings:
    """Read the settings of the run.

    Args:
        found: Key of `SETTINGS` to the value as read and its place.

    Returns:
        The settings, None where the inventory is silent.

    Raises:
        InputError: A value breaks its grammar.
    """
    values: dict[str, Any] = {}
    for key, (value, place) in found.items():
        field = SETTINGS[key]
        try:
            if field.many:
                items = value if isinstance(value, list) else str(value).split(",")
                values[field.name] = tuple(field.parse(item) for item in items)
            else:
                values[field.name] = field.parse(value)
        except GrammarError as error:
            place.refuse(f"{key}: {error.message}", error.hint)
    return Settings(**values)


def unknown(key: str, known: Mapping[str, object] | tuple[str, ...], place: Place) -> NoReturn:
    """Refuse a key that is not in the table, with the one that was probably meant."""
    names = list(known)
    hint = suggest(key, names) or f"known keys: {', '.join(sorted(names))}"
    place.refuse(f"unknown key '{shown(key)}'" + (f" in {place.what}" if place.what else ""), hint)
