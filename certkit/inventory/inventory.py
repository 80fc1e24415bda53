"""One inventory, all of it, and the choice of hosts from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from certkit.inventory.model import Host, InventoryFormat, Settings

if TYPE_CHECKING:
    from certkit.inventory.registry_host import RegistryHost


class Inventory(NamedTuple):
    """All that was understood of one inventory.

    Attributes:
        hosts: Every host once, in the order of the file, those with `Host.skip` included.
        registry: The registry's reference, normalised as image names have it.
        aliases: Further references of the same registry.
        settings: What it says about the run as a whole.
        registry_host: The registry's own machine and how it runs there, where the inventory says.
        warnings: Sentences the operator should read before anything connects.
        path: Where it was read from; ``-`` for standard input.
        format: The shape it was recognised by.
    """

    hosts: tuple[Host, ...]
    registry: str | None = None
    aliases: tuple[str, ...] = ()
    settings: Settings = Settings()
    registry_host: RegistryHost | None = None
    warnings: tuple[str, ...] = ()
    path: str = "-"
    format: InventoryFormat = "native"

    def select(
        self,
        limit: str | None = None,
        exclude: str | None = None,
        *,
        with_skipped: bool = False,
    ) -> tuple[Host, ...]:
        """Choose hosts by pattern, in the order of the inventory.

        The patterns are Ansible's: names, groups, globs, ``~regex``, ``group[0:4]``, ``@file``,
        joined by ``,`` or ``:``, with ``&`` to intersect and ``!`` to exclude (facts: Ansible's
        "Patterns: targeting hosts and groups").

        Args:
            limit: Only these; None for all.
            exclude: Not these; None for no exception.
            with_skipped: Whether hosts marked ``skip`` are returned too.

        Returns:
            At least one host.

        Raises:
            InputError: A pattern is malformed or matches nothing, or no host is left.
        """
        from certkit.inventory.patterns import select

        return select(self.hosts, limit, exclude, with_skipped=with_skipped)
