"""The chain in a real TLS handshake, with the trust file as the only root."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from certkit.pki.bundle import TrustBundle, pem
from tests.unit.pki.chains import KEY_PAIRS, Chain, key_pem, make_chain


def serve_once(chain: Chain, directory: Path) -> tuple[socket.socket, threading.Thread]:
    (directory / "server.crt").write_bytes(pem(chain.leaf))
    (directory / "server.key").write_bytes(key_pem(chain.leaf_key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.crt", directory / "server.key")
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(60)

    def run() -> None:
        plain, _ = listener.accept()
        with plain:
            try:
                with context.wrap_socket(plain, server_side=True) as secure:
                    secure.sendall(b"hello")
            except OSError:
                pass

    thread = threading.Thread(target=run)
    thread.start()
    return listener, thread


def shake_hands(chain: Chain, trust: TrustBundle, name: str, directory: Path) -> bytes:
    listener, thread = serve_once(chain, directory)
    try:
        context = ssl.create_default_context(cadata=trust.pem.decode())
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        with (
            listener,
            socket.create_connection(listener.getsockname(), 60) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            return secure.recv(5)
    finally:
        thread.join(60)


@pytest.mark.parametrize("key_type", KEY_PAIRS)
@pytest.mark.parametrize("name", ["registry.lab", "127.0.0.1", "one.apps.lab.example", "::1"])
def test_a_client_trusts_it(key_type: str, name: str, tmp_path: Path) -> None:
    chain = make_chain("registry.lab", "127.0.0.1", "::1", "*.apps.lab.example", key_type=key_type)
    assert shake_hands(chain, TrustBundle.of([chain.authority]), name, tmp_path) == b"hello"


def test_a_bundle_of_two_trusts_both(tmp_path: Path) -> None:
    old, new = make_chain("registry.lab"), make_chain("registry.lab", number=5)
    trust = TrustBundle.of([old.authority, new.authority])
    for chain in (old, new):
        assert shake_hands(chain, trust, "registry.lab", tmp_path) == b"hello"


def test_another_authority_and_another_name_are_refused(tmp_path: Path) -> None:
    chain, other = make_chain("registry.lab"), make_chain("registry.lab", number=5)
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        shake_hands(chain, TrustBundle.of([other.authority]), "registry.lab", tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(chain, TrustBundle.of([chain.authority]), "other.lab", tmp_path)
