"""The inventory that a command over hosts was given, with what its options say of every host."""

from __future__ import annotations

from pathlib import Path

from certkit.cli.flags import DEFAULT_INVENTORY, Flags
from certkit.errors import InputError
from certkit.inventory.files import SHORTEST
from certkit.inventory.inventory import Inventory
from certkit.inventory.loading import load
from certkit.inventory.model import Overrides
from certkit.paths import expanded


def given_inventory(flags: Flags) -> Inventory:
    """Read the inventory that was given, or the one that stands in this directory.

    Raises:
        InputError: There is none, or it cannot be understood.
    """
    path = flags.inventory or DEFAULT_INVENTORY
    if flags.inventory is None and not path.exists():
        raise InputError(
            f"there is no inventory: {DEFAULT_INVENTORY} is not in this directory",
            f"name the hosts' file with -i FILE or CERTKIT_INVENTORY; {SHORTEST}",
        )
    if flags.identity_file is not None:
        _check_identity(expanded(flags.identity_file))
    overrides = Overrides(flags.user, flags.port, flags.identity_file)
    return load(path, overrides=overrides, registry_host=flags.registry_host)


def _check_identity(path: Path) -> None:
    """Refuse a key file that cannot be read, which every host would fail of.

    A public key is enough where the agent has the private one, which ssh allows too.
    """
    if Path(f"{path}.pub").is_file() or (path.exists() and not path.is_dir()):
        return
    raise InputError(f"--identity-file: there is no file {path}", "check the path")
