"""What a client's words mean: trust, name, clock, network, not TLS, or the daemon itself.

The texts are Go's, OpenSSL's and the clients' own (facts: observed with dockerd 20.10, docker CLI
28, containers/image 4.3 and OpenSSL 3; Go's ``crypto/x509`` has not changed these since 1.15).
"""

from __future__ import annotations

import functools
import ipaddress
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from certkit.errors import ErrorKind
from certkit.names import RegistryReference


class Verdict(NamedTuple):
    """What an answer shows.

    Attributes:
        ok: Whether the registry was reached over TLS that was trusted.
        kind: Why not; None when it is ok.
        message: One sentence; empty when it is ok.
        hint: The cure.
    """

    ok: bool
    kind: ErrorKind | None = None
    message: str = ""
    hint: str = ""


OK = Verdict(True)

# Order matters: the first pattern that fits wins, from the specific to the general.
_FAILURES: tuple[tuple[str, ErrorKind, str, str], ...] = (
    (
        r"gave HTTP response to HTTPS client|wrong version number|packet length too long"
        r"|first record does not look like a TLS handshake|unknown protocol|http request",
        ErrorKind.NOT_TLS,
        "the registry's port answers, but not with TLS",
        "give the registry its certificate: certkit registry deploy",
    ),
    (
        r"relies on legacy Common Name|doesn't contain any IP SANs|is valid for .+, not "
        r"|is not valid for any names|[Hh]ostname mismatch|IP address mismatch"
        r"|host ?name .*does not match|certificate is not valid for",
        ErrorKind.NAME,
        "the registry's certificate does not hold the name that was asked for",
        "renew it with that name: certkit renew --san NAME",
    ),
    (
        r"expired or is not yet valid|certificate has expired|certificate is not yet valid",
        ErrorKind.CLOCK,
        "the certificate is outside its validity by this host's clock",
        "compare the host's clock (date -u), and renew if it is right: certkit renew",
    ),
    (
        r"permitted subtree violation|excluded subtree|name constraint|not permitted by any"
        r"|permittedURI|CANotAuthorizedForThisName",
        ErrorKind.NAME,
        "the authority is not allowed to vouch for this name",
        "roll over to an authority that may: certkit rotate start --permit NAME",
    ),
    (
        r"x509: certificate signed by unknown authority|unable to get local issuer|self[- ]signed"
        r"|unable to verify the first certificate|unable to load CA cert|unable to get issuer"
        r"|authority and issuer serial|bad signature|certificate signature failure"
        r"|parent certificate cannot sign|invalid CA certificate|x509: ECDSA verification failure"
        r"|crypto/rsa: verification error|unsuitable certificate purpose|x509: ",
        ErrorKind.TRUST,
        "the host does not trust the certificate that the registry serves",
        "compare the two fingerprints (certkit inspect HOST:PORT), then certkit distribute or "
        "certkit registry deploy",
    ),
    (
        r"certkit: unable to read",
        ErrorKind.TRUST,
        "the host has no trust file for this registry",
        "place it: certkit distribute",
    ),
    (
        r"missing key .+ for client certificate|missing client certificate .+ for key"
        r"|[Mm]issing client certificate|failed to load X509 key pair|is a directory",
        ErrorKind.TRUST,
        "another file in the registry's directory keeps the client from reading the trust",
        "remove the stray .cert, .key or directory beside ca.crt",
    ),
    (
        r"certificate required|bad certificate|handshake failure|tls: ",
        ErrorKind.TRUST,
        "the TLS handshake was refused",
        "the registry may ask for a client certificate (http.tls.clientcas)",
    ),
    (
        r"[Cc]annot connect to the Docker daemon|[Ii]s the docker daemon running"
        r"|docker\.sock|permission denied while trying to connect|command not found"
        r"|No such file or directory",
        ErrorKind.DAEMON,
        "the runtime itself does not answer",
        "look at its service: systemctl status docker",
    ),
    (
        r"no such host|server misbehaving|[Tt]emporary failure in name resolution"
        r"|Name or service not known|nodename nor servname|getaddrinfo|BIO_lookup_ex"
        r"|connection refused|Connection refused|i/o timeout|[Cc]onnection timed out"
        r"|no route to host|No route to host|[Nn]etwork is unreachable|connection reset"
        r"|Connection reset|deadline exceeded|Client\.Timeout|proxyconnect|connect:errno"
        r"|TLS handshake timeout|\bEOF\b|Service Unavailable|Bad Gateway|Gateway Time",
        ErrorKind.NETWORK,
        "the registry cannot be reached from this host",
        "check the name's address, the port, the firewall and the daemon's proxy settings",
    ),
    (
        r"invalid reference format",
        ErrorKind.NAME,
        "the runtime does not accept this reference",
        "use a DNS name: Podman knows no IPv6 address in image names",
    ),
)

REACHED = (
    r"manifest unknown|manifest .+ not found|not found: manifest|name unknown|unauthorized"
    r"|no basic auth credentials|pull access denied|authentication required|access forbidden"
    r"|denied: |toomanyrequests|manifest for .+ not found|repository .+ not found|NAME_UNKNOWN"
    r"|failed to resolve reference .+: not found|reading manifest .+: "
    r"|requested access to the resource is denied|received unexpected HTTP status: 40[134]"
)
"""Answers that only a registry can give: it was reached, and its certificate accepted. An extended
regular expression, whatever the case: hosts judge by it too."""

TIMED_OUT = 124


def handshake(status: int | None, text: str) -> Verdict | None:
    """Judge the bare handshake of ``openssl s_client``.

    Args:
        status: Its exit status; None when the host has no openssl.
        text: What it said.

    Returns:
        The verdict, or None when nothing was tried.
    """
    if status is None:
        return None
    if status == 0 and ("Verify return code: 0" in text or "Verification: OK" in text):
        return OK
    return _failed(status, text)


def pull(status: int, text: str, *, expected: bool) -> Verdict:
    """Judge a pull by the runtime's own client.

    Args:
        status: Its exit status.
        text: What it said.
        expected: Whether the image should exist: then only a finished pull is ok. Without, the
            registry's own refusal is the proof that was looked for.
    """
    if status == 0:
        return OK
    # Trust first: a registry's refusal can quote anything, but it comes after the handshake.
    if not expected and _reached(text) and "x509: " not in text:
        return OK
    verdict = _failed(status, text)
    if expected and verdict.kind is ErrorKind.DAEMON and _reached(text):
        return Verdict(
            False,
            ErrorKind.DAEMON,
            f"the registry was reached and trusted, but the image did not come: {_last(text)}",
            "check the image's name, and docker login on the host",
        )
    return verdict


def _failed(status: int, text: str) -> Verdict:
    for pattern, kind, message, hint in _FAILURES:
        if re.search(pattern, text):
            return Verdict(False, kind, f"{message}: {_last(text, pattern)}", hint)
    if status == TIMED_OUT:
        return Verdict(
            False,
            ErrorKind.NETWORK,
            "no answer came in time",
            "check that the registry can be reached from this host, and its proxy settings",
        )
    return Verdict(
        False,
        ErrorKind.DAEMON,
        f"the runtime failed: {_last(text)}",
        "try the same pull by hand on the host",
    )


def _reached(text: str) -> bool:
    return re.search(REACHED, text, re.IGNORECASE) is not None


def _last(text: str, pattern: str | None = None) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    fitting = [line for line in lines if pattern is not None and re.search(pattern, line)]
    return ((fitting or lines or ["it said nothing"])[-1])[:300]


def unproven(
    runtime: str, reference: RegistryReference, said: str, addresses: Sequence[str] = ()
) -> str:
    """Tell why a pass would prove nothing, if so.

    Args:
        runtime: The runtime's name.
        reference: What was asked for.
        said: The output of the runtime's `Probe.verification`.
        addresses: IP addresses the host resolves the name to, where known.

    Returns:
        The reason, or an empty text when verification is on as far as can be seen.
    """
    if runtime.startswith("docker"):
        if reference.is_loopback:
            return f"Docker never verifies {reference.host}: it takes loopback for insecure"
        return _docker_insecure(reference, said, addresses)
    return _podman_insecure(reference.text, said)


def insecure_indexes(said: str) -> frozenset[str]:
    """Return the references that a Docker daemon lists as insecure, by its own word."""
    indexes = _json(said).get("IndexConfigs")
    return frozenset(
        name
        for name, entry in (indexes.items() if isinstance(indexes, dict) else ())
        if isinstance(entry, dict) and entry.get("Secure") is False
    )


# Most hosts of a fleet say the same of the same registry. Few are kept, since that can be long.
@functools.lru_cache(maxsize=32)
def insecure_note(runtime: str, reference_text: str, said: str) -> str:
    """Return `unproven` for a directory's name, as a note; empty when it is no reference."""
    try:
        reference = RegistryReference.parse(reference_text)
    except Exception:  # noqa: BLE001 - a certs_dir of the operator's may end in anything
        return ""
    return unproven(runtime, reference, said)


def lies_in(address: str, network: str) -> bool:
    """Whether an address lies in a network; not where either of them is none."""
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _docker_insecure(reference: RegistryReference, said: str, addresses: Sequence[str]) -> str:
    config = _json(said)
    # moby daemon/pkg/registry/config.go isSecureIndex: an IndexConfigs entry decides; otherwise
    # the host, or any address it resolves to, lying in an insecure network.
    indexes = config.get("IndexConfigs")
    entry = indexes.get(reference.text) if isinstance(indexes, dict) else None
    if isinstance(entry, dict):
        if entry.get("Secure") is False:
            return f"{reference.text} is listed in the daemon's insecure-registries"
        return ""
    own = [reference.host] if reference.is_ip else []
    networks = config.get("InsecureRegistryCIDRs")
    for network in networks if isinstance(networks, list) else []:
        for address in (*own, *addresses):
            if lies_in(address, str(network)):
                return f"{address} lies in {network} of the daemon's insecure-registries"
    return ""


def _podman_insecure(reference_text: str, said: str) -> str:
    registries = _json(said).get("registries")
    if not isinstance(registries, dict):
        return ""
    best = ""
    found: dict[str, Any] = {}
    for prefix, entry in registries.items():
        if not isinstance(entry, dict):
            continue
        wild = prefix.startswith("*.") and reference_text.partition(":")[0].endswith(prefix[1:])
        if (prefix == reference_text or wild) and len(prefix) >= len(best):
            best, found = prefix, entry
    if found.get("Insecure") is True or found.get("insecure") is True:
        return f"registries.conf has insecure = true for {best}"
    return ""


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
