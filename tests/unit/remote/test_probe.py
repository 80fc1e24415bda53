"""The probe phase: what the host's own openssl and its runtime's client say."""

from __future__ import annotations

import hashlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from certkit.errors import ErrorKind
from certkit.fleet.proof import judge_probe
from certkit.names import RegistryReference
from certkit.remote import program
from certkit.remote.protocol import decode_probe
from certkit.remote.report import ProbeReport
from certkit.runtimes import answers
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.state import HostState, RuntimeChoice, beside_system

REFERENCE = "registry.lab:5000"


def wanted(*references: str) -> HostState:
    parsed = [RegistryReference.parse(text) for text in references or (REFERENCE,)]
    return desired_state(parsed, b"PEM\n", RuntimeChoice(("docker",)))


def probe(host: Any, reference: str = REFERENCE, image: str = "") -> ProbeReport:
    exchange = program.probe(
        wanted(reference).runtimes[0], "", [RegistryReference.parse(reference)], image, timeout=30
    )
    (report,) = decode_probe(host.run(exchange).stdout, exchange.nonce)
    return report


def test_name_that_does_not_exist(host: Any) -> None:
    host.fake("openssl", "#!/bin/sh\nexit 1\n")
    host.state("pull-text", "Error: manifest for x not found: manifest unknown\x1b[2J")
    report = probe(host)
    assert (report.name, report.reference, report.pull) == ("docker", REFERENCE, 1)
    assert "\x1b" not in report.pull_text
    assert answers.pull(report.pull, report.pull_text, expected=False).ok
    assert report.verification.strip() == '{"IndexConfigs":{}}'
    asked = host.at("/state/pulled").read_text().strip()
    assert asked.startswith(f"{REFERENCE}/certkit-probe-")
    assert asked.endswith(":0")
    assert not host.at("/state/removed").exists()


@pytest.mark.parametrize("before", [False, True])
def test_image_is_pulled_by_tag_and_digest_and_removed_unless_it_was_there(
    host: Any, before: bool
) -> None:
    digest = f"{REFERENCE}/app@sha256:{'a' * 64}"
    host.state("pull-status", "0")
    host.state("digests", f"other.lab/app@sha256:{'b' * 64}\n{digest}\n\n")
    host.state("present", f"{REFERENCE}/app:1\n" if before else "")
    report = probe(host, image="app:1")
    assert (report.pull, report.digests) == (0, (digest,))
    assert host.at("/state/pulled").read_text().split() == [f"{REFERENCE}/app:1", digest]
    assert host.at("/state/removed").exists() is not before


def test_a_pull_that_hangs_is_bounded(host: Any) -> None:
    host.fake("docker", "#!/bin/sh\ncase $* in *' pull '*) exec sleep 60;; esac\n")
    host.fake("openssl", "#!/bin/sh\nexec sleep 60\n")
    exchange = program.probe(
        wanted().runtimes[0], "", [RegistryReference.parse(REFERENCE)], timeout=1
    )
    (report,) = decode_probe(host.run(exchange).stdout, exchange.nonce)
    assert report.pull == answers.TIMED_OUT
    assert answers.pull(report.pull, "", expected=False).kind is ErrorKind.NETWORK


def test_without_openssl(make_host: Callable[..., Any]) -> None:
    assert probe(make_host("busybox-userland")).handshake is None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, bytes]]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed here; CI installs it")
    folder = tmp_path_factory.mktemp("server")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", "/CN=test", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(cert), "-days", "2"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, context), daemon=True).start()
        yield listener.getsockname()[1], cert.read_bytes()
        # Closing alone does not wake a thread that waits in accept().
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            raw, _ = listener.accept()
        except OSError:
            return
        try:
            with context.wrap_socket(raw, server_side=True) as tls:
                tls.recv(1)
        except OSError:
            pass


def _trust(host: Any, reference: str, content: bytes) -> None:
    Path(host.put("/etc/hosts", "127.0.0.1 localhost\n"))
    host.put(f"/etc/docker/certs.d/{reference}/ca.crt", content)


def test_real_handshakes(make_host: Callable[..., Any], server: tuple[int, bytes]) -> None:
    port, cert = server
    host = make_host("dash")
    named, numbered = f"localhost:{port}", f"127.0.0.1:{port}"
    _trust(host, named, cert)
    _trust(host, numbered, cert)
    good = probe(host, named)
    verdict = answers.handshake(good.handshake, good.handshake_text)
    assert verdict and verdict.ok, good.handshake_text
    assert "127.0.0.1" in good.addresses
    shown = judge_probe(good, RegistryReference.parse(named), image=False)
    assert shown.served == hashlib.sha256(ssl.PEM_cert_to_DER_cert(cert.decode())).hexdigest()
    wrong = probe(host, numbered)
    verdict = answers.handshake(wrong.handshake, wrong.handshake_text)
    assert verdict and verdict.kind is ErrorKind.NAME, wrong.handshake_text
    other = (Path(ssl.get_default_verify_paths().openssl_cafile or "")).exists()
    _trust(host, named, cert.replace(b"-----", b"*****") if not other else b"# nothing\n")
    bad = probe(host, named)
    verdict = answers.handshake(bad.handshake, bad.handshake_text)
    assert verdict and not verdict.ok, bad.handshake_text
    host.at(f"/etc/docker/certs.d/{named}/ca.crt").unlink()
    missing = probe(host, named)
    verdict = answers.handshake(missing.handshake, missing.handshake_text)
    assert verdict and verdict.kind is ErrorKind.TRUST


def test_without_a_file_the_systems_own_roots_may_vouch(
    make_host: Callable[..., Any],
    server: tuple[int, bytes],
) -> None:
    port, cert = server
    host, reference = make_host("dash"), f"localhost:{port}"
    host.put("/etc/hosts", "127.0.0.1 localhost\n")
    host.put("/etc/system.crt", cert)
    runtime = beside_system(wanted(reference), "ab" * 32).runtimes[0]
    exchange = program.probe(runtime, "", [RegistryReference.parse(reference)], timeout=30)

    def handshake() -> tuple[answers.Verdict | None, str]:
        (report,) = decode_probe(host.run(exchange).stdout, exchange.nonce)
        return answers.handshake(report.handshake, report.handshake_text), report.handshake_text

    verdict, said = handshake()
    assert verdict and verdict.kind is ErrorKind.TRUST and "unable to read" not in said
    real = shutil.which("openssl")
    host.fake("openssl", f'#!/bin/sh\nexec env SSL_CERT_FILE=/etc/system.crt {real} "$@"\n')
    verdict, said = handshake()
    assert verdict and verdict.ok, said
    # A file that stands is the only root, whatever the system says.
    _trust(host, reference, Path(_some_ca()).read_bytes())
    verdict, said = handshake()
    assert verdict and not verdict.ok, said


def test_handshake_with_nothing_there(make_host: Callable[..., Any]) -> None:
    host = make_host("dash")
    # Held, so that nobody else listens there meanwhile.
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        reference = f"127.0.0.1:{unused.getsockname()[1]}"
        _trust(host, reference, b"x\n")
        host.put(f"/etc/docker/certs.d/{reference}/ca.crt", Path(_some_ca()).read_bytes())
        report = probe(host, reference)
    verdict = answers.handshake(report.handshake, report.handshake_text)
    assert verdict and verdict.kind is ErrorKind.NETWORK, report.handshake_text


def _some_ca() -> str:
    for path in ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"):
        if Path(path).exists():
            return path
    pytest.skip("no CA bundle on this machine")
