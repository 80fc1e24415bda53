"""A bridge of the lab's own, and addresses on it that collide with nothing of this machine."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path

from tests.fleet.lab.shell import run

_CANDIDATES = [
    ipaddress.IPv4Network(f"10.{second}.{third}.0/24")
    for second in (213, 214, 215, 216)
    for third in range(1, 255)
]


@dataclass(frozen=True)
class Bridge:
    """A bridge of this machine, with the first address of a subnet."""

    name: str
    subnet: ipaddress.IPv4Network

    @property
    def address(self) -> str:
        """This machine's own address on the bridge."""
        return str(self.subnet[1])

    def machine_address(self, number: int) -> str:
        """The address of the machine with a number, counted from 0."""
        return str(self.subnet[10 + number])


def create_bridge(name: str) -> Bridge:
    """Make a bridge on a subnet that no route of this machine touches."""
    taken = _routed_networks()
    subnet = next(net for net in _CANDIDATES if not any(net.overlaps(other) for other in taken))
    bridge = Bridge(name, subnet)
    run(["ip", "link", "add", name, "type", "bridge"])
    try:
        run(["ip", "address", "add", f"{bridge.address}/{subnet.prefixlen}", "dev", name])
        run(["ip", "link", "set", name, "up"])
    except BaseException:
        delete_bridge(name)
        raise
    return bridge


def forget(bridge: str, address: str) -> None:
    """Forget which card an address was at: whoever calls it next hears at once that it is gone."""
    run(["ip", "neighbour", "flush", "to", address, "dev", bridge], check=False)


def delete_bridge(name: str) -> None:
    """Remove a bridge, if it is there."""
    if Path("/sys/class/net", name).exists():
        run(["ip", "link", "delete", name], check=False)


def _routed_networks() -> list[ipaddress.IPv4Network]:
    """The networks that this machine has a route to, the default route left out."""
    routes = json.loads(run(["ip", "-4", "-json", "route", "show", "table", "all"]).stdout)
    destinations = [route["dst"] for route in routes if route["dst"] != "default"]
    return [ipaddress.IPv4Network(destination, strict=False) for destination in destinations]
