"""A registry with a throwaway certificate, and a host that knows it by name."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from certkit.demo.host import EmbeddedHost, make_key
from certkit.demo.registry import Registry

NAME = "registry.demo"


@dataclass(frozen=True)
class ServedRegistry:
    registry: Registry
    authority: Path

    @property
    def reference(self) -> str:
        return f"{NAME}:{self.registry.port}"


def issue(directory: Path, name: str, days: int = 1) -> tuple[Path, Path, Path]:
    """Make an authority and a certificate; written apart from the code that the demo shows."""
    now = datetime.datetime.now(datetime.timezone.utc)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])

    def build(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=30))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        )

    usage = {
        one: one in {"key_cert_sign", "crl_sign"}
        for one in (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        )
    }
    authority = (
        build(issuer, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .add_extension(x509.KeyUsage(**usage), True)
        .sign(ca_key, hashes.SHA256())
    )
    certificate = (
        build(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test server")]), key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
        .sign(ca_key, hashes.SHA256())
    )
    directory.mkdir(parents=True, exist_ok=True)
    paths = directory / "ca.crt", directory / "server.crt", directory / "server.key"
    paths[0].write_bytes(authority.public_bytes(Encoding.PEM))
    paths[1].write_bytes(certificate.public_bytes(Encoding.PEM))
    paths[2].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedRegistry]:
    authority, certificate, key = issue(tmp_path / "pki", NAME)
    with Registry() as registry:
        registry.serve(certificate, key)
        yield ServedRegistry(registry, authority)


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    path = tmp_path / "id_demo"
    make_key(path)
    return path


@pytest.fixture
def host(tmp_path: Path, identity: Path) -> Iterator[EmbeddedHost]:
    import paramiko

    login = paramiko.Ed25519Key.from_private_key_file(str(identity))
    with EmbeddedHost("build-01", tmp_path / "build-01", login, {NAME: "127.0.0.1"}) as one:
        yield one


def trust(host: EmbeddedHost, served: ServedRegistry, file: str = "ca.crt") -> None:
    directory = host.certs_dir / served.reference
    directory.mkdir()
    (directory / file).write_bytes(served.authority.read_bytes())
