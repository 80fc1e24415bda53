"""Inspection: a certificate as plain data, and the same in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from certkit.pki.bundle import colons, fingerprint, subject_text, time_text
from certkit.pki.constraints import Constraints
from certkit.pki.keys import describe_key

_T = TypeVar("_T")
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)

_USAGES = {
    "digital_signature": "digitalSignature",
    "content_commitment": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}


@dataclass(frozen=True)
class CertificateDescription:
    """A certificate as data; a value that cannot be read is empty and named in `problems`.

    Attributes:
        subject: Distinguished name (RFC 4514).
        issuer: Distinguished name (RFC 4514).
        serial: Hex digits.
        sha256: Fingerprint, 64 lower-case hex digits.
        not_before: RFC 3339, UTC.
        not_after: RFC 3339, UTC.
        days_left: Whole days until the end at the time of inspection; negative when past.
        state: ``valid``, ``expired`` or ``not yet valid``.
        authority: Whether it may sign certificates.
        path_length: How many authorities may stand below it, or None for no limit.
        self_issued: Whether issuer and subject are the same name.
        key: Kind and size of its key.
        signature: Name of the signature algorithm.
        names: Subject alternative names.
        key_usage: By their RFC 5280 names.
        extended_key_usage: Names, or dotted numbers where there is none.
        subject_key_id: Hex digits, or empty.
        authority_key_id: Hex digits, or empty.
        permitted: What its name constraints permit; None when it has none, so may sign any name.
        excluded: What they exclude; ``*`` is every DNS name.
        problems: What could not be read.
    """

    subject: str
    issuer: str
    serial: str
    sha256: str
    not_before: str
    not_after: str
    days_left: int
    state: str
    authority: bool
    path_length: int | None
    self_issued: bool
    key: str
    signature: str
    names: tuple[str, ...]
    key_usage: tuple[str, ...]
    extended_key_usage: tuple[str, ...]
    subject_key_id: str
    authority_key_id: str
    permitted: tuple[str, ...] | None
    excluded: tuple[str, ...] | None
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The values for ``json.dumps``."""
        return asdict(self)

    def words(self) -> list[tuple[str, str]]:
        """Label and text pairs for people, without what is empty."""
        kind = "authority" if self.authority else "server certificate"
        if self.authority and self.path_length is not None:
            kind += f", signs servers only (path length {self.path_length})" * (
                self.path_length == 0
            )
        until = f"{self.not_after} ({self._remaining()})"
        usage = ", ".join((*self.key_usage, *self.extended_key_usage))
        pairs = [
            ("kind", kind),
            ("subject", self.subject),
            ("issuer", "itself" if self.self_issued else self.issuer),
            ("names", ", ".join(self.names)),
            ("valid from", self.not_before),
            ("valid until", until),
            ("key", f"{self.key}, signed with {self.signature}"),
            ("usage", usage),
            ("serial", self.serial),
            ("SHA-256", colons(self.sha256)),
        ]
        if self.permitted is not None:
            pairs.append(("may sign", permitted_words(self.permitted)))
            pairs.append(("may not sign", ", ".join(self.excluded or ())))
        elif self.authority:
            pairs.append(("may sign", "any name (it has no name constraints)"))
        pairs += [("problem", problem) for problem in self.problems]
        return [(label, text) for label, text in pairs if text]

    def _remaining(self) -> str:
        if self.state == "expired":
            return "EXPIRED"
        if self.state != "valid":
            return "NOT YET VALID"
        return f"{self.days_left} days left"


def permitted_words(permitted: tuple[str, ...]) -> str:
    """What may be signed, for people: a permitted zone covers the names below it as well."""
    zones = [text for text in permitted if ":" not in text and not text[-1].isdigit()]
    rest = [text for text in permitted if text not in zones]
    below = " and every name below" if zones else ""
    words = ", ".join([*([", ".join(zones) + below] if zones else []), *rest])
    return words or "any name not excluded"


def describe_certificate(certificate: x509.Certificate, now: datetime) -> CertificateDescription:
    """Describe any certificate, also one that breaks the rules; never raises for its content.

    Args:
        certificate: What to describe.
        now: The time that `days_left` and `state` refer to, with a time zone.
    """
    problems: list[str] = []

    def read(what: str, getter: Callable[[], _T], default: _T) -> _T:
        try:
            return getter()
        except x509.ExtensionNotFound:
            return default
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
            problems.append(f"{what}: {error}")
            return default

    def extension(kind: type[_Extension]) -> _Extension:
        return certificate.extensions.get_extension_for_class(kind).value

    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    constraints = read("name constraints", lambda: Constraints.of_certificate(certificate), None)
    basic = read("basic constraints", lambda: extension(x509.BasicConstraints), None)
    issuer = read("issuer", lambda: subject_text(certificate.issuer), "")
    subject = read("subject", lambda: subject_text(certificate.subject), "")
    key_id = read("authority key id", lambda: extension(x509.AuthorityKeyIdentifier), None)
    return CertificateDescription(
        subject=subject,
        issuer=issuer,
        serial=read("serial", lambda: f"{certificate.serial_number:x}", ""),
        sha256=fingerprint(certificate),
        not_before=time_text(start),
        not_after=time_text(end),
        days_left=(end - now).days,
        state="expired" if now > end else "valid" if now >= start else "not yet valid",
        authority=basic is not None and basic.ca,
        path_length=basic.path_length if basic is not None else None,
        self_issued=issuer == subject,
        key=read("key", lambda: describe_key(certificate.public_key()), ""),
        signature=read("signature", lambda: certificate.signature_algorithm_oid._name, ""),
        names=read("names", lambda: _names(extension(x509.SubjectAlternativeName)), ()),
        key_usage=read("key usage", lambda: _usages(extension(x509.KeyUsage)), ()),
        extended_key_usage=read(
            "extended key usage", lambda: _purposes(extension(x509.ExtendedKeyUsage)), ()
        ),
        subject_key_id=read(
            "subject key id", lambda: extension(x509.SubjectKeyIdentifier).digest.hex(), ""
        ),
        authority_key_id=(key_id.key_identifier or b"").hex() if key_id is not None else "",
        permitted=None if constraints is None else constraints.permitted,
        excluded=None if constraints is None else constraints.excluded,
        problems=tuple(problems),
    )


def _names(extension: x509.SubjectAlternativeName) -> tuple[str, ...]:
    shown = []
    for name in extension:
        value = name.value
        plain = isinstance(name, (x509.DNSName, x509.IPAddress))
        text = str(value) if plain else f"{type(name).__name__}:{value}"
        shown.append("".join(c if c.isprintable() else "?" for c in text))
    return tuple(shown)


def _usages(extension: x509.KeyUsage) -> tuple[str, ...]:
    return tuple(shown for name, shown in _USAGES.items() if getattr(extension, name))


def _purposes(extension: x509.ExtendedKeyUsage) -> tuple[str, ...]:
    return tuple(
        oid.dotted_string if oid._name == "Unknown OID" else oid._name for oid in extension
    )
