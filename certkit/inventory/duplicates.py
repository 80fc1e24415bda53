"""One machine under two names: acted on once, or refused when the two disagree."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import fields, replace

from certkit.errors import InputError
from certkit.inventory.model import Host

_FREE = frozenset(("name", "address", "groups", "tags", "also_known_as", "origins", "vars", "skip"))
_MAX_TOLD = 10


def fold(hosts: Iterable[Host]) -> tuple[list[Host], list[str]]:
    """Join hosts that have the same address, port and way there.

    Args:
        hosts: All hosts of an inventory.

    Returns:
        The hosts that are left, each with its other names, and warnings.

    Raises:
        InputError: Two names for one machine have different settings.
    """
    kept: dict[object, Host] = {}
    order: list[object] = []
    joined: list[tuple[Host, Host]] = []
    for number, host in enumerate(hosts):
        key: object = number if host.skip else _machine(host)
        first = kept.get(key)
        if first is None:
            kept[key] = host
            order.append(key)
            continue
        _refuse_difference(first, host)
        joined.append((first, host))
        kept[key] = replace(
            first,
            groups=tuple(dict.fromkeys((*first.groups, *host.groups))),
            tags=tuple(dict.fromkeys((*first.tags, *host.tags))),
            also_known_as=(*first.also_known_as, host.name),
        )
    warnings = [
        f"{first.name} and {other.name} are one machine ({first.endpoint}); it is acted on once, "
        f"as {first.name}"
        for first, other in joined[:_MAX_TOLD]
    ]
    if len(joined) > _MAX_TOLD:
        warnings.append(f"and {len(joined) - _MAX_TOLD} more names are second names of a machine")
    return [kept[key] for key in order], warnings


def _machine(host: Host) -> tuple[object, ...]:
    if host.connection == "local":
        return ("local",)
    way = tuple((_same(hop.address), hop.port) for hop in host.jump)
    return (_same(host.address), host.port, way)


def _same(address: str) -> str:
    if ":" in address:
        try:
            return str(ipaddress.IPv6Address(address))
        except ValueError:
            return address
    return address.rstrip(".").lower()


def _refuse_difference(first: Host, other: Host) -> None:
    differing = [
        field.name
        for field in fields(Host)
        if field.name not in _FREE and getattr(first, field.name) != getattr(other, field.name)
    ]
    if differing:
        name = differing[0]
        where = [h.origins.get(name, h.origins.get("address", h.name)) for h in (first, other)]
        raise InputError(
            f"{first.name} and {other.name} are one machine ({first.endpoint}) with different "
            f"settings: {', '.join(differing)} ({where[0]}; {where[1]})",
            "list it once, or make the two agree",
        )
