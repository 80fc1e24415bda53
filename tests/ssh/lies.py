"""What a server says in place of the truth, message by message (RFC 4252, 4253 and 4254)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat

import paramiko
from paramiko import common

# A client's first channel, and one that it never opened.
_OURS, _NOBODYS = 0, 7
# The answer to every key exchange of today; paramiko has a name for it in each of them.
_KEX_REPLY = 31

# The message by which a server ends each stage; the greeting is no message.
STAGES = {
    "KEXINIT": common.MSG_KEXINIT,
    "host key": _KEX_REPLY,
    "auth": common.MSG_USERAUTH_SUCCESS,
    "channel": common.MSG_CHANNEL_OPEN_SUCCESS,
    "exec": common.MSG_CHANNEL_SUCCESS,
    "exit status": common.MSG_CHANNEL_REQUEST,
}


def message(kind: int, *parts: int | bytes) -> paramiko.Message:
    """Encode a message: numbers of 32 bits, truth values of one byte, strings with their length."""
    made = paramiko.Message()
    made.add_byte(bytes([kind]))
    for part in parts:
        if isinstance(part, bool):
            made.add_boolean(part)
        elif isinstance(part, int):
            made.add_int(part)
        else:
            made.add_string(part)
    return made


@dataclass(frozen=True)
class Lie:
    """Messages, and the one that they take the place of."""

    instead_of: int
    said: Iterable[paramiko.Message]


def _status(channel: int, *parts: int | bytes) -> paramiko.Message:
    return message(common.MSG_CHANNEL_REQUEST, channel, *parts)


LIES = {
    "keys without an exchange": Lie(common.MSG_KEXINIT, [message(common.MSG_NEWKEYS)]),
    "success without keys": Lie(common.MSG_KEXINIT, [message(common.MSG_USERAUTH_SUCCESS)]),
    "half a host key": Lie(_KEX_REPLY, [message(_KEX_REPLY, b"\0\0\0\x0bssh-ed")]),
    "keys without a host key": Lie(_KEX_REPLY, [message(common.MSG_NEWKEYS)]),
    "success unasked": Lie(common.MSG_SERVICE_ACCEPT, [message(common.MSG_USERAUTH_SUCCESS)]),
    "another service": Lie(
        common.MSG_SERVICE_ACCEPT, [message(common.MSG_SERVICE_ACCEPT, b"ssh-connection")]
    ),
    "question unasked": Lie(
        common.MSG_USERAUTH_SUCCESS,
        [message(common.MSG_USERAUTH_INFO_REQUEST, b"", b"", b"", 1, b"Password: ", False)],
    ),
    "endless banners": Lie(
        common.MSG_USERAUTH_SUCCESS,
        repeat(message(common.MSG_USERAUTH_BANNER, b"wait " * 1000, b"")),
    ),
    "another channel": Lie(
        common.MSG_CHANNEL_OPEN_SUCCESS,
        [message(common.MSG_CHANNEL_OPEN_SUCCESS, _NOBODYS, 0, 2**20, 2**15)],
    ),
    "data for no channel": Lie(
        common.MSG_CHANNEL_OPEN_SUCCESS, [message(common.MSG_CHANNEL_DATA, _NOBODYS, b"done\n")]
    ),
    "no room": Lie(
        common.MSG_CHANNEL_OPEN_SUCCESS,
        [message(common.MSG_CHANNEL_OPEN_SUCCESS, _OURS, 0, 0, 2**15)],
    ),
    "another command": Lie(
        common.MSG_CHANNEL_SUCCESS, [message(common.MSG_CHANNEL_SUCCESS, _NOBODYS)]
    ),
    "closed in place of started": Lie(
        common.MSG_CHANNEL_SUCCESS, [message(common.MSG_CHANNEL_CLOSE, _OURS)]
    ),
    "killed": Lie(
        common.MSG_CHANNEL_REQUEST,
        [_status(_OURS, b"exit-signal", False, b"KILL", False, b"", b"")],
    ),
    "another's status": Lie(
        common.MSG_CHANNEL_REQUEST, [_status(_NOBODYS, b"exit-status", False, 0)]
    ),
}
