from __future__ import annotations

from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from certkit.fleet.diff import describe_change
from certkit.remote.report import FileReport

PATH = "/etc/docker/certs.d/r/ca.crt"


def certificate(name: str, days: int) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM)


OLD, NEW = certificate("old", 10), certificate("new", 31)


def diff(report: FileReport, wanted: bytes = NEW) -> list[str]:
    return list(describe_change(report, wanted, 0o644, "0:0"))


def test_old_to_new_by_subject_fingerprint_and_expiry() -> None:
    lines = diff(FileReport(PATH, "would_change", OLD, ("content",)))
    assert lines[0] == PATH
    assert lines[1].startswith("- CN=old, SHA-256 ") and "2026-01-11T" in lines[1]
    assert lines[2].startswith("+ CN=new, SHA-256 ") and "2026-02-01T" in lines[2]


def test_a_rollover_shows_only_what_is_added() -> None:
    lines = diff(FileReport(PATH, "would_change", OLD, ("content",)), NEW + OLD)
    assert [line[0] for line in lines[1:]] == ["+"]


def test_new_files_modes_owners_and_junk() -> None:
    assert diff(FileReport(PATH, "would_change", None, ("content",)))[0] == f"{PATH} (new)"
    assert diff(FileReport(PATH, "changed", NEW, ("mode", "owner"))) == [
        PATH,
        "~ mode to 0644",
        "~ owner to 0:0",
    ]
    assert "- 5 bytes that are no certificates" in diff(
        FileReport(PATH, "foreign", b"junk\x1b", ("content",))
    )
    assert diff(FileReport(PATH, "same")) == []
