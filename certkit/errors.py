"""The errors a user can meet. Every one says what failed and what to run next.

Exit codes are a contract (docs/contracts.md): 1 a host or step failed, 2 bad input, 3 unusable
home, 4 attention, 130 interrupted.
"""

from __future__ import annotations

from enum import Enum


class ExitCode(int, Enum):
    """What certkit's exit status means; runbooks depend on these numbers."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    HOME_UNUSABLE = 3
    ATTENTION = 4
    INTERRUPTED = 130


class CertkitError(Exception):
    """A failure that is told to the user in words, never as a traceback.

    Args:
        message: One sentence: what failed, where and why.
        hint: What to run or change next; empty when there is nothing useful to say.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(CertkitError):
    """The command line, a file or a value given by the user is wrong; nothing was touched."""

    exit_code = ExitCode.BAD_INPUT


class HomeError(CertkitError):
    """The home cannot be used: locked, half made, lax modes, wrong owner or passphrase."""

    exit_code = ExitCode.HOME_UNUSABLE


class ErrorKind(str, Enum):
    """The closed list of reasons why a host failed, as it stands in JSON reports."""

    DNS = "dns"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    HOST_KEY = "host_key"
    AUTH = "auth"
    SUDO = "sudo"
    SHELL = "shell"
    DISK_FULL = "disk_full"
    READ_ONLY = "read_only"
    PERMISSION = "permission"
    CONFLICT = "conflict"
    DAEMON = "daemon"
    TRUST = "trust"
    NAME = "name"
    CLOCK = "clock"
    NETWORK = "network"
    NOT_TLS = "not_tls"
    INTERRUPTED = "interrupted"
    INTERNAL = "internal"


class HostError(CertkitError):
    """One host failed, for one of the documented reasons.

    Args:
        kind: The reason, from the closed list.
        message: One sentence that reads well after the host's name.
        hint: The cure.
        retryable: Whether trying again soon can help. Never true for a host key, a login or a
            privilege failure: repeating those locks accounts and hides attacks.
        unreachable: Whether the host was never reached, so that nothing can have changed there.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        hint: str = "",
        *,
        retryable: bool = False,
        unreachable: bool = False,
    ) -> None:
        super().__init__(message, hint)
        self.kind = kind
        self.retryable = retryable
        self.unreachable = unreachable
