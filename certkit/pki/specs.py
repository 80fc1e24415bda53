"""What is to be issued, checked when it is built; nothing here signs anything."""

from __future__ import annotations

from dataclasses import dataclass, field

from certkit.errors import InputError
from certkit.names import SubjectName
from certkit.pki.constraints import Constraints
from certkit.pki.keys import KeyType

AUTHORITY_DAYS = 3650
"""Default life of an authority, in days."""

MAX_AUTHORITY_DAYS = 9132
"""The longest life of an authority, in days: 25 years (CA/B Forum BR 7.1.2.1.1)."""

LEAF_DAYS = 397
"""Default life of a server certificate, in days; more than this is warned about."""

MAX_LEAF_DAYS = 825
"""The longest life of a server certificate, in days: Apple clients refuse more, private or not."""

MAX_NAMES = 100
"""More names than this in one certificate is a mistake, and slows every verifier down."""


@dataclass(frozen=True)
class AuthoritySpec:
    """An authority to be made.

    Attributes:
        name: What its common name starts with: the registry.
        constraints: The names it may sign for.
        key_type: Its key.
        days: How long it is valid, in days.

    Raises:
        InputError: The days are out of range, or nothing is permitted.
    """

    name: str
    constraints: Constraints
    key_type: KeyType = KeyType.P384
    days: int = AUTHORITY_DAYS

    def __post_init__(self) -> None:
        if not self.name:
            raise InputError("the authority has no name")
        if not 1 <= self.days <= MAX_AUTHORITY_DAYS:
            raise InputError(
                f"an authority cannot be valid for {self.days} days",
                f"--ca-days takes 1 to {MAX_AUTHORITY_DAYS} (25 years)",
            )
        if not self.constraints.permitted:
            raise InputError("the authority is permitted no name at all")


@dataclass(frozen=True)
class LeafSpec:
    """A server certificate to be made.

    Attributes:
        names: Its subject alternative names; the first DNS name becomes the common name.
        days: How long it is valid, in days.
        warnings: What the user should be told about the request; filled when built.

    Raises:
        InputError: There is no name, one twice, too many, or the days are out of range.
    """

    names: tuple[SubjectName, ...]
    days: int = LEAF_DAYS
    warnings: tuple[str, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        if not self.names:
            raise InputError("a server certificate needs at least one name")
        if len(set(self.names)) != len(self.names):
            raise InputError("a name is given twice")
        if len(self.names) > MAX_NAMES:
            raise InputError(
                f"{len(self.names)} names are too many for one certificate",
                f"a certificate takes up to {MAX_NAMES}; a wildcard covers a whole level",
            )
        if not 1 <= self.days <= MAX_LEAF_DAYS:
            raise InputError(
                f"a server certificate cannot be valid for {self.days} days",
                f"--days takes 1 to {MAX_LEAF_DAYS}: clients refuse longer ones; "
                "renewing with certkit renew is one command",
            )
        warnings = []
        if self.days > LEAF_DAYS:
            warnings.append(
                f"{self.days} days is more than {LEAF_DAYS}, the most that some clients accept"
            )
        warnings += [
            f"{name.display} covers one level only: not {name.display[2:]} itself, and not "
            f"a.b.{name.display[2:]}"
            for name in self.names
            if name.is_wildcard
        ]
        object.__setattr__(self, "warnings", tuple(warnings))
