"""Reaching a registry the way Docker does: an embedded host's names, TLS, Go's error texts."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TIMEOUT = 10.0

# X509_V_ERR_* of OpenSSL's x509_vfy.h, each told the way Go's crypto/x509 tells it.
_NOT_YET_VALID, _EXPIRED = 9, 10
_HOSTNAME_MISMATCH, _IP_MISMATCH = 62, 64
_PERMITTED_VIOLATION, _EXCLUDED_VIOLATION = 47, 48


class DialError(Exception):
    """The registry could not be reached or not be trusted; the text is what Docker would say."""


def resolve(host: str, hosts_file: Path) -> str:
    """Look a name up in an embedded host's own ``/etc/hosts``, and nowhere else.

    Raises:
        DialError: The name is not there, and is no address.
    """
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except OSError:
        for line in hosts_file.read_text().splitlines():
            address, *names = line.partition("#")[0].split() or [""]
            if host in names:
                return address
        raise DialError(f"dial tcp: lookup {host}: no such host") from None
    return host


def split_reference(reference: str) -> tuple[str, int]:
    """Split ``host[:port]`` (an IPv6 address in brackets) into its parts; 443 is the default."""
    host, colon, port = reference.rpartition(":")
    if not colon or not port.isdecimal():
        return reference.strip("[]"), 443
    return host.strip("[]"), int(port)


def trust_only(authorities: Sequence[Path]) -> ssl.SSLContext:
    """Make a TLS context that trusts these files and nothing else, the system's roots included.

    As Docker's own puller does it, a file that holds no PEM certificate is passed over in
    silence (moby, daemon/pkg/registry: the result of AppendCertsFromPEM is not looked at).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for path in authorities:
        text = path.read_text(errors="replace")
        if "-----BEGIN CERTIFICATE-----" in text:
            context.load_verify_locations(cadata=text)
    return context


def handshake(host: str, address: str, port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Connect and shake hands, verifying the chain, the dates and the name.

    Raises:
        ssl.SSLCertVerificationError: The certificate does not pass.
        OSError: The network, or something that does not speak TLS.
    """
    raw = socket.create_connection((address, port), timeout=TIMEOUT)
    try:
        return context.wrap_socket(raw, server_hostname=host)
    except BaseException:
        raw.close()
        raise


def connect(
    reference: str, hosts_file: Path, authorities: Sequence[Path]
) -> http.client.HTTPConnection:
    """Open a verified HTTPS connection to a registry.

    Args:
        reference: The registry as it stands in image names.
        hosts_file: The embedded host's ``/etc/hosts``.
        authorities: The files to trust.

    Raises:
        DialError: With the words that Docker would use.
    """
    host, port = split_reference(reference)
    address = resolve(host, hosts_file)
    context = trust_only(authorities)
    try:
        tls = handshake(host, address, port, context)
    except ssl.SSLCertVerificationError as error:
        reason = _tell(error, host, address, port, context)
        raise DialError(f"tls: failed to verify certificate: x509: {reason}") from None
    except ssl.SSLError as error:
        if error.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}:
            raise DialError("http: server gave HTTP response to HTTPS client") from None
        raise DialError(f"remote error: tls: {error.reason}") from None
    except ConnectionRefusedError:
        raise DialError(f"dial tcp {address}:{port}: connect: connection refused") from None
    except TimeoutError:
        raise DialError(f"dial tcp {address}:{port}: i/o timeout") from None
    except OSError as error:
        raise DialError(f"dial tcp {address}:{port}: {error.strerror or error}") from None
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    connection.sock = tls
    return connection


def _tell(
    error: ssl.SSLCertVerificationError,
    host: str,
    address: str,
    port: int,
    context: ssl.SSLContext,
) -> str:
    code = error.verify_code
    if code in {_NOT_YET_VALID, _EXPIRED}:
        return "certificate has expired or is not yet valid"
    if code in {_PERMITTED_VIOLATION, _EXCLUDED_VIOLATION}:
        return f'a root or intermediate certificate is not authorized to sign for "{host}"'
    if code == _IP_MISMATCH:
        return f"cannot validate certificate for {host} because it doesn't contain any IP SANs"
    if code == _HOSTNAME_MISMATCH:
        return f"certificate is valid for {_names(host, address, port, context)}, not {host}"
    return "certificate signed by unknown authority"


def _names(host: str, address: str, port: int, context: ssl.SSLContext) -> str:
    """Return the names of a certificate whose chain passed, but whose names did not match."""
    context.check_hostname = False
    with handshake(host, address, port, context) as tls:
        certificate: dict[str, Any] = dict(tls.getpeercert() or {})
    return ", ".join(value for _kind, value in certificate.get("subjectAltName", ()))
