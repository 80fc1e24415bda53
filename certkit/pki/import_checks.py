"""What is refused and what is warned of in one certificate that somebody else issued.

The rules are those that the strictest clients share (RFC 5280, x509-limbo's root profile, the
CA/Browser Forum's key sizes). Go, and so Docker, is laxer; but a certificate that only Go accepts
fails in the next tool that people point at the registry.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from certkit.errors import InputError
from certkit.names import SubjectName
from certkit.pki.bundle import subject_text
from certkit.pki.keys import describe_key

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)

_LEAST_RSA_BITS = 2048
_CURVES = {"secp256r1", "secp384r1", "secp521r1"}
_WEAK_HASHES = {"md2", "md4", "md5", "sha1"}
_CRITICAL = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.NAME_CONSTRAINTS,
    ExtensionOID.CERTIFICATE_POLICIES,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
}
"""Extensions that every verifier in use understands; any other that is critical is refused."""

_AGAIN = "ask whoever issued it for another one"


def refuse_common(certificate: x509.Certificate, now: datetime) -> None:
    """Refuse what neither a server nor an authority may have.

    Raises:
        InputError: It cannot be read whole, is not valid now, has a weak key or signature, or an
            extension that is critical and unknown.
    """
    who = subject_text(certificate.subject)
    try:
        extensions = list(certificate.extensions)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise InputError(f"the certificate {who} is malformed: {error}", _AGAIN) from None
    if certificate.version is not x509.Version.v3:
        raise InputError(f"the certificate {who} is of version 1, without extensions", _AGAIN)
    for extension in extensions:
        if extension.critical and extension.oid not in _CRITICAL:
            raise InputError(
                f"the certificate {who} has a critical extension that clients do not know "
                f"({extension.oid.dotted_string}), so they refuse it",
                _AGAIN,
            )
    if now > certificate.not_valid_after_utc:
        raise InputError(
            f"the certificate {who} expired on {certificate.not_valid_after_utc:%Y-%m-%d}", _AGAIN
        )
    if now < certificate.not_valid_before_utc:
        raise InputError(
            f"the certificate {who} is not valid before "
            f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC",
            "look at this machine's clock (date -u), or wait",
        )
    _refuse_weak_key(certificate, who)
    _refuse_weak_signature(certificate, who)


def _refuse_weak_key(certificate: x509.Certificate, who: str) -> None:
    try:
        key = certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(
            f"the key of {who} is of a kind that clients do not know: {error}", _AGAIN
        ) from None
    why = ""
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < _LEAST_RSA_BITS:
            why = f"has {key.key_size} bits, and clients ask for {_LEAST_RSA_BITS}"
        elif key.key_size % 8:
            why = f"has {key.key_size} bits, which is no multiple of 8"
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVES:
            why = "is on a curve that clients refuse; P-256, P-384 and P-521 are accepted"
    elif isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        why = "is of a kind that cryptography's verifier, and so many Python clients, forbid in TLS"
    elif isinstance(key, dsa.DSAPublicKey):
        why = "is of a kind that no TLS client accepts any more"
    else:
        why = "is neither ECDSA nor RSA"
    if why:
        raise InputError(
            f"the {describe_key(key)} key of {who} {why}",
            "use ECDSA P-256, or RSA with 2048 bits or more",
        )


def _refuse_weak_signature(certificate: x509.Certificate, who: str) -> None:
    try:
        digest = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        digest = None
    name = certificate.signature_algorithm_oid._name
    # What an authority signs itself with proves nothing to anybody, but strict clients look at it.
    if digest is None or digest.name in _WEAK_HASHES:
        raise InputError(
            f"the certificate {who} is signed with {name}, which clients refuse",
            "ask for a signature with SHA-256",
        )


def refuse_as_authority(certificate: x509.Certificate, below: int) -> None:
    """Refuse what may not sign the certificates below it.

    Args:
        certificate: An intermediate, or the root.
        below: How many authorities stand between it and the server's certificate.

    Raises:
        InputError: It is no authority, may not sign, or not so deep, or not for servers.
    """
    who = subject_text(certificate.subject)
    if not list(certificate.subject):
        raise InputError("an authority of the chain has an empty name (RFC 5280, 4.1.2.6)", _AGAIN)
    basic = extension(certificate, x509.BasicConstraints)
    usage = extension(certificate, x509.KeyUsage)
    if basic is None or not basic.ca:
        what = "lacks basicConstraints" if basic is None else "says CA:FALSE"
        raise InputError(f"{who} signed the chain, and is no authority: it {what}", _AGAIN)
    if usage is not None and not usage.key_cert_sign:
        raise InputError(f"{who} signed the chain, and its keyUsage lacks keyCertSign", _AGAIN)
    if basic.path_length is not None and basic.path_length < below:
        raise InputError(
            f"{who} allows {basic.path_length} authorities below it, and there are {below}",
            _AGAIN,
        )
    _refuse_purpose(certificate, who)


def refuse_as_leaf(certificate: x509.Certificate) -> None:
    """Refuse what is no server's certificate.

    Raises:
        InputError: It is an authority, names nothing, or its usages exclude TLS servers.
    """
    who = subject_text(certificate.subject)
    basic = extension(certificate, x509.BasicConstraints)
    if basic is not None and basic.ca:
        raise InputError(
            f"{who} is an authority's certificate, not a server's",
            "give the server's certificate, and the authority's with the chain",
        )
    usage = extension(certificate, x509.KeyUsage)
    if usage is not None and not (usage.digital_signature or usage.key_encipherment):
        raise InputError(
            f"the keyUsage of {who} excludes TLS servers: it lacks digitalSignature", _AGAIN
        )
    _refuse_purpose(certificate, who)
    if extension(certificate, x509.SubjectAlternativeName) is None:
        raise InputError(
            f"{who} has no subject alternative names, and clients read no others",
            "ask for a certificate with subjectAltName",
        )


def _refuse_purpose(certificate: x509.Certificate, who: str) -> None:
    purposes = extension(certificate, x509.ExtendedKeyUsage)
    serves = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if purposes is not None and not serves & set(purposes):
        raise InputError(
            f"the extendedKeyUsage of {who} excludes TLS servers: it lacks serverAuth", _AGAIN
        )


def oddities(certificate: x509.Certificate, *, leaf: bool, root: bool) -> list[str]:
    """Say what strict clients dislike, and Docker and Podman do not mind."""
    who = subject_text(certificate.subject)
    odd: list[str] = []
    own = extension(certificate, x509.SubjectKeyIdentifier)
    above = extension(certificate, x509.AuthorityKeyIdentifier)
    if own is None and not leaf:
        odd.append(f"{who} has no subjectKeyIdentifier (RFC 5280, 4.2.1.2)")
    if above is None:
        if not root:
            odd.append(f"{who} has no authorityKeyIdentifier (RFC 5280, 4.2.1.1)")
    else:
        if above.key_identifier is None:
            odd.append(f"the authorityKeyIdentifier of {who} has no key identifier")
        elif root and own is not None and above.key_identifier != own.digest:
            odd.append(f"the authorityKeyIdentifier of {who} is not its own subjectKeyIdentifier")
        if above.authority_cert_issuer or above.authority_cert_serial_number is not None:
            odd.append(
                f"the authorityKeyIdentifier of {who} names issuer or serial number, which a "
                "reissued authority breaks"
            )
    purposes = extension(certificate, x509.ExtendedKeyUsage)
    if root and purposes is not None:
        odd.append(f"{who} is a root with an extendedKeyUsage")
    if leaf and purposes is None:
        odd.append(f"{who} has no extendedKeyUsage")
    if not leaf:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        if not constraints.critical:
            odd.append(f"the basicConstraints of {who} are not critical (RFC 5280, 4.2.1.9)")
        if extension(certificate, x509.KeyUsage) is None:
            odd.append(f"{who} has no keyUsage (RFC 5280, 4.2.1.3)")
    return odd


def covers(certificate: x509.Certificate, wanted: SubjectName) -> bool:
    """Tell whether a certificate is for a name, as clients match: a wildcard for one level."""
    names = extension(certificate, x509.SubjectAlternativeName)
    if names is None:
        return False
    if wanted.address is not None:
        return wanted.address in names.get_values_for_type(x509.IPAddress)
    zone = wanted.text.partition(".")[2]
    # OpenSSL matches no wildcard over a single label.
    below = f"*.{zone}" if "." in zone else ""
    held = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    return wanted.text in held or (below in held and not wanted.is_wildcard)


def extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """An extension's value, or None; only for certificates that `refuse_common` let pass."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
