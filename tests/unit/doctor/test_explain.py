"""What clients say, explained: the table of messages."""

from __future__ import annotations

import re
from itertools import takewhile

import pytest

from certkit.doctor.explain import explain
from certkit.doctor.messages_files import FILES
from certkit.doctor.messages_reach import REACH, VAGUE
from certkit.doctor.messages_tls import TLS
from tests.unit.cli.running import Command


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x509: certificate signed by unknown authority (possibly because of)", "missing"),
        ("x509: certificate relies on legacy Common Name field, use SANs instead", "name_missing"),
        ("cannot validate certificate for 10.0.0.1: doesn't contain any IP SANs", "name_missing"),
        ("x509: certificate is valid for a.lab, not b.lab", "name_missing"),
        ("x509: certificate is not valid for any names, but wanted to match x", "name_missing"),
        ("SSL: no alternative certificate subject name matches target host name", "name_missing"),
        ("x509: certificate has expired or is not yet valid: current time X is after Y", "expired"),
        ("certificate has expired or is not yet valid: current time X is before Y", "host_clock"),
        ("error 9 at 0 depth lookup: certificate is not yet valid", "host_clock"),
        ("verify error:num=47:permitted subtree violation", "constraints"),
        ("missing key ca.key for client certificate ca.cert. CA certificates must", "unpaired"),
        ("Missing client certificate domain.cert for key domain.key", "unpaired"),
        ("failed to load X509 key pair: tls: found a certificate rather than a key", "unpaired"),
        ('unable to load CA cert "/etc/docker/certs.d/x/ca.crt"', "der"),
        ("read /etc/docker/certs.d/x/old.crt: is a directory", "subdirectory"),
        ("open /etc/docker/certs.d/registry.lab:5000: permission denied", "closed_mode"),
        ("http: server gave HTTP response to HTTPS client", "plain_http"),
        ("routines:ssl3_get_record:wrong version number", "plain_http"),
        ("proxyconnect tcp: dial tcp 10.0.0.9:3128: connect: connection refused", "proxy"),
        ("dial tcp: lookup registry.lab on 10.0.0.2:53: no such host", "unresolved"),
        ("curl: (6) Could not resolve host: registry.lab", "unresolved"),
        ("dial tcp 10.0.0.1:5000: connect: connection refused", "port_closed"),
        ("net/http: request canceled (Client.Timeout exceeded while waiting)", "unreachable"),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "daemon_down"),
        ("curl: (60) SSL certificate problem: unable to get local issuer", "missing"),
        ("could not be accessed on a registry to record its digest", "missing"),
        ("remote error: tls: certificate required", "client_certificate"),
        ("manifest for r/x not found: manifest unknown", "trusted"),
        ("no basic auth credentials", "trusted"),
        ("invalid reference format: repository name must be lowercase", "reference"),
        # Go
        ("x509: certificate is not authorized to sign other certificates", "not_an_authority"),
        ("x509: too many intermediates for path length constraint", "not_an_authority"),
        ("x509: certificate specifies an incompatible key usage", "wrong_usage"),
        ("x509: certificate has expired or is not yet valid", "outside_validity"),
        ("x509: certificate has expired or is not yet valid: ", "outside_validity"),
        ("x509: unhandled critical extension", "chain_refused"),
        ("x509: cannot verify signature: insecure algorithm SHA1-RSA", "chain_refused"),
        ("x509: “registry.lab” certificate is not trusted", "missing"),
        ("x509: “registry.lab” certificate is not standards compliant", "chain_refused"),
        ("x509: “registry.lab” certificate name does not match input", "name_missing"),
        ("x509: “registry.lab” certificate is expired", "expired"),
        ("remote error: tls: handshake failure", "handshake"),
        ("remote error: tls: protocol version not supported", "handshake"),
        ("remote error: tls: unrecognized name", "handshake"),
        ("remote error: tls: internal error", "handshake"),
        ("remote error: tls: bad certificate", "client_certificate"),
        ('Head "https://registry.lab:5000/v2/x/manifests/1": EOF', "cut_off"),
        ('Get "https://registry.lab:5000/v2/": unexpected EOF', "cut_off"),
        ("read tcp 10.0.0.2:4->10.0.0.1:5000: read: connection reset by peer", "cut_off"),
        ("net/http: TLS handshake timeout", "unreachable"),
        (
            "http: TLS handshake error from 10.0.0.9:1: remote error: tls: bad certificate",
            "missing",
        ),
        (
            "http: TLS handshake error from [::1]:1: remote error: tls: unknown "
            "certificate authority",
            "missing",
        ),
        ("tls: private key does not match public key", "server_pair"),
        # Kubernetes, containerd, Podman, Helm, crane
        (
            'Failed to pull image "registry.lab:5000/a": failed to pull and unpack image '
            '"registry.lab:5000/a": failed to resolve reference: failed to do request: '
            'Head "https://registry.lab:5000/v2/a/manifests/1": '
            "tls: failed to verify "
            "certificate: x509: certificate signed by unknown authority",
            "missing",
        ),
        ("Back-off pulling image: ImagePullBackOff", "pull_failed"),
        ("Error: InvalidImageName", "reference"),
        ("pinging container registry registry.lab:5000: StatusCode: 500", "pull_failed"),
        ('short-name "app:1" did not resolve to an alias', "reference"),
        ("unable to connect to Podman socket", "daemon_down"),
        ("dial unix /run/containerd/containerd.sock: connect: connection refused", "daemon_down"),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", "trusted"),
        ("MANIFEST_UNKNOWN: manifest unknown; unknown tag=1", "trusted"),
        ("toomanyrequests: You have reached your pull rate limit.", "trusted"),
        ("received unexpected HTTP status: 503 Service Unavailable", "registry_failed"),
        # curl and OpenSSL
        ("curl: (60) SSL certificate problem: certificate has expired", "expired"),
        ("curl: (60) SSL certificate problem", "missing"),
        ("curl: (35) OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to", "cut_off"),
        ("curl: (52) Empty reply from server", "cut_off"),
        ("curl: (35) TLS connect error: sslv3 alert handshake failure", "handshake"),
        ("verify error:num=26:unsuitable certificate purpose", "wrong_usage"),
        ("verify error:num=79:invalid CA certificate", "not_an_authority"),
        ("verify error:num=66:EE certificate key too weak", "chain_refused"),
        ("tlsv1 alert unknown ca", "missing"),
        # Java
        (
            "sun.security.validator.ValidatorException: PKIX path building failed: "
            "sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid "
            "certification path to requested target",
            "missing",
        ),
        (
            "CertificateException: No subject alternative DNS name matching a.lab found.",
            "name_missing",
        ),
        ("CertificateException: No subject alternative names present", "name_missing"),
        ("CertificateException: No name matching registry.lab found", "name_missing"),
        (
            "Certificate for <r> doesn't match any of the subject alternative names: []",
            "name_missing",
        ),
        ("CertificateExpiredException: NotAfter: Mon Jan 01 00:00:00 UTC 2029", "expired"),
        ("CertificateNotYetValidException: NotBefore: Mon Jan 01", "host_clock"),
        ("SSLHandshakeException: Received fatal alert: handshake_failure", "handshake"),
        ("SSLHandshakeException: Remote host terminated the handshake", "cut_off"),
        ("SSLException: Unrecognized SSL message, plaintext connection?", "plain_http"),
        ("java.net.UnknownHostException: registry.lab", "unresolved"),
        # Python
        ("ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED]", "missing"),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch",
            "name_missing",
        ),
        (
            "certificate verify failed: CA cert does not include key usage extension",
            "not_an_authority",
        ),
        ("certificate verify failed: Missing Authority Key Identifier", "chain_refused"),
        # Node
        ("Error: UNABLE_TO_VERIFY_LEAF_SIGNATURE", "missing"),
        ("code: 'SELF_SIGNED_CERT_IN_CHAIN'", "missing"),
        ("DEPTH_ZERO_SELF_SIGNED_CERT", "missing"),
        ("UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "missing"),
        ("ERR_TLS_CERT_ALTNAME_INVALID", "name_missing"),
        ("Hostname/IP does not match certificate's altnames: Host: a.", "name_missing"),
        ("CERT_HAS_EXPIRED", "expired"),
        ("connect ECONNREFUSED 10.0.0.1:5000", "port_closed"),
        ("getaddrinfo ENOTFOUND registry.lab", "unresolved"),
        ("read ECONNRESET", "cut_off"),
        # .NET
        (
            "The remote certificate is invalid because of errors in the certificate chain: "
            "PartialChain",
            "missing",
        ),
        (
            "The remote certificate is invalid because of errors in the certificate chain: "
            "UntrustedRoot",
            "missing",
        ),
        ("according to the validation procedure: RemoteCertificateNameMismatch", "name_missing"),
        ("errors in the certificate chain: NotTimeValid", "outside_validity"),
        ("The remote certificate is invalid according to the validation procedure.", "missing"),
    ],
)
def test_a_known_message_is_explained(text: str, code: str) -> None:
    [first, *_] = explain(f"Error response from daemon: {text}")
    assert first.code == code
    assert first.causes and first.next


def test_the_message_fills_in_the_next_step() -> None:
    [one] = explain(
        'Get "https://[fd00::1]:5443/v2/": x509: certificate signed by unknown authority'
    )
    assert "certkit doctor [fd00::1]:5443 --host HOST" in one.next
    assert explain("the printer is on fire") == []


def test_what_says_more_keeps_what_says_less_away() -> None:
    [one] = explain("CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch")
    assert one.code == "name_missing"
    [one] = explain("dial unix /run/docker.sock: connect: connection refused")
    assert one.code == "daemon_down"
    [one] = explain("x509: certificate has expired or is not yet valid")
    assert "expired, or is not valid yet" in one.meaning


def test_a_name_that_is_not_permitted_needs_another_authority() -> None:
    [one] = explain(
        "x509: a root or intermediate certificate is not authorized to sign for this name"
    )
    assert "certkit rotate start --permit NAME" in one.next


def test_every_next_step_of_certkits_is_a_command_that_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = Command(monkeypatch, capsys)
    steps = {
        step
        for _, one in (*FILES, *TLS, *REACH, *VAGUE)
        for text in one.next
        for step in text.split(" && ")
        if step.startswith("certkit ")
    }
    assert len(steps) > 5
    for step in steps:
        words = step.split()[1:]
        told = command(*takewhile(lambda word: re.fullmatch("[a-z][a-z-]+", word), words), "--help")
        assert told.code == 0, step
        assert all(word in told.out for word in words if word.startswith("--")), step
