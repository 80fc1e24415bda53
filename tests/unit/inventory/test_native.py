from __future__ import annotations

import json
import os
import pwd
import time
from pathlib import Path

import jsonschema
import pytest
import yaml

import certkit
from certkit.errors import InputError
from certkit.inventory import Become, Timeouts, load, registry_of
from certkit.inventory.fields import FIELDS
from certkit.inventory.native.reader import GROUP_KEYS, HOST_KEYS, TOP_KEYS
from certkit.secret import Secret
from tests.unit.inventory.hosts import NO_CONFIG, names, read

ROOT = Path(certkit.__file__).parents[1]
EXAMPLE = ROOT / "inventory.example.yaml"
SCHEMA = json.loads((Path(certkit.__file__).parent / "schemas/inventory.schema.json").read_text())
PIN = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"


def test_the_shortest_useful_file(tmp_path: Path) -> None:
    found = read(tmp_path, "registry: registry.example.com:5000\nhosts: [web01, web02]\n")
    assert found.format == "native"
    assert found.registry == "registry.example.com:5000"
    assert names(found) == ["web01", "web02"]
    one = found.hosts[0]
    assert (one.address, one.port) == ("web01", 22)
    assert one.user == pwd.getpwuid(os.getuid()).pw_name
    assert one.runtimes == ("auto",)
    assert one.groups == ("ungrouped",)
    assert found.warnings == ()


def test_all_that_a_host_can_say(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        f"""\
version: 1
registry: "[fd00::1]:5000"
aliases: [reg.lab:5000, reg.lab:5000]
restart: safe
wave: 1,10%,50%
max_fail: 10%
parallel: 8
hosts:
  web01:
    address: 10.0.0.1
    port: 2222
    user: ops
    identity_file: [keys/a, /k/b]
    certificate_file: /k/a-cert.pub
    identities_only: yes
    agent_key: {PIN}=
    use_agent: no
    host_key: {PIN}
    host_key_alias: web
    known_hosts_file: /k/known
    global_known_hosts_file: []
    become: {{method: doas, user: adm, executable: /usr/bin/doas}}
    runtime: [rootless, podman]
    service: docker-ce.service
    certs_dir: /srv/certs.d/
    restart: never
    restart_command: service docker restart && true
    rootless_user: dev
    timeout: {{connect: 2.5, host: 60}}
    groups: blue
    tags: [paris, rack-7]
    vars: {{a: 1, b: [x]}}
""",
    )
    one = found.hosts[0]
    assert found.registry == "[fd00::1]:5000"
    assert found.aliases == ("reg.lab:5000",)
    assert found.settings.restart == "safe"
    assert found.settings.wave == ("1", "10%", "50%")
    assert (found.settings.max_fail, found.settings.parallel) == ("10%", 8)
    assert (one.address, one.port, one.user) == ("10.0.0.1", 2222, "ops")
    assert one.identity_files == (tmp_path / "keys/a", Path("/k/b"))
    assert one.certificate_file == Path("/k/a-cert.pub")
    assert (one.identities_only, one.use_agent) == (True, False)
    assert (one.agent_key, one.host_key, one.host_key_alias) == (PIN, PIN, "web")
    assert one.known_hosts_files == (Path("/k/known"),)
    assert one.global_known_hosts_files == ()
    assert one.become == Become("doas", "adm", None, "/usr/bin/doas")
    assert one.runtimes == ("docker-rootless", "podman")
    assert (one.service, one.certs_dir) == ("docker-ce.service", "/srv/certs.d")
    assert (one.restart, one.restart_command) == ("never", "service docker restart && true")
    assert one.rootless_user == "dev"
    assert one.timeouts == Timeouts(connect=2.5, host=60)
    assert (one.groups, one.tags) == (("blue",), ("paris", "rack-7"))
    assert dict(one.vars) == {"a": 1, "b": ["x"]}


def test_precedence_and_where_each_value_came_from(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """\
defaults: {user: d, port: 1, service: d, become: {user: d}}
groups:
  one: {port: 2, service: one, become: {method: doas}}
  two: {service: two}
hosts:
  a: {groups: [two, one], service: own}
  b: {groups: [two, one]}
  c:
""",
    )
    a, b, c = found.hosts
    assert (a.user, a.port, a.service) == ("d", 2, "own")
    assert (b.service, b.groups) == ("two", ("one", "two"))
    assert (c.user, c.port, c.service) == ("d", 1, "d")
    assert a.become == Become("doas", "d")
    assert a.origins["service"] == f"{tmp_path}/hosts.yaml:6 host a"
    assert a.origins["port"] == f"{tmp_path}/hosts.yaml:3 group one"
    assert a.origins["user"] == f"{tmp_path}/hosts.yaml:1 defaults"
    assert "timeouts.host" not in a.origins
    assert found.warnings == (
        "the groups one and two disagree about service; two wins, being later in the file (host b)",
    )


def test_the_command_line_wins(tmp_path: Path) -> None:
    text = "hosts: {a: {user: x, port: 1, identity_file: /k, jump: j}, j: {skip: true, user: y}}\n"
    found = read(tmp_path, text, user="me", port=9, identity_file=Path("/mine"))
    a = found.hosts[0]
    assert (a.user, a.port, a.identity_files) == ("me", 9, (Path("/mine"),))
    assert a.origins["user"] == "--user"
    hop = a.jump[0]
    assert (hop.user, hop.port) == ("y", 22)  # as with ssh -J
    assert hop.identity_files == (Path("/mine"),)
    with pytest.raises(InputError, match="--user"):
        read(tmp_path, text, user="-oProxyCommand=x")


def test_ranges_and_exceptions_from_them(tmp_path: Path) -> None:
    found = read(
        tmp_path, "hosts:\n  web[01:03]: {port: 1, tags: a}\n  web02: {port: 2}\n  root@db[a:b]:\n"
    )
    assert names(found) == ["web01", "web02", "web03", "dba", "dbb"]
    assert [host.port for host in found.hosts] == [1, 2, 1, 22, 22]
    assert found.hosts[1].tags == ("a",)
    assert found.hosts[3].user == "root"


def test_plain_strings(tmp_path: Path) -> None:
    found = read(tmp_path, "hosts: [a, root@b:2222, '[2001:db8::1]:23', 2001:db8::2, u@d@c, no]\n")
    seen = [(h.name, h.address, h.port) for h in found.hosts[:4]]
    assert seen == [
        ("a", "a", 22),
        ("b:2222", "b", 2222),
        ("[2001:db8::1]:23", "2001:db8::1", 23),
        ("2001:db8::2", "2001:db8::2", 22),
    ]
    assert found.hosts[1].user == "root"
    assert (found.hosts[4].user, found.hosts[4].address) == ("u@d", "c")
    assert found.hosts[5].name == "no"  # YAML 1.1 would make it False


def test_one_address_with_several_ports(tmp_path: Path) -> None:
    found = read(tmp_path, "hosts: ['127.0.0.1:2201', '127.0.0.1:2202']\n")
    assert names(found) == ["127.0.0.1:2201", "127.0.0.1:2202"]
    assert found.select("127.0.0.1:2202")[0].port == 2202


def test_become_is_not_needed_by_root(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "hosts: {a: {user: root}, b: {user: x}, c: {user: root, become: sudo}, d: {become: false},"
        " e: {user: x, become: {method: none}}}\n",
    )
    assert [h.become.method for h in found.hosts] == ["none", "sudo", "sudo", "none", "none"]


def test_jump_hosts(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """\
defaults: {user: deploy, port: 2222, password: hush, jump: outer, identity_file: /k}
hosts:
  outer: {skip: true, user: o, port: 22}
  inner: {skip: true, jump: outer}
  a:
  b: {jump: [inner, "ops@third.example.com:99"]}
  c: {jump: none}
  d: {jump: "other@outer"}
""",
    )
    hosts = {host.name: host for host in found.hosts}
    assert [hop.endpoint for hop in hosts["a"].jump] == ["outer:22"]
    assert [hop.name for hop in hosts["b"].jump] == ["outer", "inner", "third.example.com"]
    third = hosts["b"].jump[2]
    assert (third.user, third.port) == ("ops", 99)
    assert third.password is None  # the targets' password is not for a stranger
    assert third.identity_files == (Path("/k"),)
    assert hosts["c"].jump == hosts["outer"].jump == ()
    assert hosts["d"].jump[0].user == "other"
    assert all(not hop.jump and not hop.skip for hop in hosts["b"].jump)


@pytest.mark.parametrize(
    "text",
    [
        "hosts: {a: {jump: a}}\n",
        "hosts: {a: {jump: b}, b: {jump: a}}\n",
        "hosts: {a: {jump: b}, b: {jump: c}, c: {jump: b}}\n",
        "hosts: {a: {jump: x@b}, b: {jump: x@b}}\n",
    ],
)
def test_circles_are_found(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="circle"):
        read(tmp_path, text)


def test_one_machine_under_two_names(tmp_path: Path) -> None:
    found = read(tmp_path, "hosts: {a: {address: X.lab, groups: g}, b: {address: x.lab.}}\n")
    assert names(found) == ["a"]
    assert found.hosts[0].also_known_as == ("b",)
    assert "a and b are one machine (X.lab:22)" in found.warnings[0]
    assert found.select("b") == found.hosts
    with pytest.raises(InputError, match=r"different settings: user.*:1 host a; .*:1 host b"):
        read(tmp_path, "hosts: {a: {address: x, user: r}, b: {address: x, user: s}}\n")
    apart = "hosts: {a: {address: x, jump: j}, b: {address: x, jump: k}, c: {address: x, port: 2}}"
    assert len(read(tmp_path, apart).hosts) == 3


def test_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pw").write_text("fromfile\n")
    (tmp_path / "pw").chmod(0o600)
    monkeypatch.setenv("SUDO_PW", "fromenv")
    found = read(
        tmp_path,
        f"""\
hosts:
  a: {{password: 12345, become: {{password_from: env:SUDO_PW}}}}
  b: {{key_passphrase_from: "file:{tmp_path}/pw"}}
""",
    )
    a, b = found.hosts
    assert a.password == Secret("12345")
    assert a.become.password == Secret("fromenv")
    assert b.key_passphrase == Secret("fromfile")
    assert "12345" not in repr(found)
    (warning,) = found.warnings
    assert "plain text" in warning and "chmod 600" in warning
    (tmp_path / "pw").chmod(0o644)
    with pytest.raises(InputError, match="others can"):
        read(tmp_path, f"hosts: {{b: {{password_from: 'file:{tmp_path}/pw'}}}}\n")
    with pytest.raises(InputError, match="not set"):
        read(tmp_path, "hosts: {b: {password_from: env:CERTKIT_NO_SUCH}}\n")


def test_local(tmp_path: Path) -> None:
    (one,) = read(tmp_path, "hosts: {here: {connection: local, jump: x}}\n").hosts
    assert (one.connection, one.jump) == ("local", ())


def test_merge_keys_and_anchors(tmp_path: Path) -> None:
    found = read(
        tmp_path, "hosts:\n  a: &base {port: 5, user: x}\n  b:\n    <<: *base\n    port: 6\n"
    )
    assert [(h.user, h.port) for h in found.hosts] == [("x", 5), ("x", 6)]


def test_registry_of_does_not_run_or_ask_anything(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yaml"
    path.write_text("registry: reg.lab:5000\nhosts: [a]\n")
    assert registry_of(path) == "reg.lab:5000"
    path.write_text("hosts: [a]\n")
    assert registry_of(path) is None
    script = tmp_path / "inventory"
    script.write_text("#!/bin/sh\ntouch ran; exit 1\n")
    script.chmod(0o755)
    assert registry_of(script) is None
    assert not (tmp_path / "ran").exists()


def test_the_example_is_understood_and_fits_the_schema() -> None:
    found = load(EXAMPLE, ssh_config=NO_CONFIG)
    assert found.registry == "registry.example.com:5000"
    assert len(found.hosts) == 25
    assert found.warnings == ()
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(yaml.safe_load(EXAMPLE.read_text()))


def test_the_schema_has_the_keys_of_the_loader() -> None:
    defs = SCHEMA["$defs"]
    assert set(SCHEMA["properties"]) == set(TOP_KEYS)
    assert set(defs["host"]["properties"]) == set(HOST_KEYS)
    assert set(defs["group"]["properties"]) == set(GROUP_KEYS)
    for nested in ("become", "timeout"):
        keys = {key.partition(".")[2] for key in FIELDS if key.startswith(f"{nested}.")}
        assert set(defs[nested]["properties"]) == keys


@pytest.mark.parametrize(
    "document",
    [
        {"hosts": ["a"], "registy": "x"},
        {"hosts": {"a": {"port": 0}}},
        {"hosts": {"a": {"become": {"exe": "/x"}}}},
        {"hosts": {"a": {"restart": "auto"}}},
        {"hosts": []},
        {"hosts": ["a"], "version": 2},
        {"hosts": ["a"], "parallel": 0},
        {"hosts": ["a"], "defaults": {"address": "x"}},
        {"registry": "a.b"},
    ],
)
def test_schema_and_loader_refuse_the_same(tmp_path: Path, document: dict[str, object]) -> None:
    assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(document))
    with pytest.raises(InputError):
        read(tmp_path, yaml.safe_dump(document))


def test_ten_thousand_hosts_are_no_work(tmp_path: Path) -> None:
    lines = (f"  web{n:05d}.lab: {{address: 10.0.{n // 250}.{n % 250}}}\n" for n in range(10_000))
    begin = time.process_time()
    found = read(tmp_path, "hosts:\n" + "".join(lines))
    # About 0.6 s on one core; the bound only catches what grows faster than the hosts do.
    assert time.process_time() - begin < 6
    assert len(found.hosts) == 10_000
