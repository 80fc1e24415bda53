"""What a registry was made with: kept beside its files, so that asking again is recognised."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from certkit.names import RegistryReference, SubjectName
from certkit.pki.constraints import Constraints, Permit
from certkit.pki.keys import KeyType
from certkit.pki.specs import AUTHORITY_DAYS, LEAF_DAYS, AuthoritySpec, LeafSpec


class Origin(str, Enum):
    """Where a registry's certificate comes from."""

    OWN = "own"
    IMPORTED = "imported"
    REQUESTED = "requested"

    @property
    def words(self) -> str:
        """For people."""
        return {
            "own": "its own authority, made by certkit",
            "imported": "another authority, imported with its key",
            "requested": "another authority, at certkit's request",
        }[self.value]


@dataclass(frozen=True)
class RegistryRequest:
    """A registry to be made, or that was made; equal requests compare equal in any order.

    Attributes:
        reference: The registry, as image names write it.
        aliases: Other references for the same registry; each gets its name into the certificate
            and its own directory on the hosts.
        sans: Further names in the certificate.
        permits: Zones and networks the authority may sign for besides all those names.
        key_type: The server's key type; the authority gets the stronger one of its family.
        days: Life of the server's certificate, in days.
        ca_days: Life of the authority, in days.
        origin: Where the certificate comes from. From elsewhere, `permits`, `days` and `ca_days`
            mean nothing, and neither does `key_type` of an imported one.

    Raises:
        InputError: The days are out of range, or there are too many names.
    """

    reference: RegistryReference
    aliases: tuple[RegistryReference, ...] = ()
    sans: tuple[SubjectName, ...] = ()
    permits: tuple[Permit, ...] = ()
    key_type: KeyType = KeyType.P256
    days: int = LEAF_DAYS
    ca_days: int = AUTHORITY_DAYS
    origin: Origin = Origin.OWN

    def __post_init__(self) -> None:
        aliases = sorted(set(self.aliases) - {self.reference}, key=lambda alias: alias.text)
        hosts = {reference.subject_name for reference in (self.reference, *aliases)}
        # Frozen, so the normal form is put in place by hand.
        object.__setattr__(self, "aliases", tuple(aliases))
        object.__setattr__(self, "sans", tuple(sorted(set(self.sans) - hosts)))
        permits = sorted(set(self.permits), key=lambda permit: permit.text)
        object.__setattr__(self, "permits", tuple(permits))
        _ = self.leaf_spec
        if self.origin is Origin.OWN:
            _ = self.authority_spec

    @classmethod
    def parse(
        cls,
        registry: str,
        *,
        aliases: Iterable[str] = (),
        sans: Iterable[str] = (),
        permits: Iterable[str] = (),
        key_type: str = KeyType.P256.value,
        days: int = LEAF_DAYS,
        ca_days: int = AUTHORITY_DAYS,
        origin: Origin = Origin.OWN,
    ) -> RegistryRequest:
        """Build a request from the texts of the command line.

        Raises:
            InputError: One of them is wrong; the message says which and why.
        """
        return cls(
            RegistryReference.parse(registry),
            tuple(RegistryReference.parse(alias) for alias in aliases),
            tuple(SubjectName.parse(san) for san in sans),
            tuple(Permit.parse(permit) for permit in permits),
            KeyType.parse(key_type),
            days,
            ca_days,
            origin,
        )

    @property
    def references(self) -> tuple[RegistryReference, ...]:
        """The registry, then its aliases."""
        return (self.reference, *self.aliases)

    @property
    def names(self) -> tuple[SubjectName, ...]:
        """The certificate's names; the registry's own comes first."""
        hosts = (reference.subject_name for reference in self.references)
        return tuple(dict.fromkeys((*hosts, *self.sans)))

    @property
    def leaf_spec(self) -> LeafSpec:
        """The server certificate that this asks for."""
        return LeafSpec(self.names, self.days)

    @property
    def authority_spec(self) -> AuthoritySpec:
        """The authority that this asks for."""
        return AuthoritySpec(
            self.reference.host,
            Constraints.derive(self.names, self.permits),
            self.key_type.of_authority,
            self.ca_days,
        )

    def to_json(self) -> dict[str, Any]:
        """The values for ``registry.json``, as the command line would have them.

        They are null where an option means nothing for a certificate of this origin.
        """
        own = self.origin is Origin.OWN
        return {
            "registry": self.reference.text,
            "origin": self.origin.value,
            "aliases": [alias.text for alias in self.aliases],
            "sans": [san.text for san in self.sans],
            "permits": [permit.text for permit in self.permits],
            "key_type": None if self.origin is Origin.IMPORTED else self.key_type.value,
            "days": self.days if own else None,
            "ca_days": self.ca_days if own else None,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RegistryRequest:
        """Read what `to_json` wrote.

        Raises:
            KeyError: A value is missing.
            TypeError: A value has the wrong type.
            ValueError: The origin is unknown.
            InputError: A value is wrong.
        """
        # Homes of the first versions know no other origin.
        origin = Origin(values.get("origin", Origin.OWN.value))
        days, ca_days = values["days"], values["ca_days"]
        if origin is not Origin.OWN:
            days, ca_days = LEAF_DAYS, AUTHORITY_DAYS
        if not isinstance(days, int) or not isinstance(ca_days, int):
            raise TypeError("days is not a number")
        return cls.parse(
            values["registry"],
            aliases=values["aliases"],
            sans=values["sans"],
            permits=values["permits"],
            key_type=values["key_type"] or KeyType.P256.value,
            days=days,
            ca_days=ca_days,
            origin=origin,
        )

    def difference(self, asked: RegistryRequest) -> tuple[str, ...]:
        """Tell how another request differs from this one, a line for each option.

        Returns:
            Lines such as ``--days is 397, asked for 90``; empty when both are the same.
        """
        options = {
            "registry": "the registry",
            "origin": "the certificate's origin",
            "aliases": "--alias",
            "sans": "--san",
            "permits": "--permit",
            "key_type": "--key-type",
            "days": "--days",
            "ca_days": "--ca-days",
        }
        mine, theirs = self.to_json(), asked.to_json()
        return tuple(
            f"{option} is {_shown(mine[key])}, asked for {_shown(theirs[key])}"
            for key, option in options.items()
            if mine[key] != theirs[key]
        )


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(part) for part in value) or "none"
    return str(value)
