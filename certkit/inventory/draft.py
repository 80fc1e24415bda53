"""What the readers of the single formats hand over: hosts with layers of settings, unresolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from certkit.inventory.model import InventoryFormat, Settings
from certkit.inventory.places import Place

Layer = dict[str, tuple[Any, Place]]
"""Field, as `certkit.inventory.fields` names it, to its parsed value and where that stands."""


class Draft(NamedTuple):
    """One host before ssh_config, jump hosts and the command line have had their say.

    Attributes:
        name: Its name in the inventory.
        place: Where it is listed.
        layers: Settings, the weakest first.
        groups: Its groups, the strongest last.
        vars: What certkit does not use.
    """

    name: str
    place: Place
    layers: tuple[Layer, ...] = ()
    groups: tuple[str, ...] = ()
    vars: Mapping[str, Any] = MappingProxyType({})


class RegistryHostDraft(NamedTuple):
    """``registry_host:`` as it was read, before the machine is settled.

    Attributes:
        place: Where it stands.
        machine: The name of a host of the inventory, or the settings of a machine of its own.
        machine_place: Where that stands.
        values: The rest, by field of `RegistryHost`.
    """

    place: Place
    machine: str | Layer
    machine_place: Place
    values: Mapping[str, Any]


@dataclass(slots=True)
class Parsed:
    """An inventory as one reader understood it.

    Attributes:
        format: The reader.
        drafts: The hosts in order.
        registry: The registry's reference, if it names one.
        aliases: Further references.
        settings: For the run as a whole.
        defaults: What a host of its own under ``registry_host:`` starts from.
        registry_host: The registry's own machine, if it is told.
        hop_layer: What a jump host that the inventory does not list starts from.
        warnings: To be shown before anything connects.
        secrets: Where secrets stand in plain text.
    """

    format: InventoryFormat
    drafts: list[Draft] = field(default_factory=list)
    registry: str | None = None
    aliases: tuple[str, ...] = ()
    settings: Settings = field(default_factory=Settings)
    defaults: Layer = field(default_factory=dict)
    registry_host: RegistryHostDraft | None = None
    hop_layer: Layer = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    secrets: list[Place] = field(default_factory=list)
