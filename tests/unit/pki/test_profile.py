"""The profile, judged by every strict verifier and linter there is, over key types and names."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certkit.errors import CertkitError, InputError
from certkit.pki.bundle import fingerprint, pem
from certkit.pki.issue import issue_leaf
from certkit.pki.specs import LeafSpec
from certkit.pki.verify import verify_server
from tests.unit.pki.chains import KEY_PAIRS, NOW, SHAPES, key_of, make_chain, parse_names
from tests.unit.pki.linters import ALLOWED, certtool, openssl, pkilint

matrix = pytest.mark.parametrize(
    ("key_type", "shape"), [(key, shape) for key in KEY_PAIRS for shape in SHAPES]
)


@matrix
def test_every_verifier_accepts_the_chain_and_no_linter_complains(
    key_type: str, shape: str, tmp_path: Path
) -> None:
    chain = make_chain(*SHAPES[shape], key_type=key_type)
    authority, leaf = tmp_path / "ca.crt", tmp_path / "leaf.crt"
    authority.write_bytes(pem(chain.authority))
    leaf.write_bytes(pem(chain.leaf))
    verify_server([chain.leaf], [chain.authority], chain.names, NOW)
    for name in chain.names:
        result = openssl(authority, leaf, name)
        assert result.returncode == 0, result.stdout + result.stderr
        if shutil.which("certtool"):
            result = certtool(authority, leaf, name)
            assert result.returncode == 0, result.stdout + result.stderr
    findings = {*pkilint(authority), *pkilint(leaf), *pkilint(authority, leaf)}
    allowed = ALLOWED if shape in {"single label", "localhost", "wildcard"} else set()
    assert findings <= allowed


def test_the_linter_would_have_complained(tmp_path: Path) -> None:
    """The linters' silence above means something."""
    chain = make_chain("registry.lab")
    bad = (
        x509.CertificateBuilder()
        .serial_number(1)
        .subject_name(chain.leaf.subject)
        .issuer_name(chain.authority.subject)
        .public_key(chain.leaf_key.public_key())
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .sign(chain.authority_key, chain.authority.signature_hash_algorithm)  # type: ignore[arg-type]
    )
    (tmp_path / "bad.crt").write_bytes(pem(bad))
    assert pkilint(tmp_path / "bad.crt")


def test_the_authority_is_as_written_down() -> None:
    authority = make_chain("registry.lab").authority
    start = NOW.replace(microsecond=0) - timedelta(hours=1)
    assert authority.not_valid_before_utc == start
    assert authority.not_valid_after_utc == start + timedelta(days=3650, seconds=-1)
    assert authority.subject == authority.issuer
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    name = authority.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    assert name == f"registry.lab CA {start:%Y-%m} {identifier.digest.hex()[:8]}"
    basic = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical and basic.value == x509.BasicConstraints(ca=True, path_length=0)
    usage = authority.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.key_cert_sign and usage.value.crl_sign
    assert not usage.value.digital_signature
    assert authority.extensions.get_extension_for_class(x509.NameConstraints).critical
    key_id = authority.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert key_id.key_identifier == identifier.digest
    assert key_id.authority_cert_issuer is None
    with pytest.raises(x509.ExtensionNotFound):
        authority.extensions.get_extension_for_class(x509.ExtendedKeyUsage)


def test_the_leaf_is_as_written_down() -> None:
    leaf = make_chain("registry.lab", "10.0.0.20").leaf
    start = NOW.replace(microsecond=0) - timedelta(hours=1)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(days=397, seconds=-1)
    assert leaf.not_valid_before_utc == start
    assert leaf.subject.rfc4514_string() == "CN=registry.lab"
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert not names.critical
    assert [str(name.value) for name in names.value] == ["registry.lab", "10.0.0.20"]
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(purposes.value) == [ExtendedKeyUsageOID.SERVER_AUTH] and not purposes.critical


@pytest.mark.parametrize("shape", ["too long for a CN", "ipv4", "both addresses"])
def test_an_empty_subject_makes_the_names_critical(shape: str) -> None:
    leaf = make_chain(*SHAPES[shape]).leaf
    assert not list(leaf.subject)
    assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


@pytest.mark.parametrize("key_type", KEY_PAIRS)
def test_key_encipherment_is_for_rsa_only(key_type: str) -> None:
    leaf = make_chain("registry.lab", key_type=key_type).leaf
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.key_encipherment is isinstance(leaf.public_key(), rsa.RSAPublicKey)


def test_serial_numbers_are_random_and_short_enough() -> None:
    serials = {make_chain("registry.lab").leaf.serial_number for _ in range(20)}
    assert len(serials) == 20
    assert all(0 < serial < 1 << 159 for serial in serials)
    assert max(serials).bit_length() > 140


def test_two_generations_never_share_a_name() -> None:
    first, second = make_chain("registry.lab"), make_chain("registry.lab", number=7)
    assert first.authority.subject != second.authority.subject


@pytest.mark.parametrize("length", [44, 45, 64, 200])
def test_a_long_registry_still_makes_a_legal_common_name(length: int) -> None:
    host = ".".join(["a" * 40] * 6)[:length].rstrip(".")
    chain = make_chain(host)
    name = chain.authority.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    assert len(name) <= 64


def test_the_leaf_never_outlives_its_authority() -> None:
    chain = make_chain("registry.lab", days=397, ca_days=30)
    assert chain.leaf.not_valid_after_utc == chain.authority.not_valid_after_utc
    assert any("ends with its authority" in warning for warning in chain.warnings)


def test_an_authority_that_ended_signs_nothing() -> None:
    chain = make_chain("registry.lab", ca_days=1)
    with pytest.raises(CertkitError, match="the authority ended on"):
        issue_leaf(
            LeafSpec(chain.names),
            chain.leaf_key.public_key(),
            chain.authority,
            chain.authority_key,
            NOW + timedelta(days=2),
        )


def test_a_foreign_key_signs_nothing() -> None:
    chain = make_chain("registry.lab")
    with pytest.raises(CertkitError, match="does not belong"):
        issue_leaf(
            LeafSpec(chain.names),
            chain.leaf_key.public_key(),
            chain.authority,
            key_of(KEY_PAIRS["p256"][1], 99),
            NOW,
        )


@pytest.mark.parametrize("days", [0, -1, 826, 10**9])
def test_days_out_of_range_are_refused(days: int) -> None:
    with pytest.raises(InputError, match="cannot be valid for"):
        LeafSpec(parse_names("registry.lab"), days)


def test_more_than_397_days_are_warned_about() -> None:
    assert "more than 397" in LeafSpec(parse_names("registry.lab"), 825).warnings[0]
    assert LeafSpec(parse_names("registry.lab"), 397).warnings == ()


def test_a_slow_clock_accepts_a_new_certificate() -> None:
    chain = make_chain("registry.lab")
    verify_server([chain.leaf], [chain.authority], chain.names, NOW - timedelta(minutes=55))
    with pytest.raises(CertkitError):
        verify_server([chain.leaf], [chain.authority], chain.names, NOW - timedelta(minutes=65))


def test_fingerprints_are_of_the_der() -> None:
    assert len(fingerprint(make_chain("registry.lab").leaf)) == 64
