"""Whether a registry can be reached at all: from this machine, and from a host."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cryptography import x509

from certkit.doctor.finding import HERE, Finding, Observation
from certkit.doctor.here import View
from certkit.doctor.proxies import caught, shown
from certkit.errors import ErrorKind
from certkit.names import RegistryReference
from certkit.pki.bundle import fingerprint, subject_text, time_text
from certkit.remote.examined import Endpoint
from certkit.runtimes import answers

_DNS = frozenset({ErrorKind.DNS, ErrorKind.NETWORK})
_NETWORK = frozenset({ErrorKind.NETWORK, ErrorKind.REFUSED, ErrorKind.TIMEOUT})
_NOT_TLS = frozenset({ErrorKind.NOT_TLS})
_REFUSED = re.compile(r"errno=111|[Cc]onnection refused")
_UNRESOLVED = re.compile(r"BIO_lookup|getaddrinfo|[Nn]ame or service not known|name resolution")
# What openssl says where no connection came about, or none that lasted.
_UNREACHED = re.compile(
    r"connect:errno|connect error|(read|write):errno|unexpected eof|BIO_connect"
    r"|[Cc]onnection (timed out|reset)|[Oo]peration timed out|[Nn]o route to host"
    r"|([Nn]etwork|[Hh]ost) is (unreachable|down)"
)


def reached_from_here(view: View, reference: RegistryReference) -> list[Finding]:
    """Judge how the registry was reached from this machine."""
    if view.error is None:
        return []
    host, port = reference.endpoint
    message = view.error.message
    if view.error.kind is ErrorKind.DNS:
        return [_unresolved(host, message, ())]
    if view.error.kind is ErrorKind.NOT_TLS:
        return [_plain(reference, view.http or message)]
    if view.error.kind is ErrorKind.REFUSED:
        return [_closed(host, port, view.addresses, message)]
    return [_unreachable(host, port, view.addresses, message)]


def seen_from_here(view: View, reference: RegistryReference) -> list[Observation]:
    """Say what was seen from this machine, good or bad."""
    seen = [
        Observation(HERE, f"{reference.host} resolves to", ", ".join(view.addresses) or "nothing")
    ]
    if view.chain:
        seen.append(Observation(HERE, f"{reference} serves", described(view.chain[0])))
    if caught(reference, view.proxy, view.no_proxy):
        text = f"HTTPS_PROXY={shown(view.proxy)}, and NO_PROXY does not hold {reference.host}"
        seen.append(Observation(HERE, "clients started here use a proxy", text))
    return seen


def reached_from_host(
    endpoint: Endpoint,
    reference: RegistryReference,
    here: View,
    chain: Sequence[x509.Certificate],
) -> list[Finding]:
    """Judge how the registry was reached from a host.

    Args:
        endpoint: What the host saw.
        reference: Which registry.
        here: What this machine saw.
        chain: What was served to the host.
    """
    host, port = reference.endpoint
    if endpoint.addresses == () and not reference.is_ip:
        return [_unresolved(host, f"getent ahosts {host}: nothing", here.addresses)]
    addresses = endpoint.addresses or ()
    other = bool(addresses and here.addresses) and not set(addresses) & set(here.addresses)
    findings = []
    if chain:
        if here.chain and fingerprint(chain[0]) != fingerprint(here.chain[0]):
            findings.append(
                Finding(
                    "other_server",
                    92,
                    "the host reaches another server than this machine does under this name",
                    f"there {', '.join(addresses) or 'unknown'} serves {described(chain[0])}; here "
                    f"{', '.join(here.addresses)} serves {described(here.chain[0])}",
                    f"correct its address on the host: getent hosts {host}; /etc/hosts, or DNS",
                )
            )
        return findings
    if other and here.chain:
        text = f"there {', '.join(addresses)}, here {', '.join(here.addresses)}"
        return [
            Finding(
                "other_address",
                95,
                f"{host} has another address on the host than here, and no registry answers there",
                text,
                f"correct it on the host: getent hosts {host}; /etc/hosts, or its DNS server",
                _NETWORK | _NOT_TLS,
            )
        ]
    if endpoint.status is None:
        return []
    verdict = answers.handshake(endpoint.status, endpoint.words)
    words = " ".join(endpoint.words.split())[:200] or "no answer"
    if verdict is not None and verdict.kind is ErrorKind.NOT_TLS:
        return [_plain(reference, here.http or words)]
    if _UNRESOLVED.search(endpoint.words):
        return [_unresolved(host, words, here.addresses)]
    if _REFUSED.search(endpoint.words):
        return [_closed(host, port, addresses, words)]
    if endpoint.status == answers.TIMED_OUT or _UNREACHED.search(endpoint.words):
        return [_unreachable(host, port, addresses, words)]
    return [_unexamined(host, port, words)]


def described(leaf: x509.Certificate) -> str:
    """Return a certificate in one line."""
    return (
        f"{subject_text(leaf.subject)}, until {time_text(leaf.not_valid_after_utc)}, "
        f"SHA-256 {fingerprint(leaf)[:16]}"
    )


def _unresolved(host: str, proof: str, known: Sequence[str]) -> Finding:
    address = known[0] if known else "ADDRESS"
    return Finding(
        "unresolved",
        96,
        f"{host} does not resolve",
        proof,
        f"add it to DNS, or: echo '{address} {host}' >> /etc/hosts",
        _DNS,
    )


def _closed(host: str, port: int, addresses: Sequence[str], proof: str) -> Finding:
    return Finding(
        "port_closed",
        94,
        f"nothing listens at {host} port {port}",
        f"{', '.join(addresses)}: {proof}",
        "start the registry (certkit registry status), or correct the port in the reference",
        _NETWORK,
    )


def _unreachable(host: str, port: int, addresses: Sequence[str], proof: str) -> Finding:
    return Finding(
        "unreachable",
        93,
        f"{host} port {port} does not answer",
        f"{', '.join(addresses)}: {proof}",
        f"check route and firewall: ip route get {addresses[0] if addresses else host}",
        _NETWORK,
    )


def _unexamined(host: str, port: int, proof: str) -> Finding:
    return Finding(
        "unexamined",
        50,
        f"what {host} port {port} serves could not be examined there",
        proof,
        f"try it on the host: openssl s_client -connect {host}:{port}",
    )


def _plain(reference: RegistryReference, proof: str) -> Finding:
    return Finding(
        "plain_http",
        94,
        f"{reference} answers, but not with TLS",
        proof,
        "give it its certificate: certkit registry deploy (REGISTRY_HTTP_TLS_CERTIFICATE, _KEY)",
        _NOT_TLS,
    )
