"""Logging in: signed keys without asking first, then a password, and words for what is refused."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from certkit.errors import ErrorKind, HostError
from certkit.inventory.model import Host
from certkit.transport import faults
from certkit.transport.client import Client
from certkit.transport.faults import WrongPassword
from certkit.transport.identities import Offer, Offers
from certkit.transport.without_invoke import paramiko


class LinkLostError(Exception):
    """The connection ended while logging in; the caller knows whether it cut it itself."""


class _Reply(Enum):
    IN = "logged in"
    MORE = "accepted, and another factor is wanted"
    NO = "refused"
    NOT_SO = "this way of logging in is not offered"


class _Attempts:
    """What was tried on one connection, for the message at the end."""

    def __init__(self) -> None:
        self.offered: list[str] = []
        self.allowed: list[str] = []
        self.passed_one = False
        self.password_refused = False
        self.asked_more = False


def log_in(client: Client, host: Host, offers: Offers) -> None:
    """Log in as ``host.user``.

    Every key is offered with its signature at once, which saves the round trip of asking. A
    server that wants a key and then the password gets both; other second factors cannot be given
    by a program and are explained.

    Raises:
        HostError: ``auth``, never retryable. `WrongPassword` when a password was refused.
        LinkLostError: The connection ended meanwhile.
    """
    tried = _Attempts()
    try:
        for offer in offers.offers:
            if tried.allowed and "publickey" not in tried.allowed:
                break
            if _offer_key(client, host.user, offer, tried):
                return
        if host.password and _offer_password(client, host, tried):
            return
        # With nothing to offer, ask what the server takes, to be able to say so.
        if not tried.offered and _ask(lambda: client.auth_none(host.user), tried) is _Reply.IN:
            return
    except (EOFError, OSError, paramiko.SSHException) as error:
        if client.farewell:
            raise _refused(host, offers, tried, f" and hung up ({client.farewell})") from error
        raise LinkLostError(str(error)) from error
    raise _refused(host, offers, tried, "")


def _offer_key(client: Client, user: str, offer: Offer, tried: _Attempts) -> bool:
    if offer.key.get_name().startswith("ssh-rsa") and not _takes_rsa(client):
        return False
    tried.offered.append(offer.source)
    return _ask(lambda: client.auth_publickey(user, offer.key), tried) is _Reply.IN


def _offer_password(client: Client, host: Host, tried: _Attempts) -> bool:
    assert host.password is not None
    password = host.password.reveal()
    # Asked first, because a server that only takes it as an answer (PAM) would see it twice.
    if not tried.allowed and _ask(lambda: client.auth_none(host.user), tried) is _Reply.IN:
        return True
    if not tried.allowed or "password" in tried.allowed:
        tried.offered.append("the password")
        reply = _ask(lambda: client.auth_password(host.user, password, fallback=False), tried)
        tried.password_refused = reply is _Reply.NO
        if reply is not _Reply.NOT_SO:
            return reply is _Reply.IN
    if "keyboard-interactive" not in tried.allowed:
        return False
    return _answer_questions(client, host.user, password, tried)


def _answer_questions(client: Client, user: str, password: str, tried: _Attempts) -> bool:
    """Log in where the password is asked for as a question (PAM), and answer no other one."""
    answered: list[bool] = []

    def answer(title: str, text: str, prompts: list[tuple[str, bool]]) -> list[str]:
        if not prompts:
            return []
        question, echo = prompts[0]
        # After a key was accepted a hidden question is more likely for a one-time code.
        meant = "password" in question.lower() or not tried.passed_one
        if len(prompts) == 1 and not echo and meant and not answered:
            answered.append(True)
            return [password]
        tried.asked_more = True
        return [""] * len(prompts)

    tried.offered.append("the password, as asked for")
    reply = _ask(lambda: client.auth_interactive(user, answer), tried)
    tried.password_refused = reply is _Reply.NO and bool(answered) and not tried.asked_more
    return reply is _Reply.IN


def _ask(attempt: Callable[[], list[str]], tried: _Attempts) -> _Reply:
    """Make one attempt. Losing the connection raises."""
    try:
        remaining = list(attempt() or [])
    except paramiko.BadAuthenticationType as error:
        tried.allowed = list(error.allowed_types)
        return _Reply.NOT_SO
    except paramiko.AuthenticationException as error:
        # paramiko has one exception for a refusal and for a connection that went away.
        if "EOF" in str(error) or "imeout" in str(error):
            raise
        return _Reply.NO
    if not remaining:
        return _Reply.IN
    tried.allowed = remaining
    tried.passed_one = True
    return _Reply.MORE


def _takes_rsa(client: Client) -> bool:
    """Whether the server takes SHA-2 signatures of RSA keys; paramiko breaks off if it does not."""
    extensions: dict[str, bytes] = getattr(client, "server_extensions", {})
    named = extensions.get("server-sig-algs", b"")
    return not named or b"rsa-sha2-" in named


def _refused(host: Host, offers: Offers, tried: _Attempts, end: str) -> HostError:
    allowed = f"; it takes {', '.join(tried.allowed)}" if tried.allowed else ""
    notes = "; ".join(offers.notes)
    if tried.password_refused:
        return WrongPassword(
            ErrorKind.AUTH,
            f"refused the password of {host.user}{end}",
            "the run stops here so that no account is locked; give the right one with "
            "`-k/--ask-pass` or `--password-file`",
            unreachable=True,
        )
    if tried.passed_one or tried.asked_more:
        return faults.unreachable(
            ErrorKind.AUTH,
            f"wants another factor from {host.user}{allowed}{end}",
            "certkit can give a key and a password, but no one-time code; let its key in "
            "without one (AuthenticationMethods in sshd_config, in a Match block for the user)",
            retryable=False,
        )
    if not tried.offered:
        return faults.unreachable(
            ErrorKind.AUTH,
            f"was offered nothing for {host.user}{': ' + notes if notes else ''}{allowed}",
            "name a key with `--identity-file`, load one into the SSH agent, or use "
            "`-k/--ask-pass`",
            retryable=False,
        )
    return faults.unreachable(
        ErrorKind.AUTH,
        f"refused {host.user} with {', '.join(tried.offered)}{end}{allowed}"
        + (f" ({notes})" if notes else ""),
        f"is that key in ~{host.user}/.ssh/authorized_keys there, and is the user right?",
        retryable=False,
    )
