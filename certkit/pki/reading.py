"""Certificates out of bytes that anybody may have written."""

from __future__ import annotations

from cryptography import x509


def load_certificate(data: bytes) -> x509.Certificate:
    """Read one certificate, DER or PEM.

    Raises:
        ValueError: It is none, or of a version that there is not: cryptography has an error apart
            for that.
    """
    try:
        if data.startswith(b"-----"):
            return x509.load_pem_x509_certificate(data)
        return x509.load_der_x509_certificate(data)
    except x509.InvalidVersion as error:
        raise ValueError(str(error)) from None
