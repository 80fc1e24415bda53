"""What the served certificate says against the home, the reference and a clock."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from certkit.doctor.finding import Finding
from certkit.errors import CertkitError, ErrorKind
from certkit.names import RegistryReference
from certkit.pki.bundle import fingerprint, subject_text, time_text
from certkit.pki.verify import verify_server

_NAME = frozenset({ErrorKind.NAME})
_CLOCK = frozenset({ErrorKind.CLOCK})
_DEPLOY = "certkit registry deploy --next"
_RENEW = f"certkit renew && {_DEPLOY}"
_TRUST = frozenset({ErrorKind.TRUST, ErrorKind.NAME})


def judge_chain(
    chain: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    home_leaf: x509.Certificate | None,
    reference: RegistryReference,
    now: datetime,
    clock: datetime,
    *,
    strict: bool = True,
) -> list[Finding]:
    """Judge what a registry serves.

    Args:
        chain: As served, the registry's own certificate first.
        roots: What it may be signed by; empty when there is no home to judge by.
        home_leaf: What the home says is served.
        reference: As image names write it.
        now: The time here.
        clock: The time by the clock of the host that looked; `now` when that is this machine.
        strict: See `certkit.pki.verify.verify_server`.
    """
    leaf = chain[0]
    findings = [*_dates(leaf, now, clock), *_names(leaf, reference)]
    if not roots:
        return findings
    if not _anchored(chain, roots):
        findings.append(_stranger(leaf, roots))
        return findings
    if not findings:
        try:
            verify_server(chain, roots, [reference.subject_name], now, strict=strict)
        except CertkitError as error:
            findings.append(
                Finding(
                    "chain_refused",
                    90,
                    "the home's authority signed the served certificate, and still it is refused",
                    error.message,
                    f"certkit inspect {reference} --live; then {_RENEW}",
                    _TRUST,
                )
            )
    if home_leaf is not None and fingerprint(leaf) != fingerprint(home_leaf):
        findings.append(
            Finding(
                "other_certificate",
                35,
                "the registry serves another certificate than the home has; hosts accept it as "
                "long as it is valid",
                f"served {_short(leaf)}, the home has {_short(home_leaf)}",
                "certkit registry deploy",
            )
        )
    return findings


def _anchored(chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]) -> bool:
    """Tell whether signatures lead from the leaf to a root, whatever names and dates say."""
    current = chain[0]
    for _ in chain:
        if any(_issued(current, root) for root in roots):
            return True
        above = next((one for one in chain if one is not current and _issued(current, one)), None)
        if above is None:
            return False
        current = above
    return False


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if certificate == issuer:
        return True
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _dates(leaf: x509.Certificate, now: datetime, clock: datetime) -> list[Finding]:
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now > end:
        return [
            Finding(
                "expired",
                94,
                "the registry's certificate has expired",
                f"valid until {time_text(end)}, now it is {time_text(now)}",
                _RENEW,
                _CLOCK,
            )
        ]
    if now < start:
        return [
            Finding(
                "not_yet_valid",
                94,
                "the registry's certificate is not valid yet, by this machine's clock",
                f"valid from {time_text(start)}, now it is {time_text(now)}",
                f"check `date -u` here; if it is right: {_RENEW}",
                _CLOCK,
            )
        ]
    if clock < start or clock > end:
        return [
            Finding(
                "host_clock",
                95,
                "the host's clock lies outside the certificate's validity; this machine's does not",
                f"the host says {time_text(clock)}, here it is {time_text(now)}, valid "
                f"{time_text(start)} to {time_text(end)}",
                "on the host: timedatectl set-ntp true",
                _CLOCK,
            )
        ]
    return []


def _names(leaf: x509.Certificate, reference: RegistryReference) -> list[Finding]:
    if covers(leaf, reference):
        return []
    names = alternative_names(leaf)
    if not names:
        what = "the certificate has only a common name, which Go clients do not accept"
    elif reference.is_ip:
        what = f"the certificate does not hold the address {reference.host}"
    else:
        what = f"the certificate does not hold the name {reference.host}"
    return [
        Finding(
            "name_missing",
            93,
            what,
            f"it holds {', '.join(names) or subject_text(leaf.subject)}",
            f"use a name that it holds, or: certkit renew --san {reference.host} && {_DEPLOY}",
            _NAME,
        )
    ]


def _stranger(leaf: x509.Certificate, roots: Sequence[x509.Certificate]) -> Finding:
    ours = ", ".join(subject_text(root.subject) for root in roots)
    own = leaf.issuer == leaf.subject
    return Finding(
        "other_authority",
        91,
        "the registry serves a certificate that the home's authority did not sign",
        f"served {_short(leaf)}, signed by {'itself' if own else subject_text(leaf.issuer)}; "
        f"the home trusts {ours}",
        "certkit registry deploy, then certkit verify",
        _TRUST,
    )


def _short(certificate: x509.Certificate) -> str:
    return f"{subject_text(certificate.subject)} (SHA-256 {fingerprint(certificate)[:16]})"


def alternative_names(leaf: x509.Certificate) -> list[str]:
    """Return the DNS names and addresses of a certificate."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [str(one.value) for one in names if isinstance(one, (x509.DNSName, x509.IPAddress))]


def covers(leaf: x509.Certificate, reference: RegistryReference) -> bool:
    """Tell whether a client that asks for the reference finds its name in the certificate."""
    names = alternative_names(leaf)
    if reference.is_ip:
        wanted = ipaddress.ip_address(reference.host)
        return any(name == str(wanted) for name in names)
    host = reference.host
    for name in names:
        lower = name.lower()
        wild = lower.startswith("*.") and host.partition(".")[2] == lower[2:]
        if lower == host or wild:
            return True
    return False
