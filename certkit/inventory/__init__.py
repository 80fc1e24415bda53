"""Who the hosts are and how to reach them: inventories read, selected from and explained."""

from certkit.inventory.inventory import Inventory
from certkit.inventory.loading import load, registry_of
from certkit.inventory.model import (
    Become,
    Host,
    Overrides,
    Settings,
    Timeouts,
)

__all__ = [
    "Become",
    "Host",
    "Inventory",
    "Overrides",
    "Settings",
    "Timeouts",
    "load",
    "registry_of",
]
