"""Desired states as data."""

from __future__ import annotations

import pytest

from certkit.errors import InputError
from certkit.names import RegistryReference
from certkit.runtimes.catalogue import NAMES, advice, desired_state
from certkit.runtimes.state import HostState, RuntimeChoice

PEM = b"PEM\n"


def state(choice: RuntimeChoice, *references: str) -> HostState:
    parsed = [RegistryReference.parse(text) for text in references or ("registry.lab:5000",)]
    return desired_state(parsed, PEM, choice)


def test_auto_holds_every_runtime_unnamed() -> None:
    found = state(RuntimeChoice())
    assert tuple(one.name for one in found.runtimes) == NAMES
    assert not any(one.named for one in found.runtimes)
    assert found.registry == "registry.lab:5000"


@pytest.mark.parametrize(
    ("runtime", "path", "owner"),
    [
        ("docker", "/etc/docker/certs.d/registry.lab:5000/ca.crt", "0:0"),
        ("docker-rootless", "~/.config/docker/certs.d/registry.lab:5000/ca.crt", "@user"),
        (
            "docker-snap",
            "/var/snap/docker/current/etc/docker/certs.d/registry.lab:5000/ca.crt",
            "0:0",
        ),
        ("podman", "/etc/containers/certs.d/registry.lab:5000/ca.crt", "0:0"),
    ],
)
def test_where_trust_goes(runtime: str, path: str, owner: str) -> None:
    (found,) = state(RuntimeChoice((runtime,))).runtimes
    assert found.named
    (file,) = found.files
    assert (file.path, file.content, file.mode, file.owner) == (path, PEM, 0o644, owner)
    assert found.per_user is (runtime == "docker-rootless")
    assert (found.activation is None) is (runtime == "podman")


def test_one_file_for_each_alias_once() -> None:
    (found,) = state(
        RuntimeChoice(("docker",)), "r.lab:5000", "[fd00::1]:5000", "r.lab:5000"
    ).runtimes
    assert [file.path.split("/")[4] for file in found.files] == ["r.lab:5000", "[fd00::1]:5000"]
    assert "/etc/docker/certs.d/r.lab_5000_" in found.shadows


def test_overrides_are_for_docker_with_auto_and_for_the_named_otherwise() -> None:
    choice = RuntimeChoice(
        service="dockerd2", certs_dir="/srv/certs", restart_command="x", timeout=7
    )
    by_name = {one.name: one for one in state(choice).runtimes}
    docker, snap = by_name["docker"].activation, by_name["docker-snap"].activation
    assert docker and snap
    assert (docker.service, docker.restart_command, docker.timeout) == ("dockerd2", "x", 7)
    assert (snap.service, snap.restart_command) == ("docker", None)
    assert by_name["docker"].files[0].path.startswith("/srv/certs/")
    assert by_name["podman"].files[0].path.startswith("/etc/containers/")
    (named,) = state(RuntimeChoice(("podman",), certs_dir="/srv/certs/")).runtimes
    assert named.files[0].path == "/srv/certs/registry.lab:5000/ca.crt"


def test_bad_choices() -> None:
    with pytest.raises(InputError) as caught:
        state(RuntimeChoice(("dokcer",)))
    assert "docker" in caught.value.hint
    with pytest.raises(InputError):
        state(RuntimeChoice(("auto", "docker")))
    with pytest.raises(InputError):
        desired_state([], PEM, RuntimeChoice())


@pytest.mark.parametrize(
    ("version", "new", "told"),
    [
        ("24.0.9", True, True),
        ("20.10.24+dfsg1", True, True),
        ("24.0.9", False, False),
        ("25.0.0", True, False),
        ("", True, False),
    ],
)
def test_build_note(version: str, new: bool, told: bool) -> None:
    assert bool(advice("docker", version, ["r.lab:5000"], new)) is told


def test_podman_knows_no_ipv6_names() -> None:
    assert advice("podman", "4.3.1", ["[fd00::1]:5000"], True)
    assert not advice("podman", "4.3.1", ["r.lab:5000"], True)
