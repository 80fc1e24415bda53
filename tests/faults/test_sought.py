"""The control of test_secrets.py: what it seeks is seen, however it got there."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from certkit.transport.connection import Connector
from tests.faults import sought
from tests.faults.started import Started
from tests.ssh import stub
from tests.ssh.lab import lab_running

WAYS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda pem: pem,
    "in a line": lambda pem: json.dumps(pem.decode("latin-1")).encode(),
    "in hex": lambda pem: pem.hex().encode(),
    "in base64": base64.b64encode,
    "decoded": lambda pem: body(pem),
    "decoded, in hex": lambda pem: body(pem).hex(":").upper().encode(),
    "decoded, in base64": lambda pem: base64.urlsafe_b64encode(b"x" + body(pem)),
}


@pytest.mark.parametrize("kind", ["p256", "p384", "login"])
@pytest.mark.parametrize("way", WAYS)
def test_a_key_that_leaks_would_be_seen(kind: str, way: str, tmp_path: Path) -> None:
    """In the midst of something else; and its public half is not taken for it."""
    if kind == "login":
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")]
        subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
        pem, clear = (tmp_path / "key").read_bytes(), b""
        private: Any = load_ssh_private_key(pem, None)
    else:
        private = ec.generate_private_key(ec.SECP256R1() if kind == "p256" else ec.SECP384R1())
        clear = private.private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    traces = sought.key(pem).plain
    for text in filter(None, (clear, pem)):
        assert sought.seen(traces, b"before" + WAYS[way](text) + b"behind")
    shown = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert not sought.seen(traces, WAYS[way](b"x" + shown) + shown)


def test_a_secret_that_something_is_started_with_would_be_seen(
    connector: Connector, tmp_path: Path
) -> None:
    """Whether as an argument or in the environment, and however soon what is started has ended."""
    secrets = [f"secret {number}-7xQ2" for number in range(5)]
    on_host = f'expr "{secrets[0]}" : x; HIDDEN="{secrets[1]}" expr 1'
    here = f"""
import os, subprocess
subprocess.run(["true", {secrets[2]!r}])
subprocess.run(["true"], env={{"HIDDEN": {secrets[3]!r}, **os.environ}})
os.execv("/bin/true", ["true", {secrets[4]!r}])
"""
    with lab_running(tmp_path, ["web-01"]) as lab:
        started = Started(lab, tmp_path / "watched")
        connection = connector.connect(lab.machines["web-01"].host_entry())
        connection.run(stub.exchange(on_host))
        connection.close()
        environment = {**lab.environment, **started.environment}
        subprocess.run([sys.executable, "-c", here], env=environment, check=True)
        for number, secret in enumerate(secrets):
            seen = started.on_hosts if number < 2 else started.here
            assert sought.seen(sought.password(secret), seen), secret


def body(pem: bytes) -> bytes:
    """What the letters of a PEM file stand for."""
    lines = pem.splitlines()
    return base64.b64decode(b"".join(lines[1:-1])) if lines[0].startswith(b"---") else pem
