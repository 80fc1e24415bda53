"""What certkit once put on a host under a name or directory that has left the inventory since."""

from __future__ import annotations

from typing import Any

from certkit.names import RegistryReference
from certkit.remote import program
from certkit.remote.protocol import decode_place
from certkit.remote.report import PlaceReport
from certkit.remote.survey import HostSurvey, decode_survey
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.state import HostState, RuntimeChoice, removal

A = b"-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n"
B = A.replace(b"QUFB", b"QkJC")
REFERENCE = "registry.lab:5000"
ALIAS = "old-name.lab:5000"
CERTS = "/etc/docker/certs.d"
CA = f"{CERTS}/{REFERENCE}/ca.crt"
GONE = f"{CERTS}/{ALIAS}/ca.crt"
MOVED = f"/srv/docker certs/{REFERENCE}/ca.crt"


def wanted(bundle: bytes = A, *references: str, certs_dir: str | None = None) -> HostState:
    names = [RegistryReference.parse(text) for text in references or (REFERENCE,)]
    return desired_state(names, bundle, RuntimeChoice(("docker",), certs_dir=certs_dir))


def place(host: Any, state: HostState, **options: bool) -> PlaceReport:
    exchange = program.place(state, restarts=False, **options)
    done = host.run(exchange)
    assert done.stderr == b""
    return decode_place(done.stdout, exchange.nonce)


def survey(host: Any, state: HostState) -> HostSurvey:
    exchange = program.survey(state)
    before = host.tree()
    done = host.run(exchange)
    assert (done.stderr, host.tree()) == (b"", before)
    return decode_survey(done.stdout, exchange.nonce)


def files(report: PlaceReport) -> dict[str, str]:
    return {file.path: file.result for one in report.runtimes for file in one.files}


def test_a_directory_that_left_is_found_and_goes(host: Any) -> None:
    place(host, wanted(certs_dir="/srv/docker certs"))
    assert survey(host, wanted()).runtimes[0].left_over == [MOVED]
    assert files(place(host, wanted())) == {CA: "changed", MOVED: "changed"}
    assert not host.at("/srv/docker certs").exists()


def test_it_is_told_before_it_goes(host: Any) -> None:
    place(host, wanted(A, REFERENCE, ALIAS))
    now = wanted(A + B)
    assert survey(host, now).runtimes[0].left_over == [GONE]
    looked = place(host, now, check=True)
    assert files(looked) == {CA: "would_change", GONE: "would_change"}
    assert any(GONE in note and "left the inventory" in note for note in looked.runtimes[0].notes)
    assert host.at(GONE).read_bytes() == A
    assert files(place(host, now)) == {CA: "changed", GONE: "changed"}
    assert not host.at(f"{CERTS}/{ALIAS}").exists()
    assert files(place(host, now)) == {CA: "same"}
    assert survey(host, now).runtimes[0].left_over == []


def test_a_removal_takes_it_and_leaves_another_registrys(host: Any) -> None:
    place(host, wanted(A, REFERENCE, ALIAS))
    place(host, wanted(B, "other.lab:5000"))
    report = place(host, removal(wanted()))
    assert files(report) == {CA: "changed", GONE: "changed"}
    assert host.at(f"{CERTS}/other.lab:5000/ca.crt").read_bytes() == B
    assert sorted(path.name for path in host.at(CERTS).iterdir()) == ["other.lab:5000"]


def test_what_somebody_has_changed_since_is_left(host: Any) -> None:
    place(host, wanted(A, REFERENCE, ALIAS))
    host.put(GONE, b"theirs\n")
    assert survey(host, wanted()).runtimes[0].left_over == []
    assert files(place(host, wanted())) == {CA: "same", GONE: "foreign"}
    assert host.at(GONE).read_bytes() == b"theirs\n"
