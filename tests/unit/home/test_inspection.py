"""What inspect shows of files, registries, the home and live servers."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from certkit.errors import ErrorKind, HomeError, HostError, InputError
from certkit.home.inspection.inspect import Inspection, inspect_target
from certkit.home.inspection.served import fetch_served
from certkit.home.registry import RegistryFiles
from certkit.names import RegistryReference
from certkit.pki.bundle import fingerprint
from tests.unit.home.makers import make
from tests.unit.pki.chains import NOW


def look(target: str | None, home: Path, *, live: bool = False) -> Inspection:
    found = inspect_target(target, home, live=live, now=NOW)
    json.dumps(found.to_json())
    assert "PRIVATE KEY" not in repr(found)
    return found


@contextmanager
def serving(files: RegistryFiles) -> Iterator[int]:
    """A TLS server with a registry's certificate; yields its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.path("server.crt"), files.path("server.key"))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                with plain, suppress(OSError):
                    context.wrap_socket(plain, server_side=True).close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(30)


def test_files(tmp_path: Path) -> None:
    files = make(tmp_path / "home").files
    trust = look(str(files.path("trust.crt")), tmp_path / "none")
    assert trust.kind == "certificate"
    assert trust.values["certificates"][0]["sha256"] == fingerprint(files.authority)
    both = tmp_path / "both.crt"
    both.write_bytes(files.read("ca.crt") + files.read("server.crt"))
    assert look(str(both), tmp_path / "none").kind == "bundle"
    key = look(str(files.path("ca.key")), tmp_path / "none")
    assert key.kind == "key" and key.values["key"] == "ECDSA P-384" and not key.attention
    both.write_bytes(files.read("server.key") + files.read("server.crt"))
    both.chmod(0o644)
    mixed = look(str(both), tmp_path / "none")
    assert mixed.kind == "key" and len(mixed.values["certificates"]) == 1 and mixed.attention


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "no certificate"), (b"junk", "not PEM"), (b"\x30\x03abc", "DER")]
)
def test_what_is_no_certificate_is_told(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InputError, match=says):
        look(str(tmp_path / "file"), tmp_path / "none")


def test_the_home_and_a_registry(tmp_path: Path) -> None:
    make(tmp_path / "home", aliases=["reg.lab"])
    whole = look(None, tmp_path / "home")
    assert whole.kind == "home" and not whole.attention
    assert whole.values["registries"][0]["registry"] == "registry.lab:5000"
    assert look(str(tmp_path / "home"), tmp_path / "none").kind == "home"
    one = look("reg.lab", tmp_path / "home")
    assert one.kind == "registry" and one.values["aliases"] == ["reg.lab"]
    late = inspect_target(None, tmp_path / "home", live=False, now=NOW + timedelta(days=500))
    assert late.attention
    with pytest.raises(HomeError, match="no home"):
        look(None, tmp_path / "none")
    with pytest.raises(InputError, match="there is no file nowhere"):
        look("nowhere", tmp_path / "home")


def test_a_live_registry_is_judged_by_the_home(tmp_path: Path) -> None:
    served = make(tmp_path / "served", "127.0.0.1:5000").files
    with serving(served) as port:
        reference = f"127.0.0.1:{port}"
        unknown = look(reference, tmp_path / "none")
        assert unknown.kind == "live" and unknown.values["home"] is None
        # The same authority and certificate, for the port that the server happened to get.
        make(tmp_path / "other", reference)
        other = look(reference, tmp_path / "other", live=True)
        assert other.values["home"]["same"] is False
        assert other.values["home"]["trusted"] is False
        assert other.attention
        mine = tmp_path / "other" / "registries" / f"127.0.0.1_{port}"
        for name in ("ca.crt", "ca.key", "server.crt", "server.key", "trust.crt"):
            (mine / name).write_bytes(served.read(name))
        same = look(reference, tmp_path / "other", live=True)
        assert same.values["home"] == {"same": True, "trusted": True, "reason": ""}
        assert not same.attention
        assert look(reference, tmp_path / "other").kind == "registry"


def fetch(port: int, timeout: float) -> HostError:
    with pytest.raises(HostError) as caught:
        fetch_served(RegistryReference.parse(f"127.0.0.1:{port}"), timeout)
    return caught.value


def test_why_a_live_registry_cannot_be_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert fetch(port, 0.3).kind is ErrorKind.TIMEOUT

        def answer() -> None:
            # The first one is the connection that timed out above.
            for _ in range(2):
                plain, _address = listener.accept()
                with plain, suppress(OSError):
                    plain.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        assert fetch(port, 30).kind is ErrorKind.NOT_TLS
        thread.join(30)
    # Held, so that nobody else listens there meanwhile.
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert fetch(unused.getsockname()[1], 30).kind is ErrorKind.REFUSED
    with pytest.raises(HostError) as caught:
        fetch_served(RegistryReference.parse("does-not-exist.invalid:5000"), 5)
    assert caught.value.kind in {ErrorKind.DNS, ErrorKind.TIMEOUT}
