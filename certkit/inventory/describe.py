"""What was understood, as data for people and programs. Secrets and free variables stay out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from certkit.inventory.folding import fold_names
from certkit.inventory.inventory import Inventory
from certkit.inventory.model import Become, Host, Timeouts
from certkit.inventory.registry_host import RegistryHost
from certkit.secret import Secret

BUILT_IN = "built in"
_HIDDEN = frozenset(("origins", "vars"))


class Explained(NamedTuple):
    """One value of a host and where it came from.

    Attributes:
        field: As in `Host`, ``become.method``, ``timeouts.connect`` and so on taken apart.
        value: For people; secrets as ``***``.
        origin: ``hosts.yaml:12 host web01``, or ``built in``.
    """

    field: str
    value: str
    origin: str


def explain(host: Host) -> list[Explained]:
    """Every value of a host with its origin, in the order of the model."""
    rows: list[Explained] = []
    for name, value in _flat(host):
        origin = host.origins.get(name)
        if origin is None and name in ("name", "groups"):
            origin = host.origins.get("address", BUILT_IN)
        if origin is None and name == "user":
            origin = f"{BUILT_IN} (who runs certkit)"
        if origin is None and name == "become.method" and value == "none":
            origin = f"{BUILT_IN} (the login is root)"
        rows.append(Explained(name, _words(value), origin or BUILT_IN))
    if host.vars:
        rows.append(Explained("vars", ", ".join(sorted(map(str, host.vars))), "not used"))
    return rows


def missing_identities(hosts: Sequence[Host]) -> list[str]:
    """Return a warning for each identity file that was named and is not on this machine.

    What ssh_config names is left alone: it lists defaults that few people have all of.
    """
    named: dict[tuple[Path, str], list[str]] = {}
    for host in hosts:
        origin = host.origins.get("identity_files", "")
        if origin and "(ssh -G" not in origin:
            for path in host.identity_files:
                named.setdefault((path, origin), []).append(host.name)
    return [
        f"{origin}: the identity file {path} is not there ({fold_names(names)})"
        for (path, origin), names in named.items()
        if not path.exists()
    ]


def document(inventory: Inventory, hosts: Sequence[Host]) -> dict[str, Any]:
    """The inventory as a JSON document, schema ``certkit.inventory/1``.

    Args:
        inventory: What was read.
        hosts: Which of its hosts to list.

    Returns:
        Plain data without secrets; of the free variables only the names.
    """
    return {
        "schema": "certkit.inventory/1",
        "path": inventory.path,
        "format": inventory.format,
        "registry": inventory.registry,
        "aliases": list(inventory.aliases),
        "settings": _plain(inventory.settings),
        "registry_host": _server(inventory.registry_host),
        "hosts": [_host(host) for host in hosts],
        "warnings": list(inventory.warnings),
    }


def _server(server: RegistryHost | None) -> dict[str, Any] | None:
    if server is None:
        return None
    values = {field.name: _plain(getattr(server, field.name)) for field in fields(server)}
    return {**values, "host": _host(server.host), "key_mode": f"{server.key_mode:04o}"}


def _host(host: Host) -> dict[str, Any]:
    result = {
        field.name: _plain(getattr(host, field.name))
        for field in fields(Host)
        if field.name not in _HIDDEN
    }
    result["jump"] = [_host(hop) for hop in host.jump]
    result["vars"] = sorted(map(str, host.vars))
    result["origins"] = dict(host.origins)
    return result


def _plain(value: object) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, Secret):
        return "***"
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Host):
        return None
    for names in ("_fields", "__dataclass_fields__"):
        if hasattr(value, names):
            return {name: _plain(getattr(value, name)) for name in getattr(value, names)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _flat(host: Host) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for field in fields(Host):
        value = getattr(host, field.name)
        if field.name in _HIDDEN:
            continue
        if isinstance(value, (Become, Timeouts)):
            rows += [(f"{field.name}.{f.name}", getattr(value, f.name)) for f in fields(value)]
        else:
            rows.append((field.name, value))
    return rows


def _words(value: object) -> str:
    if value is None or value == ():
        return "-"
    if isinstance(value, tuple):
        hops = (f"{v.user}@{v.endpoint}" if isinstance(v, Host) else str(v) for v in value)
        return ", ".join(hops)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
