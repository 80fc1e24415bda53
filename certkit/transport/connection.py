"""The seam between certkit and whatever carries its bytes: small enough to replace in a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from certkit.inventory.model import Host
from certkit.remote.exchange import Exchange

BeforeLogin = Callable[[], None]


class Answer(NamedTuple):
    """What came back from one exchange.

    Attributes:
        status: Exit status; None when the link was lost before one arrived, so that the outcome
            on the host is unknown.
        stdout: At most 4 MiB are kept.
        stderr: At most 64 KiB are kept.
    """

    status: int | None
    stdout: bytes
    stderr: bytes


class Connection(Protocol):
    """An open way to one host. Used by one thread at a time; always closed."""

    @property
    def peer(self) -> str:
        """The address that answered, for reports."""

    def run(self, exchange: Exchange) -> Answer:
        """Run one exchange with the privilege that the inventory asks for.

        Raises:
            HostError: ``sudo``, ``shell``, ``timeout`` or ``network``, with a cure.
        """

    def close(self) -> None:
        """Let go of the connection at once; never blocks, never raises."""


class Connector(Protocol):
    """Opens connections; shared by all threads of a run and closed at its end."""

    def connect(self, host: Host, before_login: BeforeLogin | None = None) -> Connection:
        """Open a connection, trusting only the host key that policy allows.

        Args:
            host: Where to.
            before_login: Called before any password is sent, once the host is seen to answer; may
                wait, and holds up no other host meanwhile. What it raises ends the connection.

        Raises:
            HostError: ``dns``, ``refused``, ``timeout``, ``host_key``, ``auth`` or ``network``.
        """

    def abort(self) -> None:
        """Cut every open connection now (second Ctrl-C); waiting threads fail within a second."""

    def close(self) -> None:
        """Release shared bastions, agents and the watchdog."""
