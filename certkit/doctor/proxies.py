"""Whether a proxy would catch a registry, by Go's rules (``golang.org/x/net/http/httpproxy``)."""

from __future__ import annotations

import ipaddress
import re

from certkit.names import RegistryReference

_PASSWORD = re.compile(r"//[^/@\s]*@")


def caught(reference: RegistryReference, proxy: str, no_proxy: str) -> bool:
    """Tell whether a client with these settings reaches the registry through the proxy.

    Args:
        reference: The registry; it is asked over https.
        proxy: The value of HTTPS_PROXY; empty for none.
        no_proxy: The value of NO_PROXY.
    """
    host, port = reference.endpoint
    if not proxy or reference.is_loopback:
        return False
    address = ipaddress.ip_address(host) if reference.is_ip else None
    return not any(_holds(entry, host, port, address) for entry in re.split(r"[,\s]+", no_proxy))


def _holds(
    entry: str,
    host: str,
    port: int,
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None,
) -> bool:
    entry = entry.strip().lower()
    if not entry:
        return False
    if entry == "*":
        return True
    name, colon, digits = entry.rpartition(":")
    if colon and digits.isdigit() and (name.count(":") == 0 or name.endswith("]")):
        if int(digits) != port:
            return False
        entry = name
    entry = entry.strip("[]")
    if address is not None:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    # `example.com` covers itself and everything below; `.example.com` only what is below.
    entry = entry.removeprefix("*")
    return host == entry or host.endswith(entry if entry.startswith(".") else f".{entry}")


def shown(proxy: str) -> str:
    """Return a proxy's address without the password that may stand in it."""
    return _PASSWORD.sub("//***@", proxy)


def from_environment(text: str) -> tuple[str, str]:
    """Return HTTPS_PROXY and NO_PROXY out of lines of ``env``; lower case counts as well."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and value:
            found.setdefault(key.strip().lower(), value.strip())
    return found.get("https_proxy", ""), found.get("no_proxy", "")
