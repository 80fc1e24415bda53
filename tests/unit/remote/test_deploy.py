"""The registry's phases: the real program against stand-ins for docker, systemd and openssl."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from certkit.errors import ErrorKind, HostError
from certkit.names import RegistryReference
from certkit.remote import deploy as phase
from certkit.remote.deployment import Deployment, DeployReport, Endpoint, PairFile

CERTIFICATE = "/srv/certs/server.crt"
KEY = "/srv/certs/server.key"
OLD, NEW = "a" * 64, "b" * 64
SHELF = f"/var/lib/certkit/registry{CERTIFICATE}"
SECRET = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
# A registry that reads its pair when it starts, and serves what the first line of the certificate
# says; a key that says BAD keeps it from starting.
_START = r"""#!/bin/sh
rm -f /state/serving
if grep -q BAD /srv/certs/server.key 2>/dev/null || [ ! -f /srv/certs/server.crt ]; then
  echo 'tls: private key does not match public key'; exit 1
fi
head -n 1 /srv/certs/server.crt >/state/serving
"""
_OPENSSL = r"""#!/bin/sh
case $1 in
  s_client)
    echo "$*" >>/state/asked
    cat /state/serving 2>/dev/null || { echo 'Connection refused'; exit 1; } ;;
  x509) read -r print && echo "sha256 Fingerprint=$print" ;;
esac
"""
_SYSTEMCTL = r"""#!/bin/sh
echo "$*" >>/state/log
case "$*" in
  'show -p LoadState registry') echo LoadState=loaded ;;
  'show -p LoadState '*) echo LoadState=not-found ;;
  'is-active '*) if [ -f /state/serving ]; then echo active; else echo failed; fi ;;
  'restart registry') /fake/start >>/state/words; exit 0 ;;
esac
"""
_DOCKER = r"""#!/bin/sh
echo "$*" >>/state/log
for last; do :; done
[ ! -f /state/no-engine ] || { echo 'Cannot connect'; exit 1; }
case "$*" in
  'ps -a --filter name='*)
    # The filter takes a part of a name as well.
    cd /state; for one in c-*"${4#*=}"*; do [ ! -f "$one" ] || echo "${one#c-}"; done ;;
  'image inspect '*) [ -f /state/image ] ;;
  'pull '*) [ ! -f /state/no-pull ] && touch /state/image || { echo 'no such host'; exit 1; } ;;
  'container inspect -f {{.Name}} '*) [ -f "/state/c-$last" ] ;;
  'container inspect -f {{index'*) cat "/state/c-$last" ;;
  'container inspect -f {{.State.Running}} '*) [ -f /state/serving ] && echo true ;;
  'container inspect -f {{.State.Status}} {{.RestartCount}} '*)
    if [ -f /state/serving ]; then echo running 0
    elif [ -f /state/eager ]; then echo >>/state/eager; echo running $(wc -l </state/eager)
    else echo exited 0; fi ;;
  'rename '*) mv "/state/c-$2" "/state/c-$3" ;;
  'stop '*) rm -f /state/serving ;;
  'rm -f '*) [ ! -f "/state/c-$3" ] || rm -f "/state/c-$3" ;;
  'restart '*) [ -f "/state/c-$2" ] && { /fake/start || [ -f /state/eager ]; } ;;
  'run '*)
    for word; do
      case $word in --name=*) name=${word#*=} ;; --label=*) label=${word##*=} ;; esac
    done
    echo "$label" >"/state/c-$name"
    [ ! -f /state/port-taken ] || { echo 'port is already allocated'; exit 125; }
    /fake/start ;;
  'logs '*) cat /state/words 2>/dev/null ;;
esac
"""


@pytest.fixture(autouse=True)
def _stand_ins(request: pytest.FixtureRequest) -> None:
    if "host" in request.fixturenames:
        furnish(request.getfixturevalue("host"))


@pytest.fixture
def dash(make_host: Callable[..., Any]) -> Any:
    """One host is enough where no other construct of the shell's is met."""
    return furnish(make_host())


def furnish(host: Any) -> Any:
    host.fake("start", _START)
    host.fake("openssl", _OPENSSL)
    host.fake("systemctl", _SYSTEMCTL)
    host.fake("docker", _DOCKER)
    return host


def wanted(leaf: str = NEW, key: str = SECRET, **changes: Any) -> Deployment:
    state = Deployment(
        way="systemd",
        certificate=PairFile(CERTIFICATE, f"{leaf}\nchain\n".encode()),
        key=PairFile(KEY, key.encode(), 0o600),
        want=leaf,
        endpoint=Endpoint(("127.0.0.1", 5000), RegistryReference.parse("registry.lab:5000")),
        timeout=4,
        unit="registry",
    )
    return replace(state, **changes)


def container(leaf: str = NEW, spec: str = "s1", **changes: Any) -> Deployment:
    run = ("run", "--detach", "--name=registry", f"--label=certkit.spec={spec}", "registry:2")
    given = {"name": "registry", "image": "registry:2", "run": run, "spec": spec, "unit": ""}
    return wanted(leaf, way="container", **{**given, **changes})


def tell(host: Any, state: Deployment, step: phase.Step = "deploy", **options: Any) -> DeployReport:
    exchange = phase.deploy(state, step, **options)
    assert SECRET.encode() not in repr(exchange).encode()
    done = host.run(exchange)
    assert done.stderr == b""
    assert b"PRIVATE KEY" not in done.stdout
    return phase.decode_deploy(done.stdout, exchange.nonce)


def deployed(host: Any, state: Deployment) -> None:
    assert tell(host, state).result == "changed"
    assert tell(host, state, "settle").result == "settled"


def test_placed_restarted_served_and_settled(host: Any) -> None:
    report = tell(host, wanted())
    assert (report.result, report.plan, report.before, report.served) == (
        *("changed", "restart", ""),
        NEW,
    )
    assert [(file.path, file.result) for file in report.files] == [
        (CERTIFICATE, "changed"),
        (KEY, "changed"),
    ]
    assert host.at(KEY).read_text() == SECRET
    assert host.at(KEY).stat().st_mode & 0o777 == 0o600
    assert host.at(CERTIFICATE).stat().st_mode & 0o777 == 0o644
    tell(host, wanted(), "settle")
    # The certificate is on the record; of the key, nothing is kept.
    assert {path.name for path in host.at(SHELF).iterdir()} == {"record"}
    assert not any(b"PRIVATE" in content for content in host.tree("var").values())
    asked = host.at("/state/asked").read_text()
    assert "-connect 127.0.0.1:5000 -servername registry.lab" in asked


def test_a_second_run_changes_and_restarts_nothing(dash: Any) -> None:
    deployed(dash, wanted())
    log = dash.at("/state/log").read_text().count("restart registry")
    before = dash.tree("srv", "var")
    report = tell(dash, wanted())
    assert (report.result, report.served) == ("unchanged", NEW)
    assert dash.at("/state/log").read_text().count("restart registry") == log
    assert dash.tree("srv", "var") == before


def test_a_check_touches_nothing(dash: Any) -> None:
    before = dash.tree("etc", "var", "srv")
    report = tell(dash, wanted(), check=True)
    assert report.result == "would_change"
    assert [file.result for file in report.files] == ["would_change", "would_change"]
    assert dash.tree("etc", "var", "srv") == before


def test_a_pair_that_cannot_be_loaded_leaves_the_old_one_served(host: Any) -> None:
    deployed(host, wanted(OLD))
    report = tell(host, wanted(NEW, "BAD\n"))
    assert (report.result, report.before) == ("rolled_back", OLD)
    # Without `timeout`, looking takes so long there that the time is up first.
    assert report.why in ("ended", "silent")
    assert host.at(CERTIFICATE).read_text().startswith(OLD)
    assert host.at(KEY).read_text() == SECRET
    assert host.at("/state/serving").read_text().strip() == OLD
    assert {path.name for path in host.at(SHELF).iterdir()} == {"record"}
    # What came back is certkit's own still.
    assert tell(host, wanted(NEW)).result == "changed"


def test_the_first_pair_of_all_that_cannot_be_loaded_goes_again(dash: Any) -> None:
    assert tell(dash, wanted(NEW, "BAD\n")).result == "rolled_back"
    assert not dash.at(CERTIFICATE).exists()
    assert not dash.at(KEY).exists()


def test_revert_on_the_operators_word(dash: Any) -> None:
    deployed(dash, wanted(OLD))
    assert tell(dash, wanted(NEW)).result == "changed"
    assert dash.at(f"{SHELF}/old.2").stat().st_mode & 0o777 == 0o600
    report = tell(dash, wanted(NEW), "revert")
    assert (report.result, report.served) == ("rolled_back", OLD)
    assert tell(dash, wanted(NEW), "revert").result == "none"


def test_a_stale_registry_is_restarted_although_its_files_are_right(dash: Any) -> None:
    deployed(dash, wanted())
    dash.state("serving", f"{OLD}\n")
    assert tell(dash, wanted(), check=True).result == "would_change"
    report = tell(dash, wanted())
    assert (report.result, report.before, report.served) == ("changed", OLD, NEW)
    assert [file.result for file in report.files] == ["same", "same"]


def test_strangers_files_are_left_without_force(host: Any) -> None:
    host.put(CERTIFICATE, f"{'c' * 64}\ntheirs\n")
    host.put(KEY, "their key\n", 0o640)
    host.state("serving", "c" * 64)
    report = tell(host, wanted())
    assert report.result == "foreign"
    assert host.at(KEY).read_text() == "their key\n"
    assert tell(host, wanted(NEW, "BAD\n"), force=True).result == "rolled_back"
    assert host.at(KEY).read_text() == "their key\n"
    assert host.at(KEY).stat().st_mode & 0o777 == 0o640
    assert tell(host, wanted(), force=True).result == "changed"


def test_a_known_certificate_is_no_stranger(dash: Any) -> None:
    dash.put(CERTIFICATE, f"{OLD}\nby hand\n")
    dash.put(KEY, "the old key\n")
    report = tell(dash, wanted(known=(f"{OLD}\nby hand\n".encode(),)))
    assert report.result == "changed"


def test_a_deployment_that_was_cut_is_finished_by_the_next(dash: Any) -> None:
    deployed(dash, wanted(OLD))
    assert tell(dash, wanted(NEW)).result == "changed"  # and nobody settles it
    report = tell(dash, wanted(NEW, "BAD\n"))
    assert report.result == "rolled_back"
    assert dash.at("/state/serving").read_text().strip() == OLD


def test_a_bad_pair_that_a_cut_run_left_in_place_goes_too(dash: Any) -> None:
    deployed(dash, wanted(OLD))
    assert tell(dash, wanted(NEW)).result == "changed"  # and the machine goes down before a word
    dash.put(KEY, "BAD\n", 0o600)
    dash.at("/state/serving").unlink()
    report = tell(dash, wanted(NEW, "BAD\n"))
    assert [file.result for file in report.files] == ["same", "same"]
    assert report.result == "rolled_back"
    assert dash.at("/state/serving").read_text().strip() == OLD
    assert dash.at(KEY).read_text() == SECRET


def test_what_a_cut_run_carried_through_is_settled_without_a_restart(dash: Any) -> None:
    deployed(dash, wanted(OLD))
    assert tell(dash, wanted(NEW)).result == "changed"  # and nobody settles it
    restarts = dash.at("/state/log").read_text().count("restart registry")
    report = tell(dash, wanted(NEW))
    assert (report.result, report.plan, report.served) == ("changed", "none", NEW)
    assert dash.at("/state/log").read_text().count("restart registry") == restarts
    assert tell(dash, wanted(NEW), "settle").result == "settled"
    assert tell(dash, wanted(NEW)).result == "unchanged"


def test_a_container_is_started_then_restarted_then_replaced(host: Any) -> None:
    report = tell(host, container(OLD))
    assert (report.result, report.plan) == ("changed", "create")
    tell(host, container(OLD), "settle")
    report = tell(host, container(NEW))
    assert (report.result, report.plan, report.served) == ("changed", "restart", NEW)
    tell(host, container(NEW), "settle")
    assert tell(host, container(NEW)).result == "unchanged"
    report = tell(host, container(NEW, "s2"))
    assert (report.result, report.plan) == ("changed", "recreate")
    tell(host, container(NEW, "s2"), "settle")
    assert not host.at("/state/c-registry-certkit-old").exists()
    assert host.at("/state/c-registry").read_text() == "s2\n"


def test_a_container_that_cannot_start_leaves_the_old_one_running(dash: Any) -> None:
    deployed(dash, container(OLD))
    dash.state("port-taken")
    report = tell(dash, container(NEW, "s2"))
    assert (report.result, report.why) == ("rolled_back", "start")
    assert any("already allocated" in line for line in report.journal)
    assert dash.at("/state/c-registry").read_text() == "s1\n"
    assert dash.at("/state/serving").read_text().strip() == OLD
    dash.at("/state/c-registry").unlink()
    dash.at("/state/serving").unlink()
    assert tell(dash, container(NEW, "s2")).result == "rolled_back"
    assert not dash.at("/state/c-registry").exists()


def test_a_container_that_is_started_again_at_once_has_ended(dash: Any) -> None:
    dash.fake("podman", _DOCKER)
    dash.state("image")
    deployed(dash, container(OLD, engine="podman"))
    dash.state("eager")
    # Long before the time is up, although it is never seen at rest.
    report = tell(dash, container(NEW, "s1", engine="podman", timeout=60, key="BAD\n"))
    assert (report.result, report.why) == ("rolled_back", "ended")
    assert dash.at("/state/serving").read_text().strip() == OLD


def test_nothing_starts_podmans_containers_after_a_reboot_unless_told(dash: Any) -> None:
    dash.fake("podman", _DOCKER)
    dash.state("image")
    assert tell(dash, container()).at_boot
    dash.at("/state/c-registry").unlink()
    assert not tell(dash, container(engine="podman")).at_boot
    dash.fake("systemctl", "#!/bin/sh\necho enabled\n")
    assert tell(dash, container(engine="podman")).at_boot


@pytest.mark.parametrize(
    ("flag", "state", "kind", "words"),
    [
        ("no-engine", container(), ErrorKind.DAEMON, "docker did not answer: Cannot connect"),
        ("no-pull", container(), ErrorKind.DAEMON, "no image registry:2"),
        ("c-registry", container(), ErrorKind.CONFLICT, "certkit did not start"),
        ("x", wanted(way="existing", name="reg"), ErrorKind.DAEMON, "no container reg"),
        ("x", wanted(unit="zot"), ErrorKind.DAEMON, "no unit zot"),
    ],
)
def test_what_is_missing_is_told_and_nothing_touched(
    make_host: Callable[..., Any], flag: str, state: Deployment, kind: ErrorKind, words: str
) -> None:
    host = furnish(make_host())
    host.state(flag)
    with pytest.raises(HostError) as caught:
        tell(host, state)
    assert (caught.value.kind, words in caught.value.message) == (kind, True), caught.value
    assert not host.at("/srv").exists()


def test_a_reload_command(host: Any) -> None:
    state = wanted(way="command", unit="", command="/fake/start && echo reloaded >>/state/log")
    report = tell(host, state)
    assert (report.result, report.plan) == ("changed", "reload")
    assert "reloaded" in host.at("/state/log").read_text()


def test_files_only(dash: Any) -> None:
    report = tell(dash, wanted(way="files", unit=""))
    assert (report.result, report.plan, report.served) == ("changed", "none", "")
    assert not dash.at("/state/log").exists()


def test_a_host_without_openssl_needs_another_witness(make_host: Callable[..., Any]) -> None:
    host = furnish(make_host("busybox-userland"))
    host.at("/fake/openssl").unlink()
    report = tell(host, wanted(timeout=20))
    assert (report.result, report.served) == ("changed", "")
    assert tell(host, wanted(timeout=20)).result == "changed"  # not settled, so not proven
    tell(host, wanted(), "settle")
    assert tell(host, wanted()).result == "unchanged"


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_the_keys_owner_can_be_set(dash: Any) -> None:
    state = wanted(key=SECRET)
    state = replace(state, key=replace(state.key, owner="1234:1234", mode=0o640))
    assert tell(dash, state).result == "changed"
    there = dash.at(KEY).stat()
    assert (there.st_uid, there.st_gid, there.st_mode & 0o777) == (1234, 1234, 0o640)


def test_labels_where_selinux_is_on(dash: Any) -> None:
    dash.fake("selinuxenabled", "#!/bin/sh\n")
    dash.fake("chcon", '#!/bin/sh\necho "chcon $*" >>/state/labels\n')
    dash.fake("matchpathcon", "#!/bin/sh\necho system_u:object_r:cert_t:s0\n")
    dash.fake("restorecon", '#!/bin/sh\necho "restorecon $*" >>/state/labels\n')

    def labels() -> list[str]:
        lines = dash.at("/state/labels").read_text().splitlines()
        dash.at("/state/labels").unlink()
        return [
            line.replace(str(line.split("/")[-1]), "*") if ".certkit-" in line else line
            for line in lines
        ]

    deployed(dash, container(OLD))
    # A container may read neither the files nor the directories under any other label.
    assert set(labels()) == {
        *("chcon -t container_file_t /srv", "chcon -t container_file_t /srv/certs"),
        "chcon -t container_file_t /srv/certs/*",
    }
    deployed(dash, container(NEW))
    # As what is replaced, the key being the same here.
    assert labels() == [f"chcon --reference={CERTIFICATE} /srv/certs/*"]
    dash.at(CERTIFICATE).unlink()
    dash.at(KEY).unlink()
    dash.at("/state/serving").unlink()
    assert tell(dash, wanted(OLD)).result == "changed"
    assert set(labels()) == {"chcon system_u:object_r:cert_t:s0 /srv/certs/*"}


def test_a_look(host: Any) -> None:
    endpoint = wanted().endpoint
    exchange = phase.look(endpoint)
    seen = phase.decode_look(host.run(exchange).stdout, exchange.nonce)
    assert (seen.able, seen.sha256, seen.text) == (True, "", "Connection refused")
    host.state("serving", f"{OLD}\n")
    exchange = phase.look(endpoint)
    assert phase.decode_look(host.run(exchange).stdout, exchange.nonce).sha256 == OLD
