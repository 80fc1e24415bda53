"""Keys on disk: what everybody can read, what nobody can guess quickly, what was really written."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from certkit.errors import HomeError, InputError
from certkit.home.keys.keyfile import (
    ITERATIONS,
    assert_protected,
    decode_key,
    encode_key,
    key_protection,
)
from certkit.home.keys.passphrase import PassphraseSources
from certkit.pki.keys import KeyType
from certkit.secret import Secret, read_secret_file
from tests.unit.pki.chains import key_of

PASSPHRASE = Secret("correct hörse")


@pytest.mark.parametrize("key_type", KeyType)
def test_openssl_gnutls_and_cryptography_read_it(key_type: KeyType, tmp_path: Path) -> None:
    key = key_of(key_type)
    pem = encode_key(key, PASSPHRASE)
    assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    loaded = serialization.load_pem_private_key(pem, PASSPHRASE.reveal().encode())
    assert loaded.public_key() == key.public_key()
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "ca.key").write_bytes(pem)
    openssl = subprocess.run(
        ["openssl", "pkey", "-in", str(tmp_path / "ca.key"), "-passin", "stdin", "-pubout"],
        input=PASSPHRASE.reveal().encode() + b"\n",
        capture_output=True,
        check=True,
    )
    assert openssl.stdout == public
    parsed = subprocess.run(
        ["openssl", "asn1parse", "-in", str(tmp_path / "ca.key")],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    for part in ("PBES2", "PBKDF2", f"{ITERATIONS:X}", "hmacWithSHA256", "aes-256-cbc"):
        assert part in parsed
    gnutls = subprocess.run(
        [
            *("certtool", "--key-info", "--infile", str(tmp_path / "ca.key")),
            *("--password", PASSPHRASE.reveal()),
        ],
        capture_output=True,
    )
    assert gnutls.returncode == 0


def test_salt_and_vector_are_new_every_time() -> None:
    key = key_of(KeyType.P256)
    assert encode_key(key, PASSPHRASE) != encode_key(key, PASSPHRASE)


def test_a_plain_key_is_pkcs8() -> None:
    pem = encode_key(key_of(KeyType.P256), None)
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert not key_protection(pem).encrypted


def test_the_weak_default_of_others_is_recognised_and_not_passed_off() -> None:
    key = key_of(KeyType.P256)
    weak = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"x"),
    )
    protection = key_protection(weak)
    assert protection.encrypted and not protection.strong
    assert "2048" in protection.scheme
    assert decode_key(weak, Secret("x"), "ca.key").public_key() == key.public_key()
    with pytest.raises(HomeError, match="not encrypted as asked"):
        assert_protected(weak, key, Secret("x"))
    with pytest.raises(HomeError, match="not encrypted as asked"):
        assert_protected(encode_key(key, None), key, Secret("x"))
    with pytest.raises(HomeError, match="not encrypted as asked"):
        assert_protected(encode_key(key, Secret("x")), key, None)
    with pytest.raises(HomeError, match="does not read back"):
        assert_protected(encode_key(key_of(KeyType.P384), None), key, None)


def test_each_failure_has_its_own_words() -> None:
    pem = encode_key(key_of(KeyType.P256), PASSPHRASE)
    with pytest.raises(HomeError, match="no passphrase was given"):
        decode_key(pem, None, "ca.key")
    with pytest.raises(HomeError, match="does not open") as caught:
        decode_key(pem, Secret("wrong"), "ca.key")
    assert "wrong" not in str(caught.value.message) + caught.value.hint
    with pytest.raises(HomeError, match="not a PEM private key"):
        decode_key(b"junk", None, "ca.key")
    with pytest.raises(HomeError, match="damaged"):
        decode_key(
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None, "ca.key"
        )
    other = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(HomeError, match="neither an ECDSA nor an RSA"):
        decode_key(other, None, "ca.key")
    assert decode_key(encode_key(key_of(KeyType.P256), None), PASSPHRASE, "ca.key")


@pytest.mark.parametrize("body", [b"AAAA", b"MAA=", b"MAMwAQA=", b"!", b"MIIB"])
def test_a_damaged_wrapper_does_not_crash(body: bytes) -> None:
    pem = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n%s\n-----END ENCRYPTED PRIVATE KEY-----\n" % body
    assert key_protection(pem).encrypted
    with pytest.raises(HomeError):
        decode_key(pem, PASSPHRASE, "ca.key")


@pytest.mark.parametrize(
    ("content", "passphrase"),
    [
        (b"secret", "secret"),
        (b"secret\n", "secret"),
        (b"secret\r\n", "secret"),
        (b" sec ret ", " sec ret "),
        ("gehëim\n".encode(), "gehëim"),
    ],
)
def test_a_passphrase_file_loses_exactly_one_line_end(
    content: bytes, passphrase: str, tmp_path: Path
) -> None:
    path = tmp_path / "pass"
    path.write_bytes(content)
    path.chmod(0o600)
    assert read_secret_file(path, "the passphrase file") == Secret(passphrase)


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        (b"x", 0o640, "0640"),
        (b"x", 0o604, "0604"),
        (b"", 0o600, "is empty"),
        (b"\n", 0o600, "is empty"),
        (b"\xff\xfe", 0o600, "not UTF-8"),
        (b"x" * 5000, 0o600, "larger than"),
    ],
)
def test_a_bad_passphrase_file_is_refused(
    content: bytes, mode: int, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "pass"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(InputError, match=says):
        read_secret_file(path, "the passphrase file")


def test_missing_files_and_directories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_secret_file(tmp_path / "missing", "the passphrase file")
    with pytest.raises(InputError):
        read_secret_file(tmp_path, "the passphrase file")


def test_a_pipe_works() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"secret\n")
    os.close(writer)
    assert stat.S_IMODE(os.fstat(reader).st_mode) == 0o600
    assert read_secret_file(Path(f"/dev/fd/{reader}"), "the passphrase file") == Secret("secret")
    os.close(reader)


def test_the_order_of_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pass"
    path.write_bytes(b"from file")
    path.chmod(0o600)
    monkeypatch.delenv("CERTKIT_CA_PASSPHRASE", raising=False)
    assert PassphraseSources().given() is None
    assert PassphraseSources().wants is None
    monkeypatch.setenv("CERTKIT_CA_PASSPHRASE", "from environment")
    assert PassphraseSources(path).given() == Secret("from file")
    assert PassphraseSources().given() == Secret("from environment")
    assert PassphraseSources().wants is True
    assert PassphraseSources(refused=True).given() is None
    assert PassphraseSources(refused=True).wants is False
    monkeypatch.setenv("CERTKIT_CA_PASSPHRASE", "")
    with pytest.raises(InputError, match="set but empty"):
        PassphraseSources().given()
    with pytest.raises(InputError, match="contradict"):
        PassphraseSources(path, refused=True)


def test_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CERTKIT_CA_PASSPHRASE", raising=False)

    def answers(*texts: str) -> PassphraseSources:
        queue = list(texts)
        return PassphraseSources(ask=lambda question: queue.pop(0))

    assert answers("a", "a").ask_new("the key") == Secret("a")
    assert answers("").ask_new("the key") is None
    with pytest.raises(InputError, match="differ"):
        answers("a", "b").ask_new("the key")
    with pytest.raises(InputError, match="is empty"):
        answers("").ask_new("the key", optional=False)
    assert answers("a").existing("ca.key") == Secret("a")
    assert PassphraseSources().ask_new("the key") is None
    assert PassphraseSources().existing("ca.key") is None
