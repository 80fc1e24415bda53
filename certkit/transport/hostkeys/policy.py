"""Whether a host is who it says: pins, known_hosts files, and the two policies for new hosts.

``@revoked`` in the files comes first, then a pin in the inventory; without a pin, what the files
say about ``@cert-authority`` and then about plain keys. A key that differs from a known one is
refused whatever the policy says; accepting it silently is what host keys exist to prevent.
"""

from __future__ import annotations

import base64
import binascii
import shlex
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from certkit.errors import ErrorKind, HostError
from certkit.inventory.model import Host
from certkit.transport.hostkeys.certificate import (
    CERT_SUFFIX,
    Certificate,
    blob_type,
    described,
    fingerprint,
    key_line,
)
from certkit.transport.hostkeys.known_hosts import Entry
from certkit.transport.hostkeys.lookup import Known, KnownFiles
from certkit.transport.options import HostKeyPolicy

_RSA = ("rsa-sha2-512", "rsa-sha2-256")
PLAIN_ALGORITHMS: tuple[str, ...] = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    *_RSA,
)
CERT_ALGORITHMS: tuple[str, ...] = tuple(name + CERT_SUFFIX for name in PLAIN_ALGORITHMS)


class HostKeys:
    """Judges host keys; shared by all threads of a run.

    Args:
        known_hosts: The one file to use in place of the user's and the system's.
        policy: What to do about a host of which nothing is known.
    """

    def __init__(self, known_hosts: Path | None, policy: HostKeyPolicy) -> None:
        self._files = KnownFiles(known_hosts)
        self._policy = policy

    def algorithms(self, host: Host) -> tuple[str, ...]:
        """Return the host key algorithms to offer: the ones whose key can be checked, in order.

        Offering others would let the host present a key that cannot be judged although a known
        one exists. Where nothing is known all are offered, so that the new key can be shown.
        """
        if host.host_key:
            pinned = host.host_key.split()
            return _algorithms_of(pinned[0]) if len(pinned) > 1 else PLAIN_ALGORITHMS
        known = self._files.of(host)
        plain = [a for entry in known.plain for a in _algorithms_of(entry.key_type)]
        certified = CERT_ALGORITHMS if known.authorities else ()
        held = [a for a in (*certified, *PLAIN_ALGORITHMS) if a in certified or a in plain]
        if held:
            return tuple(held)
        # A key of another port is asked for first, and whoever is here may have another.
        hoped = [a for entry in known.confirming for a in _algorithms_of(entry.key_type)]
        return tuple(dict.fromkeys((*hoped, *PLAIN_ALGORITHMS)))

    def check(self, host: Host, blob: bytes) -> None:
        """Accept or refuse the key that `host` presented.

        Args:
            host: The host, with its pin and files.
            blob: The key or certificate in wire format, its possession already proven.

        Raises:
            HostError: ``host_key``, never retryable, with the fingerprints and the way out; also
                where a new key cannot be recorded.
        """
        certificate = None
        if blob_type(blob).endswith(CERT_SUFFIX):
            try:
                certificate = Certificate(blob)
            except ValueError as error:
                raise _refusal(f"presents a certificate that cannot be read: {error}") from error
        plain = certificate.key if certificate else blob
        known = self._files.of(host)
        if plain in known.revoked or (certificate and certificate.authority in known.revoked):
            raise _refusal(
                f"presents {described(plain)}, which known_hosts marks as revoked",
                "do not connect until the host has a new key and you know why this one was revoked",
            )
        if host.host_key:
            _check_pin(host.host_key, plain)
            return
        fault = self._certificate_fault(host, known, certificate)
        if fault == "" or any(entry.blob == plain for entry in (*known.plain, *known.confirming)):
            return
        if known.plain:
            raise _changed(known, plain)
        if known.authorities:
            raise _refusal(
                f"presents {described(plain)}, and {fault}",
                f"have the host's certificate renewed by the authority in "
                f"{known.authorities[0].where}",
            )
        if self._policy == "accept-new":
            now = self._files.record(host, known.names[0], plain)
            if any(entry.blob == plain for entry in now.plain):
                return
            if now.plain:
                raise _changed(now, plain)
        raise _unknown(host, known.names[0], plain)

    def no_common_algorithm(self, host: Host, message: str) -> HostError:
        """Return the refusal for a host that has no key of the types that were offered."""
        offered = ", ".join(self.algorithms(host))
        where = self._where(host)
        return _refusal(
            f"has no host key of a kind that {where} ({offered}): {message}",
            "its known key was removed or replaced; compare its keys with the known ones, "
            "as after a changed key",
        )

    def _where(self, host: Host) -> str:
        if host.host_key:
            return "is pinned in the inventory"
        known = self._files.of(host)
        entries = known.authorities + known.plain
        return f"{entries[0].where} knows" if entries else "certkit accepts"

    def _certificate_fault(self, host: Host, known: Known, certificate: Certificate | None) -> str:
        if certificate is None:
            return "no certificate, although an authority is known for this host"
        if all(entry.blob != certificate.authority for entry in known.authorities):
            return f"its certificate is signed by {described(certificate.authority)}, not known"
        name = host.host_key_alias or host.address
        fault = certificate.fault(name, datetime.now(timezone.utc))
        return f"its certificate {fault}" if fault else ""


def _algorithms_of(key_type: str) -> tuple[str, ...]:
    if key_type == "ssh-rsa":
        return _RSA
    return (key_type,) if key_type in PLAIN_ALGORITHMS else ()


def _check_pin(pin: str, blob: bytes) -> None:
    words = pin.split()
    if len(words) > 1:
        matches = words[1] == key_line(blob).split()[1]
        expected = f"{words[0]} {_pin_fingerprint(words[1])}"
    else:
        matches = pin.rstrip("=") == fingerprint(blob)
        expected = pin
    if matches:
        return
    raise _refusal(
        f"presents {described(blob)}, but the inventory pins {expected}",
        "if the host was given this key on purpose, put it in the inventory as host_key; if the "
        "pin is that of another of its keys, pin the whole line (TYPE KEY); otherwise do not "
        "connect, something stands in between",
    )


def _pin_fingerprint(text: str) -> str:
    try:
        return fingerprint(base64.b64decode(text, validate=True))
    except binascii.Error:
        return "(not a key)"


def _refusal(message: str, hint: str = "") -> HostError:
    return HostError(ErrorKind.HOST_KEY, message, hint, unreachable=True)


def _changed(known: Known, blob: bytes) -> HostError:
    same_type = [entry for entry in known.plain if blob_type(entry.blob) == blob_type(blob)]
    old: Sequence[Entry] = same_type or known.plain
    files = list(dict.fromkeys(str(entry.path) for entry in known.plain))
    name = known.names[0]
    fix = " && ".join(f"ssh-keygen -R {shlex.quote(name)} -f {shlex.quote(f)}" for f in files)
    return _refusal(
        f"presents a changed host key, {described(blob)}, where {old[0].where} "
        f"knows {described(old[0].blob)}",
        f"if the host was reinstalled, run `{fix}` and accept the new key; otherwise do not "
        "connect, something stands in between",
    )


def _unknown(host: Host, name: str, blob: bytes) -> HostError:
    return _refusal(
        f"is not in known_hosts as {name}; it presents {described(blob)}",
        "compare that with `ssh-keygen -lf` on the host itself, then run again with "
        f"`--host-key accept-new`, or put `host_key: {fingerprint(blob)}` in the inventory",
    )
