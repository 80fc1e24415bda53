"""Every kind of drift, out of a survey as data."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from certkit.errors import ErrorKind, HostError
from certkit.fleet.drift.content import holds_certificate, public_half, read_content
from certkit.fleet.drift.directory import LEAST_FREE, Wanted
from certkit.fleet.drift.findings import INFORMATION, KINDS
from certkit.fleet.drift.nearby import nearly
from certkit.fleet.drift.runtime import Judged, judge_host, judge_runtime
from certkit.names import RegistryReference
from certkit.pki.bundle import fingerprint
from certkit.remote.survey import Directory, Entry, HostSurvey, Place, RuntimeSurvey

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
EPOCH = int(NOW.timestamp())
REFERENCE = RegistryReference.parse("registry.lab:5000")
HERE = "/etc/docker/certs.d/registry.lab:5000"
CA = f"{HERE}/ca.crt"
ABOVE = ("/etc/docker", "/etc/docker/certs.d", HERE)


@cache
def certificate(
    name: str, *, ca: bool = True, start: int = -10, days: int = 100
) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = NOW + timedelta(days=start)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .sign(key, hashes.SHA256())
    )


def pem(name: str, **how: Any) -> bytes:
    return certificate(name, **how).public_bytes(serialization.Encoding.PEM)


def der(name: str) -> bytes:
    return certificate(name).public_bytes(serialization.Encoding.DER)


OURS = pem("ours")
SERVER = certificate("registry.lab", ca=False)
WANTED = Wanted(OURS, frozenset({fingerprint(certificate("ours"))}), (REFERENCE,), SERVER)


def entry(name: str, content: bytes = b"", kind: Any = "file", **more: Any) -> Entry:
    return Entry(name, kind, content=content, **more)


def judged(
    *entries: Entry,
    own: bool = True,
    modes: tuple[int, int, int] = (0o755, 0o755, 0o755),
    wanted: Wanted = WANTED,
    epoch: int = EPOCH,
    place: dict[str, Any] | None = None,
    **runtime: Any,
) -> Judged:
    if not any(one.name == "ca.crt" for one in entries):
        entries = (entry("ca.crt", wanted.content), *entries)
    directories = [Directory(path, False, mode, 0) for path, mode in zip(ABOVE, modes, strict=True)]
    where = {"own": own, "directories": directories, "free": 10**6, **(place or {})}
    spot = Place(CA, entries=[one for one in entries if one.kind != "gone"], **where)
    more = {"version": "26.1.5", "daemon": True, "running": 0, "places": [spot], **runtime}
    return judge_runtime(RuntimeSurvey("docker", **more), wanted, epoch)


def kinds(found: Judged) -> list[str]:
    for finding in found.findings:
        assert finding.kind in KINDS
        assert finding.message
        assert finding.cure or not finding.attention
        assert finding.attention is (finding.kind not in INFORMATION)
    return [finding.kind for finding in found.findings]


def test_as_it_should_be() -> None:
    found = judged()
    assert kinds(found) == []
    [trusted] = found.trusts
    assert (trusted.sha256, trusted.subject) == (next(iter(WANTED.authorities)), "CN=ours")
    assert (trusted.path, trusted.not_after) == (CA, "2026-08-30T00:00:00Z")


GONE = Entry("ca.crt", "gone")  # type: ignore[arg-type]
GLUED = OURS.rstrip(b"\n") + pem("other")


@pytest.mark.parametrize(
    ("entries", "own", "expected"),
    [
        ([GONE], False, ["missing"]),
        ([GONE, entry("ca.pem", OURS)], False, ["missing", "misnamed"]),
        ([GONE, entry("CA.CRT", OURS)], False, ["missing", "misnamed"]),
        ([GONE, entry("ca.cert", OURS)], False, ["missing", "unpaired"]),
        ([entry("ca.crt", pem("old"))], True, ["stale"]),
        ([entry("ca.crt", pem("old"))], False, ["foreign"]),
        ([entry("ca.crt", OURS)], False, []),
        ([entry("ca.crt", OURS + b"\n")], False, ["foreign"]),
        ([entry("ca.crt", OURS + pem("x"))], True, ["stale"]),
        ([entry("ca.crt", b"\xef\xbb\xbf" + OURS)], False, ["bom", "foreign"]),
        ([entry("ca.crt", GLUED)], False, ["glued", "foreign"]),
        ([entry("ca.crt", der("ours"))], False, ["der", "foreign"]),
        ([entry("ca.crt", b"")], False, ["empty", "foreign"]),
        ([entry("ca.crt", b"hello")], False, ["damaged", "foreign"]),
        ([entry("ca.crt", OURS[:-40])], False, ["damaged", "foreign"]),
        ([entry("ca.crt", pem("leaf", ca=False))], False, ["leaf", "foreign"]),
        ([entry("ca.crt", kind="directory")], False, ["subdirectory"]),
        ([entry("ca.crt", kind="dangling", link=True)], False, ["dangling_link"]),
        ([entry("ca.crt", OURS, link=True, mode=0o777)], False, ["symlink"]),
        ([entry("ca.crt", kind="unreadable")], False, ["unreadable"]),
        ([entry("ca.crt", kind="other")], False, ["damaged"]),
        ([entry("ca.crt", kind="private")], False, ["private_key"]),
        ([entry("ca.crt", OURS, mode=0o600)], True, ["closed_mode"]),
        ([entry("ca.crt", OURS, mode=0o664)], True, ["lax_mode"]),
        ([entry("ca.crt", OURS, uid=1000)], True, ["owner"]),
    ],
)
def test_the_file_itself(entries: list[Entry], own: bool, expected: list[str]) -> None:
    found = judged(*entries, own=own)
    assert kinds(found) == expected
    if "foreign" in expected:
        assert "--force" in found.findings[-1].cure


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ([entry("other.crt", pem("other"))], ["foreign_authority"]),
        ([entry("again.crt", OURS)], ["duplicate"]),
        ([entry("x.crt", b"")], ["empty"]),
        ([entry("x.crt", der("other"))], ["der"]),
        ([entry("x.crt", pem("leaf", ca=False))], ["leaf"]),
        ([entry("x.crt", pem("other"), mode=0o666)], ["lax_mode", "foreign_authority"]),
        ([entry("old.crt", kind="directory")], ["subdirectory"]),
        ([entry("old.crt", kind="dangling", link=True)], ["dangling_link"]),
        ([entry("x.crt", kind="private")], ["private_key"]),
        ([entry("ca.cert", OURS)], ["unpaired"]),
        ([entry("x.key", kind="private")], ["unpaired"]),
        ([entry("x.cert", OURS), entry("x.key", kind="private")], ["client_pair"]),
        (
            [entry("x.cert", OURS), entry("x.key", public_half(SERVER), "private")],
            ["server_key"],
        ),
        ([entry("d.key", public_half(SERVER), "private")], ["unpaired", "server_key"]),
        ([entry("server.pem", public_half(SERVER), "private")], ["server_key"]),
        ([entry("key.bak", kind="private")], ["private_key"]),
        ([entry("hosts.toml")], ["hosts_toml"]),
        ([entry("ca.pem", OURS)], ["ignored_file"]),
        ([entry(".crt", OURS)], ["ignored_file"]),
        ([entry("noextension")], ["ignored_file"]),
    ],
)
def test_beside_it(extra: list[Entry], expected: list[str]) -> None:
    assert kinds(judged(*extra)) == expected


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        ((0o700, 0o755, 0o755), ["closed_mode"]),
        ((0o755, 0o775, 0o755), ["lax_mode"]),
        ((0o755, 0o755, 0o777), ["lax_mode"]),
        ((0o755, 0o755, 0o750), ["closed_mode"]),
    ],
)
def test_directories(modes: tuple[int, int, int], expected: list[str]) -> None:
    assert kinds(judged(modes=modes)) == expected


def test_a_linked_directory_and_one_of_somebody_else() -> None:
    linked = [Directory(HERE, True, 0o777, 0)]
    assert kinds(judged(place={"directories": linked})) == ["symlink"]
    further_up = [Directory("/etc/docker", True, 0o777, 0)]
    assert kinds(judged(place={"directories": further_up})) == []
    theirs = [Directory(HERE, False, 0o755, 1000)]
    assert kinds(judged(place={"directories": theirs})) == ["owner"]


def test_a_users_own_runtime_has_that_users_modes() -> None:
    found = judged(
        entry("ca.crt", OURS, uid=1000, mode=0o600), modes=(0o700, 0o700, 0o700), user="ann"
    )
    assert kinds(found) == []


@pytest.mark.parametrize(
    ("reference", "name", "same"),
    [
        ("registry.lab:5000", "registry.lab", False),
        ("registry.lab:5000", "Registry.Lab:5000", True),
        ("registry.lab:5000", "http:", None),
        ("registry.lab:5000", "http:/registry.lab:5000", True),
        ("registry.lab:5000", "https:/registry.lab", False),
        ("registry.lab:5000", "registry.lab:5000.", True),
        ("registry.lab:5000", "registry.lab.:5000", True),
        ("registry.lab:5000", "registry.lab_5000", True),
        ("registry.lab:5000", "registry.lab_5000_", True),
        ("registry.lab:5000", "registry.lab5000", True),
        ("registry.lab:5000", "registry.lab:5001", None),
        ("registry.lab:5000", "registry.lab2:5000", None),
        ("registry.lab:5000", "other.lab:5000", None),
        ("registry.lab:5000", "registry.lab:5000.off", None),
        ("registry.lab", "registry.lab:443", False),
        ("registry.lab", "REGISTRY.lab", True),
        ("10.0.0.1:5000", "10.0.0.12:5000", None),
        ("10.0.0.1:5000", "10.0.0.1_5000", True),
        ("[fd00::1]:5000", "fd00::1:5000", True),
        ("[fd00::1]:5000", "[fd00::1]", False),
        ("[fd00::1]:5000", "fd00::1", False),
    ],
)
def test_names_that_are_nearly_right(reference: str, name: str, same: bool | None) -> None:
    assert nearly(RegistryReference.parse(reference), name) is same


def test_a_directory_of_nearly_the_right_name() -> None:
    base = "/etc/docker/certs.d"
    around = {base: ("registry.lab", "registry.lab_5000", "other.lab", REFERENCE.text)}
    assert kinds(judged(neighbours=around)) == ["similar_name", "near_name"]
    found = judged(GONE, own=False, neighbours=around, place={"directories": []})
    assert kinds(found) == ["near_name", "near_name", "missing"]
    assert found.findings[0].cure == f"mv {base}/registry.lab {HERE}"
    aliased = replace(WANTED, references=(REFERENCE, RegistryReference.parse("registry.lab")))
    assert "similar_name" not in kinds(judged(neighbours=around, wanted=aliased))


def test_trust_where_another_flavour_looks() -> None:
    elsewhere = [f"/home/ann/.docker/certs.d/{REFERENCE.text}"]
    assert kinds(judged(elsewhere=elsewhere)) == []
    assert kinds(judged(GONE, own=False, elsewhere=elsewhere)) == ["wrong_place", "missing"]


def test_what_is_left_over_and_what_could_not_be_looked_at() -> None:
    old = "/etc/docker/certs.d/old-alias:5000/ca.crt"
    found = judged(left_over=[old])
    assert kinds(found) == ["left_over"]
    assert (found.findings[0].path, found.findings[0].cure) == (old, "certkit distribute")
    no = HostError(ErrorKind.PERMISSION, "no", "")
    [one] = judged(user="ann", problem=no).findings
    assert (one.kind, one.attention) == ("unexamined", True)


def test_the_runtime() -> None:
    insecure = json.dumps({"IndexConfigs": {"registry.lab:5000": {"Secure": False}}})
    file = "/etc/docker/daemon.json"
    assert kinds(judged(restart_due=True)) == ["restart_due"]
    assert kinds(judged(daemon=False)) == ["daemon_down"]
    assert kinds(judged(daemon=None)) == []
    assert kinds(judged(verification=insecure, settings=(file, '"registry.lab:5000"'))) == [
        "insecure"
    ]
    assert kinds(judged(settings=(file, '"a:1", "registry.lab:5000"'))) == ["insecure_pending"]
    assert kinds(judged(settings=(file, '"registry.lab:50000"'))) == []
    shadow = "/etc/docker/certs.d/registry.lab_5000_"
    assert kinds(judged(shadows=[shadow, f"{HERE}/hosts.toml"])) == ["shadowed"]
    assert kinds(judged(place={"free": LEAST_FREE - 1})) == ["disk"]
    assert kinds(judged(place={"free": None})) == []


def test_loopback_is_insecure_by_definition_and_no_drift() -> None:
    loopback = Wanted(OURS, WANTED.authorities, (RegistryReference.parse("localhost:5000"),))
    assert kinds(judged(wanted=loopback)) == ["note"]


def test_validity_is_judged_by_the_hosts_clock() -> None:
    assert kinds(judged(epoch=EPOCH + 200 * 86400)) == ["expired_authority"]
    assert kinds(judged(epoch=EPOCH - 20 * 86400)) == ["expired_authority"]


def test_two_authorities_are_told_by_what_is_missing() -> None:
    both = Wanted(
        OURS + pem("new"),
        WANTED.authorities | {fingerprint(certificate("new"))},
        (REFERENCE,),
    )
    found = judged(entry("ca.crt", OURS), wanted=both)
    assert kinds(found) == ["stale"]
    assert "lacks 1 of 2 authorities" in found.findings[0].message
    assert kinds(judged(wanted=both)) == []


def test_the_host() -> None:
    assert judge_host(HostSurvey(epoch=EPOCH), EPOCH + 3599) == ()
    for off, words in ((7200, "2 h ahead"), (-7200, "2 h behind"), (10**6, "12 days ahead")):
        [finding] = judge_host(HostSurvey(epoch=EPOCH + off), EPOCH)
        assert finding.kind == "clock" and words in finding.message
    [told] = judge_host(HostSurvey(epoch=EPOCH, notes=["hm"]), EPOCH)
    assert not told.attention


def test_a_certificate_is_known_whatever_its_file_is_called() -> None:
    assert holds_certificate(OURS)
    assert holds_certificate(der("ours"))
    assert holds_certificate(b"\xef\xbb\xbf" + OURS)
    assert not holds_certificate(b"")
    assert not holds_certificate(b"0 is no DER")


def test_what_go_reads() -> None:
    crlf = OURS.replace(b"\n", b"\r\n")
    assert len(read_content(b"# a comment\n" + crlf).certificates) == 1
    assert read_content(crlf).problem == ""
    assert read_content(OURS.rstrip(b"\n")).problem == ""
    assert read_content(OURS + b"junk\n" + pem("b")).problem == ""
    assert [len(read_content(OURS + GLUED).certificates)] == [1]
    bom = read_content(b"\xef\xbb\xbf" + OURS + pem("b"))
    assert (len(bom.certificates), bom.problem) == (1, "bom")
    assert read_content(b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n") == (
        read_content(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    )
