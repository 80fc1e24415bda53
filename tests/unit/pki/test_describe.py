"""Inspection as data and words, also of certificates that break the rules."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from certkit.errors import InputError
from certkit.pki.describe import describe_certificate
from certkit.pki.keys import KeyType
from tests.unit.pki.chains import NOW, key_of, make_chain


def test_an_authority_in_words_and_json() -> None:
    chain = make_chain("registry.lab", "10.0.0.1")
    described = describe_certificate(chain.authority, NOW)
    words = dict(described.words())
    assert words["kind"].startswith("authority")
    assert words["issuer"] == "itself"
    assert words["may sign"] == "registry.lab and every name below, 10.0.0.1"
    assert words["may not sign"] == "::/0"
    assert words["key"] == "ECDSA P-384, signed with ecdsa-with-SHA384"
    values = json.loads(json.dumps(described.to_json()))
    assert values["authority"] is True and values["path_length"] == 0
    assert values["sha256"] == described.sha256 and values["state"] == "valid"
    assert described.problems == ()


def test_a_leaf_in_words() -> None:
    words = dict(describe_certificate(make_chain("registry.lab", "::1").leaf, NOW).words())
    assert words["names"] == "registry.lab, ::1"
    assert words["usage"] == "digitalSignature, serverAuth"
    assert "396 days left" in words["valid until"]
    assert "may sign" not in words


@pytest.mark.parametrize(
    ("shift", "state", "says"),
    [(-500, "not yet valid", "NOT YET VALID"), (0, "valid", "left"), (500, "expired", "EXPIRED")],
)
def test_the_clock_decides(shift: int, state: str, says: str) -> None:
    described = describe_certificate(make_chain("registry.lab").leaf, NOW + timedelta(days=shift))
    assert described.state == state
    assert says in dict(described.words())["valid until"]


def test_a_certificate_that_breaks_the_rules_is_still_described() -> None:
    key = key_of(KeyType.P256)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "evil\x1b[2J\n")])
    odd = (
        x509.CertificateBuilder()
        .serial_number(1)
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .not_valid_before(NOW)
        .not_valid_after(NOW)
        .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"x"), False)
        .sign(key, hashes.SHA256())
    )
    described = describe_certificate(odd, NOW)
    assert described.problems
    assert "\x1b" not in described.subject and "\n" not in described.subject
    assert not described.authority


@pytest.mark.parametrize("text", ["ed25519", "Ed25519", "ED448"])
def test_ed25519_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(InputError, match="forbid it"):
        KeyType.parse(text)


def test_key_types_are_forgiving_in_spelling_only() -> None:
    assert KeyType.parse("RSA-3072") is KeyType.RSA3072
    assert KeyType.parse("P-256") is KeyType.P256
    with pytest.raises(InputError, match="unknown key type 'rsa2048'"):
        KeyType.parse("rsa2048")
