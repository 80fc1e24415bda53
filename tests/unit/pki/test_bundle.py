"""Trust bundles: what other parsers let through is refused, what is written is always the same."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import example, given, settings
from hypothesis import strategies as st

from certkit.errors import InputError
from certkit.pki.bundle import TrustBundle, colons, fingerprint, parse_certificates, pem
from tests.unit.pki.chains import NOW, key_pem, make_chain

OLD = make_chain("registry.lab", now=NOW - timedelta(days=300))
NEW = make_chain("registry.lab", number=5)
A, B = pem(OLD.authority), pem(NEW.authority)
BOTH = {fingerprint(OLD.authority), fingerprint(NEW.authority)}


@pytest.mark.parametrize(
    "data",
    [
        A + B,
        B + A,
        A + B + A,
        A + b"\n\n" + B,
        b"# old\n" + A + b"# new\n" + B,
        (A + B).replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + A + B,
        A + B.rstrip(b"\n"),
        A + b"   " + B + b"  \n",
    ],
    ids=["plain", "swapped", "twice", "blank", "comments", "crlf", "bom", "cut", "spaces"],
)
def test_harmless_variants_come_out_as_one_normal_form(data: bytes) -> None:
    bundle = TrustBundle.parse(data, "trust.crt")
    assert bundle.fingerprints == BOTH
    assert bundle.pem == B + A  # newest first
    assert TrustBundle.parse(bundle.pem, "again").pem == bundle.pem
    assert b"\r" not in bundle.pem and bundle.pem.endswith(b"-----END CERTIFICATE-----\n")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (A.rstrip(b"\n") + B, "glued"),
        (A + B[: len(B) // 2], "ends within a certificate"),
        (A[: len(A) // 2] + b"\n" + B, "truncated"),
        (A.replace(b"-----END CERTIFICATE-----\n", b"") + B, "truncated"),
        (A + key_pem(OLD.leaf_key), "private key"),
        (b"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", "private key"),
        (A + pem(OLD.leaf), "server's certificate"),
        (b"hello\n" + A, "not PEM on line 1"),
        (A + b"junk", "not PEM on line"),
        (b"\x1b]0;owned\x07" + A, "not PEM on line 1"),
        (b"", "no certificate"),
        (b"# nothing\n\n", "no certificate"),
        (b"\xff\xfe\x00", "not a PEM file"),
        (A.replace(b"MII", b"M*I", 1), "damaged"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "not a certificate"),
        (b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "X509 CRL block"),
        (A.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"), "TRUSTED CERTIFICATE block"),
        (A.replace(b"ATE-----\nM", b"ATE-----\nProc-Type: 4\n\nM", 1), "damaged"),
        (OLD.authority.public_bytes(Encoding.DER), "DER"),
        (A * 2000, "larger than"),
    ],
)
def test_what_a_verifier_could_choke_on_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(InputError) as caught:
        TrustBundle.parse(data, "trust.crt")
    assert says in caught.value.message
    assert caught.value.message.startswith("trust.crt ")
    assert caught.value.message.isprintable()


def test_python_alone_would_have_been_fooled() -> None:
    """Why the parser is our own: the standard one takes glued and truncated files."""
    assert len(x509.load_pem_x509_certificates(A.rstrip(b"\n") + B)) == 2
    assert len(x509.load_pem_x509_certificates(A + B[: len(B) // 2])) == 1


def test_entries_are_what_reports_show() -> None:
    entries = TrustBundle.of([OLD.authority, NEW.authority]).entries
    assert [entry.sha256 for entry in entries] == [
        fingerprint(NEW.authority),
        fingerprint(OLD.authority),
    ]
    assert entries[0].subject.startswith("CN=registry.lab CA ")
    assert entries[0].not_after.endswith("Z")


def test_an_empty_bundle_or_a_leaf_cannot_be_built() -> None:
    with pytest.raises(InputError):
        TrustBundle.of([])
    with pytest.raises(InputError):
        TrustBundle.of([OLD.leaf])


def test_colons() -> None:
    assert colons("00ab1f") == "00:AB:1F"


@settings(deadline=None)
@given(st.binary(max_size=400), st.integers(0, len(A)), st.integers(0, len(A)))
@example(noise="\x80".encode(), start=28, end=0)
def test_damage_is_refused_or_read_the_same_twice(noise: bytes, start: int, end: int) -> None:
    damaged = A[:start] + noise + A[end:]
    try:
        found = parse_certificates(damaged + B, "trust.crt")
    except InputError as error:
        assert error.message.isprintable()
        return
    assert parse_certificates(b"".join(map(pem, found)), "again") == found
