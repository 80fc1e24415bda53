"""One wrong password must not be tried on a thousand hosts.

Hosts that share a password are logged in to one by one until one of them took it. Only the logins
are: a host waits for its turn once it has greeted, so that dead hosts are found out side by side,
and none of them holds the turn until its connect times out.

It waits connected, and logs in on that connection. To hang up and to connect again would be
simpler, but sshd penalises an address that hangs up without a login (PerSourcePenalties, OpenSSH
9.8), by a second as it comes and by a day on some hardened hosts. It penalises those that exceed
LoginGraceTime as well, so that a connection which waited long is given up for a fresh one. No slot
for a handshake is held meanwhile: whose turn it is needs one itself.
"""

from __future__ import annotations

import threading
import time

from certkit.errors import ErrorKind, HostError
from certkit.fleet.stop import Stop
from certkit.inventory.model import Host
from certkit.secret import Secret

_Secrets = tuple[Secret | None, ...]

# How soon a host that waits notices a stop, in seconds: a signal handler can wake nobody.
_TICK = 0.2


class _Line:
    """The hosts that share their passwords, one at a time until one was let in.

    Attributes:
        changed: Guards the rest, and wakes those who wait.
        proven: Whether a host took the passwords.
        holder: Whose host is being logged in to.
        waiting: In the order they came.
    """

    def __init__(self, *, proven: bool = False) -> None:
        self.changed = threading.Condition()
        self.proven = proven
        self.holder: Turn | None = None
        self.waiting: list[Turn] = []


class StoppedInLine(HostError):  # noqa: N818 - named for what happened, as in reports
    """The run was stopped while a host waited for its turn; nothing was tried there."""


class Turn:
    """One host's turn to be sent its passwords. Used by one thread at a time.

    Args:
        line: Those who share them.
    """

    def __init__(self, line: _Line) -> None:
        self._line = line

    @property
    def due(self) -> bool:
        """Whether it must still be taken: no host took the passwords, and it is not held."""
        return not self._line.proven and self._line.holder is not self

    def take(self, stop: Stop) -> float:
        """Wait for it, behind those who came before; return how long, in seconds.

        Raises:
            StoppedInLine: The run was stopped meanwhile; the host must not be tried.
        """
        line = self._line
        since = time.monotonic()
        with line.changed:
            line.waiting.append(self)
            while not line.proven and not stop.requested():
                if line.holder is None and line.waiting[0] is self:
                    line.holder = self
                    break
                line.changed.wait(_TICK)
            line.waiting.remove(self)
            line.changed.notify_all()
            if not line.proven and line.holder is not self:
                raise StoppedInLine(ErrorKind.INTERRUPTED, f"was not tried: {stop.reason}")
        return time.monotonic() - since

    def pass_on(self, error: HostError) -> None:
        """Let others go after a failure, unless the host may have been sent a password."""
        # Once a login has begun nobody knows whether the password was refused.
        if error.unreachable and not getattr(error, "login_begun", False):
            self.end()

    def end(self) -> None:
        """Let the next one go; nothing to do where the turn was not held."""
        with self._line.changed:
            if self._line.holder is self:
                self._line.holder = None
                self._line.changed.notify_all()


class PasswordGate:
    """Keeps one wrong password from being sent to a whole fleet, which locks accounts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: list[tuple[_Secrets, _Line]] = [((None, None), _Line(proven=True))]

    def turn(self, host: Host) -> Turn:
        """Return a host's turn, not yet taken; for a host without passwords it is never due."""
        return Turn(self._line(host))

    def accepted(self, host: Host) -> None:
        """Note that a host took its passwords: others with the same ones go ahead."""
        line = self._line(host)
        with line.changed:
            line.proven = True
            line.changed.notify_all()

    def _line(self, host: Host) -> _Line:
        secrets = (host.password, host.become.password)
        with self._lock:
            for known, line in self._known:
                if known == secrets:
                    return line
            self._known.append((secrets, _Line()))
            return self._known[-1][1]
