"""Renewing a registry's certificate: the new one lies beside the old until it is served.

`prepare` makes it, whoever deploys puts it into service, `promotion.promote` makes it current once
it was seen there. Each of them can be killed and run again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from certkit.errors import CertkitError, InputError
from certkit.home.disk.change import change_files
from certkit.home.home import Home
from certkit.home.keys.passphrase import PassphraseSources
from certkit.home.registry import AUTHORITY_KEY, RegistryFiles
from certkit.home.renewal.waiting import NextLeaf, find_next, next_writes, refuse_rotation_of
from certkit.home.request import Origin, RegistryRequest
from certkit.names import RegistryReference, SubjectName
from certkit.pki.issue import issue_leaf
from certkit.pki.keys import KeyType, PrivateKey, describe_key, generate_key
from certkit.pki.verify import verify_server

_NO_GAIN = timedelta(days=1)


@dataclass(frozen=True)
class RenewalWish:
    """How the new certificate is to differ from the old one.

    Attributes:
        sans: Names to add.
        aliases: References to add.
        key_type: Another key type; None keeps it.
        days: Another life, in days; None keeps it.
        reuse_key: Keep the server's key, for clients that pin it.

    Raises:
        InputError: A key type is given for a key that is kept.
    """

    sans: tuple[SubjectName, ...] = ()
    aliases: tuple[RegistryReference, ...] = ()
    key_type: KeyType | None = None
    days: int | None = None
    reuse_key: bool = False

    def __post_init__(self) -> None:
        if self.reuse_key and self.key_type is not None:
            raise InputError("--reuse-key and --key-type contradict each other", "give one of them")

    @classmethod
    def parse(
        cls,
        *,
        sans: Iterable[str] = (),
        aliases: Iterable[str] = (),
        key_type: str | None = None,
        days: int | None = None,
        reuse_key: bool = False,
    ) -> RenewalWish:
        """Build a wish from the texts of the command line.

        Raises:
            InputError: One of them is wrong.
        """
        return cls(
            tuple(SubjectName.parse(san) for san in sans),
            tuple(RegistryReference.parse(alias) for alias in aliases),
            None if key_type is None else KeyType.parse(key_type),
            days,
            reuse_key,
        )

    def applied_to(self, request: RegistryRequest) -> RegistryRequest:
        """What the registry is asked to be once the new certificate is current."""
        return replace(
            request,
            aliases=(*request.aliases, *self.aliases),
            sans=(*request.sans, *self.sans),
            key_type=self.key_type or request.key_type,
            days=request.days if self.days is None else self.days,
        )


def is_due(files: RegistryFiles, window: timedelta, now: datetime) -> bool:
    """Whether the registry's certificate ends within the window, or has ended."""
    return files.leaf.not_valid_after_utc - now <= window


def refuse_useless(files: RegistryFiles) -> None:
    """Refuse a renewal for time's sake where the authority itself ends as early.

    Raises:
        CertkitError: No new certificate can last longer; a new authority is needed.
    """
    if files.request.origin is not Origin.OWN:
        return
    end = files.authority.not_valid_after_utc
    if end - files.leaf.not_valid_after_utc < _NO_GAIN:
        raise CertkitError(
            f"renewing the certificate of {files.reference} gains no time: its authority ends on "
            f"{end:%Y-%m-%d}",
            "make a new authority with certkit rotate start",
        )


def prepare(
    home: Home,
    files: RegistryFiles,
    wish: RenewalWish,
    passphrases: PassphraseSources,
    now: datetime,
) -> NextLeaf:
    """Issue a new certificate and keep it beside the one in service.

    One that is waiting already and is what the wish asks for is returned as it is, so that a
    deployment that failed is tried again with the same certificate.

    Args:
        home: The home.
        files: The registry in it.
        wish: How it is to differ.
        passphrases: Where the authority's passphrase comes from; asked only when it is needed.
        now: The time, with a time zone.

    Raises:
        InputError: A name is outside the authority's constraints, or belongs to another registry.
        HomeError: The authority's key is encrypted and no passphrase was given, or a wrong one;
            or the home is unusable.
        CertkitError: The authority has ended.
    """
    files.require_own_authority("it cannot be renewed here")
    request = wish.applied_to(files.request)
    refuse_other_owner(home, files, request)
    refuse_rotation_of(files)
    waiting = find_next(files)
    if waiting is not None and _still_wanted(waiting, request, wish, now):
        return waiting
    secret = None
    if files.authority_key_protection.encrypted:
        # Before the lock is taken: somebody may think for a while.
        secret = passphrases.existing(str(files.path(AUTHORITY_KEY)))
    with home.lock("certkit renew"):
        # Read again: another command may have changed it while the question stood.
        files = RegistryFiles(files.directory)
        refuse_rotation_of(files)
        request = wish.applied_to(files.request)
        authority, authority_key = files.authority, files.authority_key(secret)
        server_key: PrivateKey = (
            files.server_key() if wish.reuse_key else generate_key(request.key_type)
        )
        leaf = issue_leaf(request.leaf_spec, server_key.public_key(), authority, authority_key, now)
        # What hosts have is what counts, not what signed it.
        verify_server([leaf.certificate], files.bundle().certificates, request.names, now)
        home.journal.append(
            "renew",
            registry=files.reference.text,
            what="server certificate issued, not yet in service",
            certificates=[leaf.certificate],
        )
        change_files(files.directory, next_writes(request, leaf.certificate, server_key, now))
    return NextLeaf(files, request, leaf.certificate, "prepared", leaf.warnings)


def refuse_other_owner(home: Home, files: RegistryFiles, request: RegistryRequest) -> None:
    """Refuse an alias that belongs to another registry of the home.

    Raises:
        InputError: There is one.
    """
    for alias in request.aliases:
        owner = home.find(alias)
        if owner is not None and owner.reference != files.reference:
            raise InputError(f"{alias} already belongs to the registry {owner.reference}")


def _still_wanted(
    waiting: NextLeaf, request: RegistryRequest, wish: RenewalWish, now: datetime
) -> bool:
    files, certificate = waiting.files, waiting.certificate
    old_key = certificate.public_key() == files.leaf.public_key()
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return (
        waiting.request == request
        and old_key == wish.reuse_key
        and (wish.reuse_key or describe_key(certificate.public_key()) == request.key_type.label)
        and certificate.issuer == files.authority.subject
        # One that has waited for long is no gain any more.
        and certificate.not_valid_after_utc - now > life * 2 / 3
    )
