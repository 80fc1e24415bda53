"""A registry and hosts to break, and somebody who asks the doctor."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.fleet.conftest import Fleet
from tests.fleet.lab import Machine
from tests.fleet.operator import ATTENTION, CERTKIT, Operator, wait_for_registry

REGISTRY = "registry.lab:5000"


@dataclass
class Ward:
    """A registry, hosts that trust it, and somebody who asks the doctor."""

    fleet: Fleet
    operator: Operator
    certificates: Path
    container: str

    @property
    def trust(self) -> bytes:
        return (self.certificates / "trust.crt").read_bytes()

    def asks(self, *words: str, expect: int | None = ATTENTION) -> dict[str, Any]:
        """Run ``certkit doctor`` on this box, which knows the lab's names meanwhile."""
        known = str(self.fleet.lab.known_hosts())
        done = subprocess.run(
            [
                *self.fleet.lab.with_names(),
                *(CERTKIT, "doctor", *words, "-o", "json"),
                *(("--known-hosts", known) if "--host" in words else ()),
            ],
            cwd=self.operator.directory,
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": str(self.operator.directory),
                "CERTKIT_HOME": str(self.operator.home),
                "CERTKIT_STATE": str(self.operator.directory / "state"),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert expect in (None, done.returncode), done.stdout + done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def serves(self, chain: bytes, key: bytes) -> None:
        """Let the registry serve something else."""
        machine = self.fleet.registry
        machine.write("/srv/certs-5000/server.crt", chain)
        machine.write("/srv/certs-5000/server.key", key, 0o600)
        machine.run(["docker", "restart", "--time", "1", self.container])
        wait_for_registry(machine)


# A daemon written in Go keeps what it read of /etc/hosts for five seconds.
_KEPT = 5.2
_hosts_changed: dict[str, float] = {}


def settle(host: Machine) -> None:
    """Wait until a host's daemon has forgotten the names of an earlier test."""
    time.sleep(max(0.0, _hosts_changed.get(host.name, 0.0) + _KEPT - time.monotonic()))


@contextmanager
def serving(ward: Ward, chain: bytes, key: bytes) -> Iterator[None]:
    ward.serves(chain, key)
    try:
        yield
    finally:
        files = (ward.certificates / name for name in ("server.crt", "server.key"))
        ward.serves(*(file.read_bytes() for file in files))


@contextmanager
def hosts_file(host: Machine, changed: Callable[[str], str]) -> Iterator[None]:
    before = host.read("/etc/hosts").decode()
    host.write("/etc/hosts", changed(before))
    _hosts_changed[host.name] = time.monotonic()
    try:
        yield
    finally:
        host.write("/etc/hosts", before)
        _hosts_changed[host.name] = time.monotonic()


def signed(ward: Ward, name: str, days: int) -> tuple[bytes, bytes]:
    """A certificate of the home's authority that ends in some days, and its key."""
    issuer = x509.load_pem_x509_certificate((ward.certificates / "ca.crt").read_bytes())
    key = serialization.load_pem_private_key((ward.certificates / "ca.key").read_bytes(), None)
    return certificate(name, days or 10, issuer=(issuer, key))


def certificate(
    name: str, days: int = 10, *, authority: bool = False, issuer: Any = None
) -> tuple[bytes, bytes]:
    """A certificate, by itself signed unless there is an issuer, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    end = datetime.now(timezone.utc) + timedelta(days=days)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=30))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name.replace(" ", "-"))]), False)
        .sign(issuer[1] if issuer else key, hashes.SHA256())
    )
    return (
        built.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
