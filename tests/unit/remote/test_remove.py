"""The place phase with absence as what is wanted: the real program, under every shell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from certkit.names import RegistryReference
from certkit.remote import program
from certkit.remote.protocol import decode_place, decode_restart
from certkit.remote.report import PlaceReport, RestartReport
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.state import HostState, RuntimeChoice, removal

A = b"-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n"
B = A.replace(b"QUFB", b"QkJC")
REFERENCE = "registry.lab:5000"
ALIAS = "10.0.0.1:5000"
CERTS = "/etc/docker/certs.d"
CA = f"{CERTS}/{REFERENCE}/ca.crt"
STATE = "/var/lib/certkit"


def wanted(bundle: bytes = A, *references: str, **choice: Any) -> HostState:
    return desired_state(
        [RegistryReference.parse(text) for text in references or (REFERENCE,)],
        bundle,
        RuntimeChoice(**{"runtimes": ("docker",), "timeout": 10, **choice}),
    )


def place(host: Any, state: HostState, **options: bool) -> PlaceReport:
    exchange = program.place(state, **options)
    done = host.run(exchange)
    assert done.stderr == b""
    return decode_place(done.stdout, exchange.nonce)


def remove(host: Any, state: HostState, **options: bool) -> PlaceReport:
    return place(host, removal(state), **options)


def restart(host: Any, state: HostState) -> RestartReport:
    exchange = program.restart(state.runtimes[0])
    done = host.run(exchange)
    assert done.stderr == b""
    return decode_restart(done.stdout, exchange.nonce)


def results(report: PlaceReport) -> list[str]:
    return [file.result for one in report.runtimes for file in one.files]


def test_nothing_is_left(host: Any) -> None:
    state = wanted(A, REFERENCE, ALIAS)
    before = host.tree("etc")
    place(host, state)
    restart(host, state)
    looked = remove(host, state, check=True)
    assert results(looked) == ["would_change", "would_change"]
    assert looked.runtimes[0].files[0].previous == A
    report = remove(host, state)
    assert results(report) == ["changed", "changed"]
    assert report.runtimes[0].restart_due
    assert restart(host, removal(state)).result == "restarted"
    assert host.tree("etc") == before
    assert set(host.tree("var/lib")) <= {"var/lib/certkit", "var/lib/certkit/lock"}
    again = remove(host, state)
    assert (results(again), again.runtimes[0].restart_due) == (["same", "same"], False)
    assert results(place(host, state)) == ["changed", "changed"]


def test_without_a_restart_nothing_is_left_either(host: Any) -> None:
    before = host.tree("etc")
    place(host, wanted(), restarts=False)
    place(host, wanted(B), restarts=False)
    remove(host, wanted(B), restarts=False)
    assert host.tree("etc") == before
    assert set(host.tree("var/lib")) <= {"var/lib/certkit", "var/lib/certkit/lock"}


def test_a_daemon_that_does_not_come_back_gets_its_file_back(host: Any) -> None:
    place(host, wanted())
    restart(host, wanted())
    remove(host, wanted())
    assert not host.at(CERTS).exists()
    # Starts with the trust only.
    host.fake(
        "systemctl",
        "#!/bin/sh\ncase \"$*\" in\n'is-active docker.socket') echo inactive ;;\n"
        "'is-active '*) [ -f /state/running ] && echo active || echo failed ;;\n"
        f"'restart docker') rm -f /state/running; [ -f '{CA}' ] && touch /state/running ;;\n"
        "esac\n",
    )
    assert restart(host, removal(wanted())).result == "rolled_back"
    assert host.at(CA).read_bytes() == A
    assert host.at(CA).parent.stat().st_mode & 0o777 == 0o755
    # It is certkit's own again: known by its record, whatever is wanted by now.
    assert results(remove(host, wanted(B), check=True)) == ["would_change"]


def test_foreign_files_are_told_and_left(host: Any) -> None:
    host.put(CA, b"theirs\n")
    host.put(f"{CERTS}/{ALIAS}/client.key", b"theirs\n")
    place(host, wanted(A, ALIAS))
    report = remove(host, wanted(A, REFERENCE, ALIAS))
    assert results(report) == ["foreign", "changed"]
    assert host.at(CA).read_bytes() == b"theirs\n"
    assert [one.name for one in host.at(f"{CERTS}/{ALIAS}").iterdir()] == ["client.key"]
    told = report.runtimes[0].notes
    assert any(CA in note and "is left" in note for note in told)
    assert any("client.key" in note and "is left" in note for note in told)
    assert results(remove(host, wanted(), force=True)) == ["changed"]
    assert not host.at(CA).parent.exists()


def test_links_are_not_followed(host: Any) -> None:
    host.put("/srv/ca.crt", A)
    host.at(CA).parent.mkdir(parents=True)
    host.at(CA).symlink_to("/srv/ca.crt")
    assert results(remove(host, wanted(), force=True)) == ["foreign"]
    host.at(CA).unlink()
    host.at(CA).parent.rmdir()
    host.at(CA).parent.symlink_to("/srv")
    assert results(remove(host, wanted(), force=True)) == ["same"]
    assert host.at("/srv/ca.crt").read_bytes() == A


def test_what_holds_the_trust_is_certkits_also_without_a_record(
    make_host: Callable[..., Any],
) -> None:
    host = make_host()
    host.put(CA, A)
    assert results(remove(host, wanted())) == ["changed"]
    assert not host.at(CA).parent.exists()
    assert host.at(CERTS).exists(), "certkit did not make it"


def test_empty_directories_and_old_records_go(make_host: Callable[..., Any]) -> None:
    host = make_host()
    host.at(CA).parent.mkdir(parents=True)
    assert results(remove(host, wanted())) == ["same"]
    assert not host.at(CA).parent.exists()
    place(host, wanted(), restarts=False)
    host.at(CA).unlink()
    before = host.tree()
    assert results(remove(host, wanted(), check=True)) == ["same"]
    assert host.tree() == before
    assert results(remove(host, wanted())) == ["same"]
    assert not host.at(CA).parent.exists()
    assert not host.at(f"{STATE}/record").exists()


def test_another_registry_keeps_its_trust(make_host: Callable[..., Any]) -> None:
    host = make_host()
    place(host, wanted(A))
    place(host, wanted(B, ALIAS))
    restart(host, wanted(A))
    remove(host, wanted(A))
    restart(host, removal(wanted(A)))
    assert not host.at(CA).parent.exists()
    assert host.at(f"{CERTS}/{ALIAS}/ca.crt").read_bytes() == B
    assert results(place(host, wanted(A))) == ["changed"]
    assert results(remove(host, wanted(A, REFERENCE, ALIAS))) == ["changed", "changed"]


def test_removed_before_the_restart_that_placing_it_owed(make_host: Callable[..., Any]) -> None:
    host = make_host()
    place(host, wanted())
    remove(host, wanted())
    assert restart(host, removal(wanted())).result == "restarted"
    assert not host.at(f"{STATE}/absent").exists()


def test_a_stopped_daemon_owes_nothing(make_host: Callable[..., Any]) -> None:
    host = make_host()
    place(host, wanted())
    restart(host, wanted())
    host.at("/state/running").unlink()
    report = remove(host, wanted())
    assert (results(report), report.runtimes[0].restart_due) == (["changed"], False)
    assert not host.at(f"{STATE}/previous").exists()


def test_a_runtime_that_is_gone_leaves_its_files_to_be_removed(
    make_host: Callable[..., Any],
) -> None:
    host = make_host()
    place(host, wanted(), restarts=False)
    for name in ("docker", "dockerd", "systemctl"):
        host.at(f"/fake/{name}").unlink()
    assert results(remove(host, wanted())) == ["changed"]
    assert remove(host, wanted()).runtimes == ()


def test_removal_changes_only_what_is_wanted() -> None:
    state = removal(wanted(A))
    assert state.removes and not wanted(A).removes
    [runtime] = state.runtimes
    assert (runtime.named, runtime.shadows, runtime.hides) == (False, (), ())
    assert replace(runtime.files[0], absent=False) == wanted(A).runtimes[0].files[0]
