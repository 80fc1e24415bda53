"""Which registry is meant when the command line does not say."""

from __future__ import annotations

import socket
from collections.abc import Callable

from certkit.errors import InputError
from certkit.names import RegistryReference

DEFAULT_PORT = 5000
"""The port that the registry image listens on."""


def choose_registry(
    given: str | None,
    from_inventory: Callable[[], str | None],
    ask: Callable[[str, str], str] | None,
) -> tuple[str, str]:
    """Decide on the registry: as given, else the inventory's, else asked for, else the default.

    Args:
        given: The argument of the command line, or None.
        from_inventory: Tells the inventory's ``registry:``, or None.
        ask: Asks a question with a default on the terminal; None when there is none.

    Returns:
        The registry's text, and a sentence to be said aloud when nobody gave or typed it.

    Raises:
        InputError: This machine's name does not do as a default, and nobody can be asked.
    """
    if given is not None:
        return given, ""
    found = from_inventory()
    if found is not None:
        return found, f"no REGISTRY given: taking {found} from the inventory"
    default = f"{machine_name()}:{DEFAULT_PORT}"
    if ask is not None:
        return ask("Registry, as image names write it", default), ""
    try:
        RegistryReference.parse(default)
    except InputError as error:
        raise InputError(
            f"no REGISTRY given, and this machine's name does not do: {error.message}",
            "name it: certkit init registry.example.com:5000",
        ) from error
    return default, f"no REGISTRY given: taking {default}, this machine's name and port 5000"


def machine_name() -> str:
    """This machine's fully qualified name; its plain one when that is only localhost."""
    name = socket.getfqdn().rstrip(".").lower()
    return socket.gethostname() if name.split(".")[0] in {"localhost", ""} else name
