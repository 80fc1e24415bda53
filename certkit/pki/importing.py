"""The gate for certificates that somebody else issued: checked hard before a home takes them.

What comes out is in the order in which it is served, whatever the order in the files was: the
server's certificate, then each authority that signed the one before it; the root is left out,
because clients have it or do not trust it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from certkit.errors import CertkitError, InputError
from certkit.names import SubjectName
from certkit.pki.bundle import fingerprint, subject_text
from certkit.pki.import_checks import (
    covers,
    extension,
    oddities,
    refuse_as_authority,
    refuse_as_leaf,
    refuse_common,
)
from certkit.pki.keys import PublicKey, describe_key
from certkit.pki.specs import MAX_LEAF_DAYS
from certkit.pki.verify import verify_server

MAX_CERTIFICATES = 20
"""More than this in one chain is a whole trust store given by mistake."""

_CHAIN = "give the certificates of the authorities above it with {option} FILE"


@dataclass(frozen=True)
class Accepted:
    """A certificate that passed the gate.

    Attributes:
        chain: What is to be served: the server's certificate, then the intermediates.
        root: The authority at the top; None when it was not among what was given.
        warnings: What the user should be told.
    """

    chain: tuple[x509.Certificate, ...]
    root: x509.Certificate | None
    warnings: tuple[str, ...]

    @property
    def leaf(self) -> x509.Certificate:
        """The server's certificate."""
        return self.chain[0]


def accept(
    certificates: Sequence[x509.Certificate],
    key: PublicKey,
    names: Iterable[SubjectName],
    wished: Iterable[SubjectName],
    now: datetime,
    *,
    option: str,
    known: Sequence[x509.Certificate] = (),
) -> Accepted:
    """Check a certificate and its chain.

    Args:
        certificates: All that was given, in any order.
        key: The public half of the server's key.
        names: What it must be for.
        wished: What it was asked to be for; it is warned of when it is not.
        now: The time, with a time zone.
        option: What the command line calls the file of the chain, for hints.
        known: Authorities that need not be given again.

    Raises:
        InputError: It is refused; the message says which certificate and why.
    """
    given = list({fingerprint(one): one for one in certificates}.values())
    if len(given) > MAX_CERTIFICATES:
        raise InputError(
            f"{len(given)} certificates are no chain", "give the server's, and those that signed it"
        )
    leaf = find_leaf(given, key)
    if leaf is None:
        raise InputError(
            f"no certificate among {len(given)} belongs to the {describe_key(key)} key",
            "give the certificate that was issued for this very key",
        )
    refuse_common(leaf, now)
    refuse_as_leaf(leaf)
    _refuse_names(leaf, names)
    path = _path(leaf, [*given, *(one for one in known if one not in given)], now)
    authorities = path[1:]
    if not authorities:
        what = "signed itself" if _issued(leaf, leaf) else "has no issuer among what was given"
        raise InputError(
            f"the certificate {subject_text(leaf.subject)} {what}", _CHAIN.format(option=option)
        )
    for below, one in enumerate(authorities):
        refuse_common(one, now)
        refuse_as_authority(one, below)
    whole = _issued(path[-1], path[-1])
    chain = path[:-1] if whole else path
    warnings = [
        *(
            f"the certificate is not for {name.display}, which was asked for"
            for name in wished
            if not covers(leaf, name)
        ),
        *_leaf_warnings(leaf),
        *(odd for one in authorities for odd in oddities(one, leaf=False, root=_issued(one, one))),
        *(
            f"{subject_text(one.subject)} is no part of the chain and was left out"
            for one in given
            if one not in path
        ),
    ]
    warnings += _verified(path, names, now)
    if not whole:
        warnings.append(
            f"the root above {subject_text(path[-1].subject)} was not given: a host that does not "
            f"trust it already can be given nothing; {_CHAIN.format(option=option)}"
        )
    return Accepted(tuple(chain), path[-1] if whole else None, tuple(dict.fromkeys(warnings)))


def find_leaf(certificates: Iterable[x509.Certificate], key: PublicKey) -> x509.Certificate | None:
    """The certificate that was issued for a key; the one that lasts longest when there are more."""
    found = [one for one in certificates if _key_of(one) == key]
    return max(found, key=lambda one: one.not_valid_after_utc, default=None)


def trusted_by(
    chain: Sequence[x509.Certificate], roots: Iterable[x509.Certificate]
) -> tuple[x509.Certificate, ...]:
    """Those of the roots that signed the chain's last certificate."""
    return tuple(root for root in roots if _issued(chain[-1], root))


def _key_of(certificate: x509.Certificate) -> object:
    try:
        return certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _refuse_names(leaf: x509.Certificate, names: Iterable[SubjectName]) -> None:
    missing = [name.display for name in names if not covers(leaf, name)]
    if not missing:
        return
    held = extension(leaf, x509.SubjectAlternativeName)
    texts = [str(name.value) for name in held or ()]
    raise InputError(
        f"the certificate is not for {', '.join(missing)}, by which images are named; it is for "
        + (", ".join(texts) or "no name"),
        "ask for one with these names, or name the registry as the certificate does",
    )


def _leaf_warnings(leaf: x509.Certificate) -> list[str]:
    days = (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days
    warnings = oddities(leaf, leaf=True, root=False)
    if days > MAX_LEAF_DAYS:
        warnings.append(f"{days} days is more than {MAX_LEAF_DAYS}, the most that Apple accepts")
    usage = extension(leaf, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        warnings.append("its keyUsage lacks digitalSignature, which TLS 1.3 needs")
    return warnings


def _verified(
    path: Sequence[x509.Certificate], names: Iterable[SubjectName], now: datetime
) -> list[str]:
    """Run the strictest verifier; what only its profile refuses is a warning.

    Raises:
        InputError: The chain does not hold even without the profile.
    """
    chain, top, wanted = path[:-1], [path[-1]], tuple(names)
    try:
        verify_server(chain, top, wanted, now)
    except CertkitError as strict:
        try:
            verify_server(chain, top, wanted, now, strict=False)
        except CertkitError as error:
            raise InputError(error.message, "ask whoever issued it") from error
        reason = strict.message.partition(": ")[2]
        return [
            "strict clients (Python 3.13 and later, openssl -x509_strict) refuse the chain, Docker "
            f"and Podman do not: {reason}"
        ]
    return []


def _path(
    leaf: x509.Certificate, given: Sequence[x509.Certificate], now: datetime
) -> list[x509.Certificate]:
    """The chain from the leaf up: rather to a root than not, rather valid now than not."""

    def valid(one: x509.Certificate) -> bool:
        return one.not_valid_before_utc <= now <= one.not_valid_after_utc

    def climb(path: list[x509.Certificate]) -> list[x509.Certificate]:
        top = path[-1]
        above = [one for one in given if one not in path and _issued(top, one)]
        if _issued(top, top) or not above:
            return path
        return max((climb([*path, one]) for one in above), key=rank)

    def rank(path: list[x509.Certificate]) -> tuple[bool, bool, int]:
        return all(map(valid, path)), _issued(path[-1], path[-1]), -len(path)

    return climb([leaf])


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
