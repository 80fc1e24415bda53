"""How many hosts are restarted together, and how many may fail before the run stops."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from certkit.errors import InputError

_T = TypeVar("_T")
_SIZE = re.compile(r"(\d{1,6})(%?)", re.ASCII)


class Share(NamedTuple):
    """A number of hosts: so many, or so many percent of all.

    Attributes:
        amount: Hosts, or percent.
        percent: Which of the two.
    """

    amount: int
    percent: bool = False

    @classmethod
    def parse(cls, text: str, what: str) -> Share:
        """Read ``3`` or ``10%``.

        Args:
            text: As the operator wrote it.
            what: The option, for the message.

        Raises:
            InputError: It is neither, or above 100 percent.
        """
        found = _SIZE.fullmatch(text.strip())
        if found is None or (found.group(2) and int(found.group(1)) > 100):
            raise InputError(
                f"{what} {text!r} is neither a number of hosts nor a percentage",
                f"write it as in {what} 3 or {what} 10%",
            )
        return cls(int(found.group(1)), bool(found.group(2)))

    def __str__(self) -> str:
        return f"{self.amount}%" if self.percent else str(self.amount)


@dataclass(frozen=True)
class WavePlan:
    """The sizes of the waves, in order; the last one repeats until no host is left."""

    sizes: tuple[Share, ...]

    @classmethod
    def parse(cls, text: str | Sequence[str]) -> WavePlan:
        """Read ``1,10%,50%``, or the same as a list from the inventory.

        Raises:
            InputError: A part is malformed or zero.
        """
        parts = text.split(",") if isinstance(text, str) else list(text)
        sizes = tuple(Share.parse(part, "--wave") for part in parts)
        if not sizes or any(size.amount == 0 for size in sizes):
            raise InputError(
                f"--wave {','.join(parts)!r} has a wave of no host",
                "write it as in --wave 1,10%,50%; the last size repeats",
            )
        return cls(sizes)

    def split(self, hosts: Sequence[_T]) -> list[list[_T]]:
        """Divide hosts into waves; a percentage is of all of them, rounded up, at least one."""
        waves: list[list[_T]] = []
        start = 0
        while start < len(hosts):
            size = self.sizes[min(len(waves), len(self.sizes) - 1)]
            count = -(-len(hosts) * size.amount // 100) if size.percent else size.amount
            waves.append(list(hosts[start : start + max(1, count)]))
            start += len(waves[-1])
        return waves


DEFAULT_WAVES = WavePlan((Share(1), Share(10, percent=True), Share(50, percent=True)))

# What stops restarting when the operator gave no --max-fail: one host in ten whose daemon did not
# come back is a fault of the change, not of the host.
DEFAULT_RESTART_FAILURES = Share(10, percent=True)


class Budget:
    """Counts failed hosts and tells when there were too many.

    With ``--max-fail`` every failed host counts, in both phases, the unreachable ones too: a tool
    that ignores those drives on through a network failure (ansible/ansible#56265). Without it,
    hosts that cannot be reached are reported and the rest goes on, since placing files harms
    nobody; only failed restarts stop the run: any in the canary wave, or more than
    `DEFAULT_RESTART_FAILURES` later.

    Not safe for threads; the caller holds its lock.

    Args:
        limit: How many may fail; one more stops the run. None for the default.
        hosts: How many hosts the run covers.
    """

    def __init__(self, limit: Share | None, hosts: int) -> None:
        self._limit = limit
        self._hosts = hosts
        self._failed = 0
        self._restarts_failed = 0
        self.to_restart = 0

    def failed(self, name: str, *, restarting: bool = False, canary: bool = False) -> str:
        """Note one failed host.

        Args:
            name: The host.
            restarting: Whether it failed while its daemon was restarted.
            canary: Whether that was in the first wave.

        Returns:
            Why the run is to stop now; empty when it may go on.
        """
        self._failed += 1
        self._restarts_failed += restarting
        if canary and restarting and self._limit is None:
            return f"the restart of {name}, the canary, failed"
        if self._limit is not None:
            if self._failed > _allowed(self._limit, self._hosts):
                return f"{_hosts(self._failed)} failed, and --max-fail {self._limit} was given"
        elif self._restarts_failed > _allowed(DEFAULT_RESTART_FAILURES, self.to_restart):
            return (
                f"{_restarts(self._restarts_failed)} of {self.to_restart} failed, "
                f"more than {DEFAULT_RESTART_FAILURES}"
            )
        return ""


def _allowed(limit: Share, hosts: int) -> int:
    return hosts * limit.amount // 100 if limit.percent else limit.amount


def _hosts(count: int) -> str:
    return f"{count} host" + "s" * (count != 1)


def _restarts(count: int) -> str:
    return f"{count} restart" + "s" * (count != 1)
