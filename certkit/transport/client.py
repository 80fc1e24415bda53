"""paramiko's Transport, with certkit's choice of algorithms and without what it need not do.

Public hooks first: the ``preferred_*`` properties and ``packetizer_class``. Three private ones
remain, each harmless should paramiko rename it: the table of key exchanges gets curve25519 under
its standard name (else a hardened server that knows only that name falls back to group16, 31
times the CPU), messages that nobody reads are not formatted, and of channels that are refused at
the same moment each is told its own reason.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from certkit.transport.links import Link
from certkit.transport.without_invoke import paramiko

_KEX_TABLE: dict[str, Any] = dict(getattr(paramiko.Transport, "_kex_info", {}))
if "curve25519-sha256@libssh.org" in _KEX_TABLE:
    # RFC 8731 is the same method under its final name.
    _KEX_TABLE["curve25519-sha256"] = _KEX_TABLE["curve25519-sha256@libssh.org"]

# group14 before group16: of the two it costs a third, and both are sound. No group exchange: the
# server may choose any size.
_KEX = tuple(
    name
    for name in (
        "mlkem768x25519-sha256",
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
        "diffie-hellman-group14-sha256",
        "diffie-hellman-group16-sha512",
    )
    if name in _KEX_TABLE
)
# No CBC, no 3DES, no SHA-1 or MD5: CVE-2023-48795 and age.
_CIPHERS = (
    "aes256-gcm@openssh.com",
    "aes128-gcm@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-ctr",
)
_MACS = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)
_PUBKEYS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
# The watchdog bounds every wait; paramiko's own limits only must not come first.
_NEVER = 24 * 3600.0


class _UntimedPacketizer(paramiko.packet.Packetizer):
    """Without the thread that paramiko starts to time each handshake; the watchdog does it."""

    def start_handshake(self, timeout: float) -> None:
        """Do nothing."""

    def handshake_timed_out(self) -> bool:
        """Never; see the watchdog."""
        return False

    def complete_handshake(self) -> None:
        """Do nothing."""


class Client(paramiko.Transport):
    """The client's side of one SSH connection.

    Args:
        link: The bytes to speak over.
        host_key_algorithms: The host keys that can be judged, in order.

    Attributes:
        link: As given.
        farewell: What the server said when it disconnected; empty when it said nothing.
    """

    _kex_info = _KEX_TABLE

    def __init__(self, link: Link, host_key_algorithms: tuple[str, ...]) -> None:
        self._host_key_algorithms = host_key_algorithms
        super().__init__(link, packetizer_class=_UntimedPacketizer)  # type: ignore[arg-type]
        self.link = link
        self.farewell = ""
        self.banner_timeout = self.auth_timeout = self.channel_timeout = _NEVER
        # The channel that a thread asked for last, and why a server refused one.
        self._asked = threading.local()
        self._refusals: dict[int, paramiko.ChannelException] = {}
        self._loud = self.logger.isEnabledFor(logging.DEBUG)

    @property
    def preferred_kex(self) -> tuple[str, ...]:
        """Key exchanges, in order."""
        return _KEX

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """Host key algorithms, in order."""
        return self._host_key_algorithms

    @property
    def preferred_ciphers(self) -> tuple[str, ...]:
        """Ciphers, in order."""
        return _CIPHERS

    @property
    def preferred_macs(self) -> tuple[str, ...]:
        """MACs, in order; unused beside GCM."""
        return _MACS

    @property
    def preferred_pubkeys(self) -> tuple[str, ...]:
        """Signature algorithms for logins."""
        return _PUBKEYS

    @property
    def preferred_compression(self) -> tuple[str, ...]:
        """None: what is sent is small."""
        return ("none",)

    def open_channel(
        self,
        kind: str,
        dest_addr: tuple[str, int] | None = None,
        src_addr: tuple[str, int] | None = None,
        window_size: int | None = None,
        max_packet_size: int | None = None,
        timeout: float | None = None,
    ) -> paramiko.Channel:
        """Open a channel as paramiko does, which keeps one reason for all that are refused.

        Raises:
            paramiko.ChannelException: The server refuses this very channel.
            paramiko.SSHException: It did not answer in time.
            EOFError: The connection is lost.
        """
        try:
            return super().open_channel(
                kind, dest_addr, src_addr, window_size, max_packet_size, timeout
            )
        except (EOFError, OSError, paramiko.SSHException) as error:
            refusal = self._refusals.pop(getattr(self._asked, "number", -1), None)
            if refusal is not None:
                raise refusal from error
            if not self.is_active():
                raise EOFError from error
            raise

    def _next_channel(self) -> int:
        self._asked.number = super()._next_channel()  # type: ignore[misc]
        return int(self._asked.number)

    def _parse_channel_open_failure(self, m: paramiko.Message) -> None:
        number, code = m.get_int(), m.get_int()
        reason = paramiko.common.CONNECTION_FAILED_CODE.get(code, "unknown code")
        # Of what nobody asked for, a server could send any number.
        if number in self.channel_events:
            self._refusals[number] = paramiko.ChannelException(code, reason)
        m.rewind()
        super()._parse_channel_open_failure(m)  # type: ignore[misc]

    def _log(self, level: int, msg: object, *args: object) -> None:
        if self._loud:
            super()._log(level, msg, *args)  # type: ignore[misc]

    def _parse_debug(self, m: paramiko.Message) -> None:
        # sshd describes its authorized_keys options here; escaping that took a tenth of all CPU.
        pass

    def _parse_disconnect(self, m: paramiko.Message) -> None:
        m.get_int()
        self.farewell = m.get_text()
