"""Certificate signing requests (PKCS#10, RFC 2986) for authorities that are not certkit's."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from certkit.names import SubjectName
from certkit.pki.issue import general_name, key_usage, leaf_subject
from certkit.pki.keys import PrivateKey, signature_hash


def make_csr(names: Sequence[SubjectName], key: PrivateKey) -> bytes:
    """Make a request for a server certificate, as PEM.

    It asks for what certkit's own certificates have; an authority with a profile of its own
    (``openssl x509 -req`` without ``-copy_extensions``) may leave any of it out, which is found
    when its answer is taken.

    Args:
        names: The names, the registry's own first.
        key: The server's key; the request is signed with it.
    """
    subject = leaf_subject(names)
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .add_extension(
            x509.SubjectAlternativeName([general_name(name) for name in names]),
            critical=not list(subject),
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            key_usage(digital_signature=True, key_encipherment=not hasattr(key, "curve")),
            critical=True,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, signature_hash(key))
    )
    return request.public_bytes(serialization.Encoding.PEM)
