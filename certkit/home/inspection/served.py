"""What a live registry serves: a TLS handshake that trusts nothing and judges afterwards."""

from __future__ import annotations

import socket
import ssl
import threading

from cryptography import x509

from certkit.errors import ErrorKind, HostError
from certkit.names import RegistryReference
from certkit.pki.reading import load_certificate

TIMEOUT = 10.0
"""How long name lookup, connection and handshake may take together, in seconds."""


def fetch_served(
    reference: RegistryReference,
    timeout: float = TIMEOUT,
    address: tuple[str, int] | None = None,
) -> tuple[x509.Certificate, ...]:
    """Shake hands with a registry and return the certificates it presents, unverified.

    Args:
        reference: Where to connect; without a port, 443.
        timeout: For everything together, in seconds.
        address: Host and port to connect to in place of the reference's own, which is still the
            name that is asked for.

    Returns:
        The server's certificate first; the rest of the chain where Python can tell it (3.13).

    Raises:
        HostError: It cannot be reached, or does not speak TLS.
    """
    outcome: list[tuple[x509.Certificate, ...] | HostError] = []

    def run() -> None:
        try:
            outcome.append(_handshake(reference, timeout, address or reference.endpoint))
        except HostError as error:
            outcome.append(error)

    # In a thread of its own, because a name lookup cannot be bounded in any other way.
    thread = threading.Thread(target=run, name="certkit-served", daemon=True)
    thread.start()
    thread.join(timeout)
    if not outcome:
        raise _late(reference, timeout)
    if isinstance(outcome[0], HostError):
        raise outcome[0]
    return outcome[0]


def _handshake(
    reference: RegistryReference, timeout: float, address: tuple[str, int]
) -> tuple[x509.Certificate, ...]:
    host, port = address
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout) as plain,
            context.wrap_socket(plain, server_hostname=reference.host) as secure,
        ):
            return _presented(secure)
    except socket.gaierror as error:
        raise HostError(
            ErrorKind.DNS, f"{host} is not a known name: {error.strerror}", "check the spelling"
        ) from error
    except ConnectionRefusedError as error:
        raise HostError(
            ErrorKind.REFUSED,
            f"nothing listens at {host} port {port}",
            "start the registry, or check the port",
        ) from error
    except TimeoutError as error:
        raise _late(reference, timeout) from error
    except (ssl.SSLError, ConnectionResetError, EOFError) as error:
        raise HostError(
            ErrorKind.NOT_TLS,
            f"{reference} does not speak TLS: {getattr(error, 'reason', None) or error}",
            "give the registry its certificate: REGISTRY_HTTP_TLS_CERTIFICATE and "
            "REGISTRY_HTTP_TLS_KEY",
        ) from error
    except (OSError, ValueError) as error:
        raise HostError(ErrorKind.NETWORK, f"cannot reach {reference}: {error}") from error


def _presented(secure: ssl.SSLSocket) -> tuple[x509.Certificate, ...]:
    chain = getattr(secure, "get_unverified_chain", None)
    blobs = chain() if chain is not None else [secure.getpeercert(binary_form=True)]
    return tuple(load_certificate(blob) for blob in blobs if blob)


def _late(reference: RegistryReference, timeout: float) -> HostError:
    return HostError(
        ErrorKind.TIMEOUT,
        f"{reference} did not answer within {timeout:g} seconds",
        "check the address, the port and the firewalls between",
        retryable=True,
    )
