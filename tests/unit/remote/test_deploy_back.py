"""The way back of a deployment, where something is in it, or was left by an earlier run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from certkit.errors import ErrorKind, HostError
from certkit.remote import deploy as phase
from certkit.remote.deployment import Deployment
from tests.unit.remote.test_deploy import (
    CERTIFICATE,
    KEY,
    NEW,
    OLD,
    SECRET,
    SHELF,
    container,
    deployed,
    furnish,
    tell,
    wanted,
)

_STUCK = """#!/bin/sh
for last; do :; done
case $last in /srv/certs/server.crt)
  [ ! -f /state/stuck ] || { echo 'mv: Permission denied' >&2; exit 1; } ;;
esac
exec /usr/bin/mv "$@"
"""


@pytest.fixture
def host(make_host: Callable[..., Any]) -> Any:
    return _host(make_host)


def _host(make_host: Callable[..., Any], shell: str = "dash") -> Any:
    host = furnish(make_host(shell))
    # Polls are counted, not timed, until a registry counts as ended.
    host.fake("sleep", "#!/bin/sh\nexec /usr/bin/sleep 0.02\n")
    # As the real one: no name twice.
    docker = host.at("/fake/docker").read_text()
    rename = "'rename '*) "
    assert rename in docker
    host.fake("docker", docker.replace(rename, f'{rename}[ ! -f "/state/c-$3" ] && '))
    host.fake("mv", _STUCK)
    return host


def standing(host: Any) -> tuple[str, str]:
    return host.at(CERTIFICATE).read_text()[:64], host.at(KEY).read_text()


def test_a_pair_of_which_one_file_cannot_be_replaced_stays_the_old_one(host: Any) -> None:
    deployed(host, container(OLD, key="old\n"))
    host.state("stuck")
    with pytest.raises(HostError) as caught:
        tell(host, container())
    assert caught.value.kind is ErrorKind.PERMISSION
    assert standing(host) == (OLD, "old\n")
    host.at("/state/stuck").unlink()
    deployed(host, container())
    assert standing(host) == (NEW, SECRET)


def test_what_cannot_be_put_back_is_kept_until_it_can(host: Any) -> None:
    deployed(host, wanted(OLD, "old\n"))
    start = host.at("/fake/start").read_text()
    host.fake("start", start.replace("; exit 1", "; touch /state/stuck; exit 1"))
    assert tell(host, wanted(NEW, "BAD\n")).result == "rollback_failed"
    host.fake("start", start)
    host.at("/state/stuck").unlink()
    assert tell(host, wanted(NEW, "BAD\n"), "revert").result == "rolled_back"
    assert standing(host) == (OLD, "old\n")
    assert host.at("/state/serving").read_text().strip() == OLD


def test_another_container_after_one_that_was_never_settled(host: Any) -> None:
    deployed(host, container(OLD))
    assert tell(host, container(NEW, "s2")).result == "changed"
    assert tell(host, container(NEW, "s3")).result == "changed"
    assert host.at("/state/c-registry").read_text() == "s3\n"
    assert tell(host, container(NEW, "s3"), "revert").result == "rolled_back"
    # What goes back is what was last known to be good.
    assert host.at("/state/c-registry").read_text() == "s1\n"
    assert not host.at("/state/c-registry-certkit-old").exists()


def test_a_container_that_an_earlier_version_left_is_in_nobodys_way(host: Any) -> None:
    deployed(host, container(OLD))
    host.state("c-registry-certkit-old", "s0\n")
    deployed(host, container(NEW, "s2"))
    assert host.at("/state/c-registry").read_text() == "s2\n"
    assert not host.at("/state/c-registry-certkit-old").exists()


def test_a_key_that_a_power_cut_left_on_the_shelf_goes(host: Any) -> None:
    deployed(host, wanted())
    host.put(f"{SHELF}/old.2", "old\n", 0o600)
    assert tell(host, wanted()).result == "unchanged"
    assert {path.name for path in host.at(SHELF).iterdir()} == {"record"}


_ENGINE_DIES = "touch /state/no-engine; exit 1"


def dies_at_its_start(host: Any) -> str:
    """The container engine dies when a registry does not come up; the way to have it live."""
    start = str(host.at("/fake/start").read_text())
    assert "; exit 1" in start
    host.fake("start", start.replace("; exit 1", f"; {_ENGINE_DIES}"))
    return start


def containers(host: Any) -> dict[str, str]:
    return {path.name[2:]: path.read_text().strip() for path in host.at("/state").glob("c-*")}


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_an_engine_that_dies_leaves_a_way_back(make_host: Callable[..., Any], shell: str) -> None:
    host = _host(make_host, shell)
    deployed(host, container(OLD, key="old\n"))
    dies_at_its_start(host)
    report = tell(host, container(NEW, "s2", key="BAD\n"))
    assert (report.result, report.restored) == ("rollback_failed", False)
    assert containers(host) == {"registry": "s2", "registry-certkit-old": "s1"}
    # The next one does not take what was left for good; nor does its own way back.
    host.at("/state/no-engine").unlink()
    report = tell(host, container(NEW, "s3", key="BAD\n"))
    assert (report.result, report.before, report.restored) == ("rollback_failed", "", False)
    assert containers(host) == {"registry": "s3", "registry-certkit-old": "s1"}
    host.at("/state/no-engine").unlink()
    report = tell(host, container(NEW, "s3"), "revert")
    assert (report.result, report.restored) == ("rolled_back", True)
    assert (containers(host), standing(host)) == ({"registry": "s1"}, (OLD, "old\n"))
    assert host.at("/state/serving").read_text().strip() == OLD
    assert {path.name for path in host.at(SHELF).iterdir()} == {"record"}


def test_an_engine_that_dies_under_the_first_container_of_all(host: Any) -> None:
    start = dies_at_its_start(host)
    assert tell(host, container(NEW, key="BAD\n")).result == "rollback_failed"
    assert containers(host) == {"registry": "s1"}
    host.at("/state/no-engine").unlink()
    host.fake("start", start)
    assert tell(host, container(NEW, key="BAD\n"), "revert").result == "rolled_back"
    assert (containers(host), host.at(CERTIFICATE).exists()) == ({}, False)


@pytest.mark.parametrize("step", ["deploy", "settle"])
def test_a_container_that_cannot_be_removed_is_not_forgotten(host: Any, step: Any) -> None:
    deployed(host, container(OLD))
    new = container(NEW, "s2")
    if step == "settle":
        assert tell(host, new).result == "changed"
    else:
        host.state("c-registry-certkit-old", "s0\n")
    before = containers(host), standing(host), host.tree("var/lib/certkit/registry")
    docker = host.at("/fake/docker").read_text()
    assert "'rm -f '*)" in docker
    host.fake("docker", docker.replace("'rm -f '*)", "'rm -f '*) echo busy; exit 1 ;; 'rm -f '*)"))
    with pytest.raises(HostError, match="remove the container registry-certkit-old: busy"):
        tell(host, new, step)
    after = containers(host), standing(host), host.tree("var/lib/certkit/registry")
    assert after[:2] == before[:2]
    assert set(after[2]) >= set(before[2])
    host.fake("docker", docker)
    deployed(host, new)
    assert containers(host) == {"registry": "s2"}


def test_half_a_pair_is_told_and_ended_by_the_next_run(host: Any) -> None:
    """The certificate is back, and its key cannot be: what serves the new pair goes on."""
    deployed(host, container(OLD, key="old\n"))
    new = container(NEW, "s2")
    assert tell(host, new).result == "changed"
    host.fake("mv", _STUCK.replace("server.crt", "server.key"))
    host.state("stuck")
    report = tell(host, new, "revert")
    assert (report.result, report.restored) == ("rollback_failed", False)
    assert standing(host) == (OLD, SECRET)
    assert containers(host)["registry"] == "s2"
    assert host.at("/state/serving").read_text().strip() == NEW
    host.at("/state/stuck").unlink()
    report = tell(host, new, "revert")
    assert (report.result, report.restored) == ("rolled_back", True)
    assert (containers(host), standing(host)) == ({"registry": "s1"}, (OLD, "old\n"))
    assert host.at("/state/serving").read_text().strip() == OLD


def test_a_new_key_that_cannot_be_taken_back_is_told(host: Any) -> None:
    """Of the new pair, the key came into place alone, and can be moved no more."""
    deployed(host, wanted(OLD, "old\n"))
    host.fake(
        "mv",
        """#!/bin/sh
for last; do :; done
case $last in /srv/*) [ ! -f /state/stuck ] || { echo 'mv: Permission denied' >&2; exit 1; } ;; esac
case $last in /srv/certs/server.key) [ ! -f /state/sticks ] || touch /state/stuck ;; esac
exec /usr/bin/mv "$@"
""",
    )
    host.state("sticks")
    with pytest.raises(HostError, match=r"server\.crt could not be .* key could not be taken back"):
        tell(host, wanted())
    assert standing(host) == (OLD, SECRET)
    host.at("/state/sticks").unlink()
    host.at("/state/stuck").unlink()
    deployed(host, wanted())
    assert standing(host) == (NEW, SECRET)


def meanwhile(host: Any, others: Deployment) -> str:
    """The steps of a stand-in's script that are, once, another operator's whole deployment."""
    exchange = phase.deploy(others)
    number = host.load(exchange)
    return f"""if mkdir /state/meanwhile 2>/dev/null; then
  dash -c "$(cat /io/{number}.boot)" </io/{number}.in >/io/{number}.out 2>&1
  grep -q ' result changed ' /io/{number}.out || exit 1
fi
"""


def test_two_operators_at_once_leave_the_pair_served_that_stands_there(host: Any) -> None:
    deployed(host, wanted(OLD, "old\n"))
    # While this one gets the answer of before.
    openssl = host.at("/fake/openssl")
    openssl.rename(host.at("/fake/asked"))
    host.fake(
        "openssl",
        '#!/bin/sh\nanswer=$(/fake/asked "$@"); status=$?\n'
        f"[ $1 != s_client ] || {{ {meanwhile(host, wanted(NEW))} }}\n"
        "printf '%s\\n' \"$answer\"; exit $status\n",
    )
    report = tell(host, wanted(OLD, "old\n"))
    assert (report.result, report.served) == ("changed", OLD)
    assert standing(host) == (OLD, "old\n")
    assert host.at("/state/serving").read_text().strip() == OLD
    # What the other one has seen is no more, and must not be taken for what is in service.
    assert tell(host, wanted(NEW), "settle").result == "none"
    assert host.at(f"{SHELF}/due").exists()
    assert tell(host, wanted(OLD, "old\n"), "settle").result == "settled"


def test_another_operators_way_back_is_not_given_up(host: Any) -> None:
    deployed(host, wanted(OLD, "old\n"))
    # Something of long ago is still to settle, and the other one comes before the lock.
    host.put(f"{SHELF}/old.2", "older\n", 0o600)
    host.fake("flock", f'#!/bin/sh\n{meanwhile(host, wanted(NEW))}exec /usr/bin/flock "$@"\n')
    assert tell(host, wanted(OLD, "old\n")).result == "unchanged"
    assert tell(host, wanted(NEW), "revert").result == "rolled_back"
    assert standing(host) == (OLD, "old\n")
