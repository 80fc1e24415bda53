"""How hosts are spoken to: one method for each phase, the remote program behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from certkit.errors import ErrorKind, HostError
from certkit.fleet.crew import bounded
from certkit.names import RegistryReference
from certkit.remote import program, protocol
from certkit.remote.exchange import Exchange
from certkit.remote.report import PlaceReport, ProbeReport, RestartReport
from certkit.runtimes.state import HostState, RuntimeState
from certkit.transport.connection import Answer, Connection

if TYPE_CHECKING:
    from certkit.remote.retire import RetireReport
    from certkit.remote.survey import HostSurvey


def link_lost() -> HostError:
    """Return the failure of a link that broke before the host had answered."""
    return HostError(
        ErrorKind.NETWORK,
        "lost its link before it had answered",
        "run the same command again; what is done already is not done twice",
        retryable=True,
    )


class Talk(Protocol):
    """What the fleet asks of a host. Every method may raise `HostError`."""

    def place(
        self,
        connection: Connection,
        state: HostState,
        *,
        check: bool,
        force: bool,
        restarts: bool,
        limit: float,
    ) -> PlaceReport:
        """Compare and place files; `restarts` lets the host remember that one is due."""

    def restart(
        self,
        connection: Connection,
        runtime: RuntimeState,
        user: str,
        paths: Sequence[str],
        *,
        due: bool,
    ) -> RestartReport:
        """Restart one runtime's daemon and wait until it answers, or roll the files back.

        With `due` only while the host still says that a restart is.
        """

    def survey(self, connection: Connection, state: HostState, limit: float) -> HostSurvey:
        """Read how the host stands; nothing is written."""

    def probe(
        self,
        connection: Connection,
        runtime: RuntimeState,
        user: str,
        references: Sequence[RegistryReference],
        image: str,
        limit: float,
    ) -> tuple[ProbeReport, ...]:
        """Ask one runtime's own puller, and a bare handshake, about each reference."""

    def retire(
        self,
        connection: Connection,
        runtime: RuntimeState,
        user: str,
        references: Sequence[RegistryReference],
        before: bytes,
        after: bytes,
    ) -> RetireReport:
        """Replace one runtime's settings, and have its daemon reload them, or put them back."""


class RemoteTalk:
    """Speaks through the remote program.

    Args:
        operator: Who asks, such as ``ann@bastion``; told to whoever finds the host locked.
    """

    def __init__(self, operator: str = "") -> None:
        self._operator = operator

    def place(
        self,
        connection: Connection,
        state: HostState,
        *,
        check: bool,
        force: bool,
        restarts: bool,
        limit: float,
    ) -> PlaceReport:
        """Compare and place files."""
        exchange = program.place(
            state, check=check, force=force, restarts=restarts, operator=self._operator
        )
        answer = _ask(connection, bounded(exchange, limit))
        return protocol.decode_place(answer.stdout, exchange.nonce)

    def restart(
        self,
        connection: Connection,
        runtime: RuntimeState,
        user: str,
        paths: Sequence[str],
        *,
        due: bool,
    ) -> RestartReport:
        """Restart a daemon; bounded by the restart's own timeouts on the host alone."""
        exchange = program.restart(runtime, user, paths, due=due, operator=self._operator)
        answer = _ask(connection, exchange)
        return protocol.decode_restart(answer.stdout, exchange.nonce)

    def survey(self, connection: Connection, state: HostState, limit: float) -> HostSurvey:
        """Read how the host stands."""
        from certkit.remote.survey import decode_survey

        exchange = program.survey(state)
        answer = _ask(connection, bounded(exchange, limit))
        return decode_survey(answer.stdout, exchange.nonce)

    def probe(
        self,
        connection: Connection,
        runtime: RuntimeState,
        user: str,
        references: Sequence[RegistryReference],
        image: str,
        limit: float,
    ) -> tuple[ProbeReport, ...]:
        """Ask the runtime's puller."""
        exchange = program.probe(runtime, user, references, image)
        answer = _ask(connection, bounded(exchange, limit))
        return tuple(protocol.decode_probe(answer.stdout, exchange.nonce))

    def retire(
        self,
        connection: Connection,
        runtime: RuntimeState,
        user: str,
        references: Sequence[RegistryReference],
        before: bytes,
        after: bytes,
    ) -> RetireReport:
        """Replace the settings; bounded by the exchange's own limit alone, as a restart is."""
        from certkit.remote.retire import decode_retire, retire

        exchange = retire(runtime, user, references, before, after, operator=self._operator)
        answer = _ask(connection, exchange)
        return decode_retire(answer.stdout, exchange.nonce)


def _ask(connection: Connection, exchange: Exchange) -> Answer:
    answer = connection.run(exchange)
    if answer.status is None:
        raise link_lost()
    return answer
