"""The way back of a deployment, where something is in it, or was left by an earlier run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from certkit.errors import ErrorKind, HostError
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
    host = furnish(make_host())
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
