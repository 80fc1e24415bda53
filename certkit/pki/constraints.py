"""Name constraints: which names an authority may vouch for (RFC 5280, 4.2.1.10).

A type of name that a constraint does not list stays unrestricted, so what is not permitted is
excluded in full: every address when only DNS names are permitted, the other address family when
only one is, every DNS name when only addresses are. A DNS constraint never starts with a dot;
cryptography and pkilint refuse that form.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import NamedTuple

from cryptography import x509

from certkit.errors import InputError
from certkit.names import SubjectName

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_EVERY: dict[int, Network] = {
    4: ipaddress.IPv4Network("0.0.0.0/0"),
    6: ipaddress.IPv6Network("::/0"),
}


class Permit(NamedTuple):
    """One ``--permit``: a DNS zone or an address range.

    Attributes:
        text: As it is stored and shown: ``example.com`` or ``10.0.0.0/24``.
        zone: The DNS zone, or empty.
        network: The address range, or None.
    """

    text: str
    zone: str = ""
    network: Network | None = None

    @classmethod
    def parse(cls, text: str) -> Permit:
        """Read a zone (``example.com``, also internationalised), a network or an address.

        Raises:
            InputError: It is neither; or a network with host bits set; or a zone written with a
                leading dot or ``*.``.
        """
        if text.startswith((".", "*.")):
            zone = text.lstrip("*").lstrip(".")
            raise InputError(
                f"the zone '{text}' starts with {'*.' if text.startswith('*') else 'a dot'}",
                f"write --permit {zone}, which covers {zone} and every name below it",
            )
        head, slash, length = text.partition("/")
        if slash:
            try:
                address = ipaddress.ip_address(head.strip("[]"))
                network = ipaddress.ip_network(f"{address}/{length}", strict=False)
            except ValueError:
                raise InputError(
                    f"'{text}' is not a network", "write --permit 10.0.0.0/24 or fd00::/64"
                ) from None
            if network.network_address != address:
                raise InputError(
                    f"the network '{text}' has host bits set", f"write --permit {network}"
                )
            return cls(str(network), network=network)
        name = SubjectName.parse(text)
        if name.address is not None:
            network = ipaddress.ip_network(name.address)
            return cls(str(network), network=network)
        return cls(name.text, zone=name.text)


class Constraints(NamedTuple):
    """What an authority may sign, as it stands in its certificate.

    Attributes:
        permitted_zones: DNS names that are permitted, with every name below them.
        permitted_networks: Address ranges that are permitted.
        excluded_zones: DNS names that are excluded; the empty string excludes all.
        excluded_networks: Address ranges that are excluded.
    """

    permitted_zones: tuple[str, ...] = ()
    permitted_networks: tuple[Network, ...] = ()
    excluded_zones: tuple[str, ...] = ()
    excluded_networks: tuple[Network, ...] = ()

    @classmethod
    def derive(cls, names: Iterable[SubjectName], permits: Iterable[Permit] = ()) -> Constraints:
        """Build the narrowest constraints that hold the names, widened by the permits.

        Args:
            names: What the authority must be able to sign: exact hosts, wildcards (their zone)
                and addresses (as /32 or /128).
            permits: Zones and networks beyond those.

        Returns:
            The constraints, with everything else excluded, in a stable order.
        """
        zones: set[str] = {permit.zone for permit in permits if permit.zone}
        networks: set[Network] = {permit.network for permit in permits if permit.network}
        for name in names:
            if name.address is not None:
                networks.add(ipaddress.ip_network(name.address))
            else:
                zones.add(name.text.removeprefix("*."))
        kept_zones = sorted(
            zone for zone in zones if not any(_below(zone, other) for other in zones - {zone})
        )
        kept_networks = sorted(
            (net for net in networks if not any(_inside(net, o) for o in networks - {net})),
            key=lambda net: (net.version, net),
        )
        families = {net.version for net in kept_networks}
        return cls(
            tuple(kept_zones),
            tuple(kept_networks),
            () if kept_zones else ("",),
            tuple(every for version, every in _EVERY.items() if version not in families),
        )

    @classmethod
    def of_certificate(cls, certificate: x509.Certificate) -> Constraints | None:
        """Read them from a certificate; None when it has none, so may sign any name."""
        try:
            extension = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
        except x509.ExtensionNotFound:
            return None
        permitted = extension.permitted_subtrees or []
        excluded = extension.excluded_subtrees or []
        return cls(_zones(permitted), _networks(permitted), _zones(excluded), _networks(excluded))

    def extension(self) -> x509.NameConstraints:
        """The X.509 extension, to be added as critical."""
        return x509.NameConstraints(
            _subtrees(self.permitted_zones, self.permitted_networks) or None,
            _subtrees(self.excluded_zones, self.excluded_networks) or None,
        )

    def allows(self, name: SubjectName) -> bool:
        """Whether a certificate for the name would be accepted under these constraints."""
        address = name.address
        if address is not None:
            if any(address in network for network in self.excluded_networks):
                return False
            return not self.permitted_networks or any(
                address in network for network in self.permitted_networks
            )
        base = name.text.removeprefix("*.")
        if any(not zone or _below(base, zone) for zone in self.excluded_zones):
            return False
        return not self.permitted_zones or any(_below(base, z) for z in self.permitted_zones)

    def check(self, names: Iterable[SubjectName]) -> None:
        """Refuse names that verifiers would refuse under these constraints.

        Raises:
            InputError: The first such name, with the constraints that exclude it.
        """
        for name in names:
            if not self.allows(name):
                raise InputError(
                    f"the authority may not sign for {name.display}: it is constrained to "
                    f"{self.summary}",
                    "a name outside needs a new authority: rotate it, permitting the name",
                )

    @property
    def summary(self) -> str:
        """What is permitted, in one line for people."""
        return ", ".join(self.permitted) or "nothing"

    @property
    def permitted(self) -> tuple[str, ...]:
        """The permitted zones and networks as text; a /32 or /128 as the bare address."""
        return (*self.permitted_zones, *(_network_text(net) for net in self.permitted_networks))

    @property
    def excluded(self) -> tuple[str, ...]:
        """The excluded zones and networks as text; ``*`` is every DNS name."""
        zones = (zone or "*" for zone in self.excluded_zones)
        return (*zones, *(_network_text(net) for net in self.excluded_networks))


def _below(name: str, zone: str) -> bool:
    return name == zone or name.endswith(f".{zone}")


def _inside(inner: Network, outer: Network) -> bool:
    if isinstance(inner, ipaddress.IPv4Network):
        return isinstance(outer, ipaddress.IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, ipaddress.IPv6Network) and inner.subnet_of(outer)


def _network_text(network: Network) -> str:
    single = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if single else str(network)


def _subtrees(zones: Iterable[str], networks: Iterable[Network]) -> list[x509.GeneralName]:
    return [
        *(x509.DNSName(zone) for zone in zones),
        *(x509.IPAddress(network) for network in networks),
    ]


def _zones(subtrees: Iterable[x509.GeneralName]) -> tuple[str, ...]:
    return tuple(name.value.lower() for name in subtrees if isinstance(name, x509.DNSName))


def _networks(subtrees: Iterable[x509.GeneralName]) -> tuple[Network, ...]:
    values = [name.value for name in subtrees if isinstance(name, x509.IPAddress)]
    return tuple(v for v in values if isinstance(v, (ipaddress.IPv4Network, ipaddress.IPv6Network)))
