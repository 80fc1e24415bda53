"""``registry_host:``: which machine, how the registry runs there, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

import certkit
from certkit.errors import InputError
from certkit.inventory import load
from certkit.inventory.describe import document
from certkit.inventory.native.reader import MACHINE_KEYS
from certkit.inventory.native.registry_host import KEYS
from certkit.inventory.registry_host import RegistryHost
from tests.unit.inventory.hosts import NO_CONFIG, read

SCHEMA = json.loads((Path(certkit.__file__).parent / "schemas/inventory.schema.json").read_text())
FILES = "certificate: /srv/certs/server.crt, key: /srv/certs/server.key"


def server(directory: Path, text: str) -> RegistryHost:
    found = read(directory, text).registry_host
    assert found is not None
    return found


def test_a_host_of_the_inventory(tmp_path: Path) -> None:
    text = "registry_host: {host: r1, run: container}\nhosts: {r1: {address: 10.0.0.1}, b: }\n"
    found = server(tmp_path, text)
    assert (found.host.name, found.host.address) == ("r1", "10.0.0.1")
    assert (found.run, found.image, found.engine) == ("container", "registry:2", "docker")
    assert (found.certificate, found.key, found.key_mode) == (None, None, 0o600)


def test_a_host_that_is_never_worked_on_otherwise(tmp_path: Path) -> None:
    text = (
        f"registry_host: {{host: r1, run: systemd, unit: zot, {FILES}, key_owner: '65532'}}\n"
        "hosts: {r1: {address: 10.0.0.1, skip: true}, b: }\n"
    )
    found = server(tmp_path, text)
    assert (found.host.name, found.host.skip) == ("r1", False)
    assert (found.unit, found.key_owner) == ("zot", "65532:0")


def test_a_machine_of_its_own_takes_the_defaults(tmp_path: Path) -> None:
    text = (
        "registry_host:\n"
        "  host: {address: 10.0.0.1, user: ops, jump: b}\n"
        f"  run: files\n  {FILES.replace(', ', chr(10) + '  ')}\n  key_mode: 0640\n"
        "defaults: {port: 2222}\nhosts: [a, b]\n"
    )
    found = server(tmp_path, text)
    host = found.host
    assert (host.name, host.user, host.port) == ("10.0.0.1", "ops", 2222)
    assert [hop.name for hop in host.jump] == ["b"]
    assert found.key_mode == 0o640


def test_ansible_and_a_file_of_its_own(tmp_path: Path) -> None:
    said = {"host": "b", "run": "compose", "project": "/srv/x", "service": "registry"}
    said |= {"certificate": "/srv/x/certs/a.crt", "key": "/srv/x/certs/a.key"}
    ini = f"[all:vars]\ncertkit_registry_host={json.dumps(said)}\n[web]\na\nb\n"
    tree = {"all": {"hosts": {"a": None, "b": None}, "vars": {"certkit_registry_host": said}}}
    for text in (ini, yaml.safe_dump(tree), json.dumps(tree)):
        found = server(tmp_path, text)
        assert (found.host.name, found.run, found.service) == ("b", "compose", "registry")
    own = tmp_path / "own.yaml"
    own.write_text("host: a\nrun: container\nimage: registry:3\n")
    (tmp_path / "inv").write_text(ini)
    inventory = load(tmp_path / "inv", ssh_config=NO_CONFIG, registry_host=own)
    assert inventory.registry_host is not None
    assert inventory.registry_host.image == "registry:3"
    assert document(inventory, ())["registry_host"]["host"]["name"] == "a"


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ("{host: r1, run: container, prot: 5000}", "did you mean 'port'"),
        ("{host: r1, run: contaner}", "did you mean 'container'"),
        ("{host: r2, run: container}", "no host 'r2'"),
        ("{run: container}", "has no host"),
        ("{host: r1}", "has no run"),
        ("{host: {user: x}, run: container}", "no address"),
        ("{host: {address: x, runtime: docker}, run: container}", "unknown key 'runtime'"),
        ("{host: r1, run: container, unit: zot}", "it is for run: systemd"),
        (f"{{host: r1, run: systemd, {FILES}}}", "has no unit"),
        ("{host: r1, run: systemd, unit: zot}", "has no certificate"),
        ("{host: r1, run: container, certificate: /srv/a/b}", "one of certificate and key"),
        ("{host: r1, run: container, certificate: /a/b/c, key: /a/d/e}", "two directories"),
        ("{host: r1, run: files, certificate: /a/b/c, key: /a/b/c}", "are one file"),
        (f"{{host: r1, run: files, {FILES}, key_mode: 0644}}", "not a mode for a private key"),
        (f"{{host: r1, run: files, {FILES}, key_owner: '-x'}}", "not an owner"),
        ("{host: r1, run: container, port: 0}", "port"),
        ("{host: r1, run: container, image: '-v'}", "not the name of an image"),
        ("{host: r1, run: container, data: ../x}", "volume"),
        ("{host: r1, run: container, connect: localhost.lab}", "no port"),
        ("{host: r1, run: proxy, reload_command: '{{ x }}', " + FILES + "}", "template"),
        ("r1", "must be a mapping"),
    ],
)
def test_what_is_refused(tmp_path: Path, mapping: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, f"registry_host: {mapping}\nhosts: [r1]\n")
    assert words in f"{caught.value.message} {caught.value.hint}"
    assert ":1:" in caught.value.message


def test_the_schema_agrees() -> None:
    definitions = SCHEMA["$defs"]
    assert tuple(definitions["registryHost"]["properties"]) == KEYS
    assert tuple(definitions["machine"]["properties"]) == MACHINE_KEYS
    validator = jsonschema.Draft202012Validator(SCHEMA)
    good = {"host": "a", "run": "systemd", "unit": "zot", "certificate": "/a/b/c", "key": "/a/b/d"}
    validator.validate({"hosts": ["a"], "registry_host": good})
    for change in ({"unit": None}, {"port": 1}, {"key_mode": "0644"}, {"run": "x"}, {"host": {}}):
        bad = {key: value for key, value in {**good, **change}.items() if value is not None}
        assert list(validator.iter_errors({"hosts": ["a"], "registry_host": bad})), change
