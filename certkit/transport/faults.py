"""How failures of the wire are told: one kind, one sentence after the host's name, one cure."""

from __future__ import annotations

import errno
import socket

from certkit.errors import ErrorKind, HostError


class WrongPassword(HostError):  # noqa: N818 - named for what happened, as in reports
    """A password was refused, at login or by sudo.

    The same password is about to go to the next host; refused there too, it locks accounts
    across the fleet. So a run stops after the first one.

    Attributes:
        stops_run: Always true; the fleet looks at it.
    """

    stops_run = True


class LostAtLogin(HostError):  # noqa: N818 - named for what happened, as in reports
    """The connection ended or the time was up while logging in: a password may have been sent.

    Attributes:
        login_begun: Always true; the fleet then tries no other host with that password meanwhile.
    """

    login_begun = True


def unreachable(
    kind: ErrorKind, message: str, hint: str = "", *, retryable: bool = True
) -> HostError:
    """Return a failure that happened before anything could run on the host."""
    return HostError(kind, message, hint, retryable=retryable, unreachable=True)


def interrupted() -> HostError:
    """Return the failure of a wait that the operator cut."""
    return HostError(ErrorKind.INTERRUPTED, "was left because the run was interrupted")


def dns(address: str, error: socket.gaierror) -> HostError:
    """Return the failure of a name lookup."""
    temporary = error.errno == socket.EAI_AGAIN
    return unreachable(
        ErrorKind.DNS,
        f"has the address {address}, which "
        + ("cannot be looked up now" if temporary else "does not resolve")
        + f" ({error.strerror})",
        "check the resolver of this machine" if temporary else "correct it in the inventory",
        retryable=temporary,
    )


def connect(endpoint: str, error: OSError) -> HostError:
    """Return the failure of a TCP connection to `endpoint`."""
    if isinstance(error, TimeoutError) or error.errno == errno.ETIMEDOUT:
        return unreachable(
            ErrorKind.TIMEOUT,
            f"does not answer on {endpoint}",
            "is it up, and does a firewall let port and address through?",
        )
    if error.errno == errno.ECONNREFUSED:
        return unreachable(
            ErrorKind.REFUSED,
            f"refuses connections on {endpoint}",
            "is sshd running there, on that port?",
        )
    if error.errno in (errno.ECONNRESET, errno.EPIPE):
        return greeting(endpoint, b"")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return unreachable(
            ErrorKind.INTERNAL,
            "was not tried because this machine has no file descriptor left",
            "raise `ulimit -n` or lower `--parallel`",
        )
    return unreachable(
        ErrorKind.NETWORK, f"cannot be reached on {endpoint}: {error.strerror or error}"
    )


def greeting(endpoint: str, first_words: bytes) -> HostError:
    """Return the failure of a server that did not greet as one of SSH.

    Args:
        endpoint: Where it was reached.
        first_words: What it sent in place of a greeting.
    """
    line = shown(first_words.partition(b"\n")[0].strip(), 80)
    # sshd itself says such a thing when it is busy (MaxStartups) or penalises an address.
    if line and not line.startswith(("SSH-", "Exceeded", "Not allowed")):
        return unreachable(
            ErrorKind.NETWORK,
            f'answers on {endpoint}, but not as an SSH server ("{line}")',
            "check address and port in the inventory",
            retryable=False,
        )
    return unreachable(
        ErrorKind.REFUSED,
        f"accepts connections on {endpoint} and closes them before its SSH greeting"
        + (f' ("{line}")' if line else ""),
        "its sshd is busy (MaxStartups), penalises this address (PerSourcePenalties) or is "
        "behind a rate limit; lower `--parallel` or wait a minute",
    )


def shown(data: bytes, limit: int = 200) -> str:
    """Return the beginning of what a host sent, with nothing in it that a terminal would obey."""
    text = data[: limit * 4].decode("utf-8", "replace")[:limit]
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
