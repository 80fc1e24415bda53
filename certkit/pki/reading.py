"""Certificates out of bytes that anybody may have written."""

from __future__ import annotations

from cryptography import x509


def load_certificate(data: bytes) -> x509.Certificate:
    """Read one certificate, DER or PEM.

    cryptography reads names, dates and extensions only when they are asked for: here they are, so
    that none of them fails later. A key of an unknown kind still fails when it is asked for.

    Raises:
        ValueError: It is none; also where cryptography has an error apart, as for a version that
            there is not.
    """
    pem = data.startswith(b"-----")
    try:
        found = (
            x509.load_pem_x509_certificate(data) if pem else x509.load_der_x509_certificate(data)
        )
        _ = found.subject, found.issuer, found.not_valid_before_utc, found.not_valid_after_utc
        _ = found.extensions
    except (x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(str(error)) from None
    return found
