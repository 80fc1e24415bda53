"""What clients say, as observed with dockerd, containers/image and OpenSSL."""

from __future__ import annotations

import json

import pytest

from certkit.errors import ErrorKind
from certkit.names import RegistryReference
from certkit.runtimes import answers

REACHED = [
    "Error response from daemon: manifest for r:5000/x:0 not found: manifest unknown",
    'Error response from daemon: Head "https://r:5000/v2/x/manifests/0": no basic auth credentials',
    "Error response from daemon: unauthorized: authentication required",
    "Error response from daemon: pull access denied for r:5000/x, repository does not exist or may "
    "require 'docker login': denied: requested access to the resource is denied",
    "Error: initializing source docker://r:5000/x:0: reading manifest 0 in r/x: manifest unknown",
    'Error response from daemon: failed to resolve reference "r:5000/x:0": r:5000/x:0: not found',
    "Error: initializing source docker://r:5000/x:0: reading manifest 0 in r:5000/x: name unknown: "
    "repository name not known to registry",
]
FAILED = [
    ("x509: certificate signed by unknown authority", ErrorKind.TRUST),
    (
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        ErrorKind.TRUST,
    ),
    ("x509: certificate is valid for a.lab, not r.lab", ErrorKind.NAME),
    ("x509: certificate is not valid for any names, but wanted to match r.lab", ErrorKind.NAME),
    (
        "x509: cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs",
        ErrorKind.NAME,
    ),
    ("x509: certificate relies on legacy Common Name field, use SANs instead", ErrorKind.NAME),
    (
        "x509: certificate has expired or is not yet valid: current time 2020-01-01T00:00:00Z is "
        "before 2026-01-01T00:00:00Z",
        ErrorKind.CLOCK,
    ),
    ("http: server gave HTTP response to HTTPS client", ErrorKind.NOT_TLS),
    ("dial tcp 10.0.0.1:5000: connect: connection refused", ErrorKind.NETWORK),
    ("dial tcp: lookup r.lab on 10.0.0.53:53: no such host", ErrorKind.NETWORK),
    ("dial tcp 10.0.0.1:5000: i/o timeout", ErrorKind.NETWORK),
    ("net/http: TLS handshake timeout", ErrorKind.NETWORK),
    (
        "context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
        ErrorKind.NETWORK,
    ),
    (
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.",
        ErrorKind.DAEMON,
    ),
    ("missing client certificate domain.cert for key domain.key", ErrorKind.TRUST),
    ("missing key ca.key for client certificate ca.cert.", ErrorKind.TRUST),
    ("remote error: tls: certificate required", ErrorKind.TRUST),
    ("something nobody has seen", ErrorKind.DAEMON),
    ("", ErrorKind.DAEMON),
]
SHAKEN = [
    ("verify error:num=20:unable to get local issuer certificate", ErrorKind.TRUST),
    ("verify error:num=18:self-signed certificate", ErrorKind.TRUST),
    ("verify error:num=62:hostname mismatch", ErrorKind.NAME),
    ("verify error:num=64:IP address mismatch", ErrorKind.NAME),
    ("verify error:num=10:certificate has expired", ErrorKind.CLOCK),
    ("verify error:num=9:certificate is not yet valid", ErrorKind.CLOCK),
    ("verify error:num=47:permitted subtree violation", ErrorKind.NAME),
    ("error:0A00010B:SSL routines:ssl3_get_record:wrong version number", ErrorKind.NOT_TLS),
    ("connect:errno=111", ErrorKind.NETWORK),
    ("40:error:BIO_lookup_ex:system lib: Name or service not known", ErrorKind.NETWORK),
]


@pytest.mark.parametrize("text", REACHED)
def test_refusals_prove_trust(text: str) -> None:
    assert answers.pull(1, text, expected=False).ok
    assert not answers.pull(1, text, expected=True).ok


@pytest.mark.parametrize(("text", "kind"), FAILED)
def test_failed_pulls(text: str, kind: ErrorKind) -> None:
    verdict = answers.pull(1, f"Pulling\nError response from daemon: {text}\n", expected=False)
    assert (verdict.ok, verdict.kind) == (False, kind)
    assert verdict.message
    assert verdict.hint


@pytest.mark.parametrize(("text", "kind"), SHAKEN)
def test_failed_handshakes(text: str, kind: ErrorKind) -> None:
    verdict = answers.handshake(1, text)
    assert verdict
    assert (verdict.ok, verdict.kind) == (False, kind)


def test_good_and_missing_handshakes() -> None:
    good = answers.handshake(0, "Verification: OK\nVerify return code: 0 (ok)\n")
    assert good is answers.OK
    assert answers.handshake(None, "") is None
    # A zero that shows no verification is no proof.
    silent = answers.handshake(0, "")
    assert silent and not silent.ok


def _unproven(said: object, text: str = "r.lab:5000", addresses: tuple[str, ...] = ()) -> str:
    reference = RegistryReference.parse(text)
    return answers.unproven("docker", reference, json.dumps(said), addresses)


def test_docker_insecure_by_name_or_network() -> None:
    networks = {"IndexConfigs": {}, "InsecureRegistryCIDRs": ["10.0.0.0/8", "127.0.0.0/8"]}
    assert _unproven({"IndexConfigs": {"r.lab:5000": {"Secure": False}}})
    assert not _unproven({"IndexConfigs": {"other:5000": {"Secure": False}}})
    assert _unproven(networks, "10.1.2.3:5000")
    assert _unproven(networks, addresses=("10.9.9.9",))
    assert not _unproven(networks, addresses=("192.168.0.1", "junk"))
    assert _unproven({}, "localhost:5000")
    assert _unproven({}, "127.0.0.2:5000")
    for junk in (None, [], "x", {"IndexConfigs": 3, "InsecureRegistryCIDRs": "y"}):
        assert not _unproven(junk)


def test_podman_insecure() -> None:
    reference = RegistryReference.parse("r.lab:5000")
    for prefix in ("r.lab:5000", "*.lab"):
        said = json.dumps({"registries": {"search": [], prefix: {"Insecure": True}}})
        assert answers.unproven("podman", reference, said)
    exact = {"*.lab": {"Insecure": True}, "r.lab:5000": {"Insecure": False}}
    assert not answers.unproven("podman", reference, json.dumps({"registries": exact}))
    assert not answers.unproven("podman", RegistryReference.parse("localhost:5000"), "{}")
