from __future__ import annotations

import json
import os
import shlex
import stat
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certkit.errors import InputError
from certkit.inventory import Inventory, load, registry_of
from certkit.inventory.ansible import ini as ansible_ini
from certkit.inventory.files import run_script
from certkit.inventory.ssh.arguments import jump_of_command
from certkit.secret import Secret
from tests.unit.inventory.hosts import NO_CONFIG, names, read

YAML = """\
all:
  vars:
    certkit_registry: reg.lab:5000
    certkit_aliases: [reg:5000]
    certkit_wave: [1, 50%]
    ansible_user: everybody
    unrelated: "{{ lookup('env', 'X') }}"
    secret: !vault |
      $ANSIBLE_VAULT;1.1;AES256
      3030
  hosts:
    lone.example.com:
  children:
    web:
      hosts:
        web[01:03]:
      vars: {ansible_port: 23}
      children:
        front:
          hosts:
            front1: {ansible_host: 10.0.0.1, certkit_runtime: podman}
          vars: {ansible_port: 24}
    db:
      hosts: {web01: {ansible_become: false}}
"""

INI = """\
; everything at once
lone.example.com
[web]
web[01:03]
[front]
front1 ansible_host="10.0.0.1" certkit_runtime=podman  # quoted
[web:children]
front
[db]
web01 ansible_become=False
[web:vars]
ansible_port = 23
[front:vars]
ansible_port=24
[all:vars]
certkit_registry=reg.lab:5000
certkit_aliases=reg:5000
certkit_wave=1,50%
ansible_user=everybody
unrelated={{ lookup('env', 'X') }}
"""

LIST = {
    "_meta": {
        "hostvars": {
            "web01": {"ansible_become": False},
            "front1": {"ansible_host": "10.0.0.1", "certkit_runtime": "podman"},
            "lone.example.com": {"x": {"__ansible_vault": "$ANSIBLE_VAULT"}},
        },
        "profile": "inventory_legacy",
    },
    "all": {
        "children": ["ungrouped", "web", "db"],
        "vars": {
            "certkit_registry": "reg.lab:5000",
            "certkit_aliases": ["reg:5000"],
            "certkit_wave": "1,50%",
            "ansible_user": {"__ansible_unsafe": "everybody"},
        },
    },
    "ungrouped": {"hosts": ["lone.example.com"]},
    "web": {
        "hosts": ["web01", "web02", "web03"],
        "children": ["front"],
        "vars": {"ansible_port": 23},
    },
    "front": {"hosts": ["front1"], "vars": {"ansible_port": "24"}},
    "db": ["web01"],
}


def _check(found: Inventory) -> None:
    hosts = {host.name: host for host in found.hosts}
    assert sorted(hosts) == ["front1", "lone.example.com", "web01", "web02", "web03"]
    assert found.registry == "reg.lab:5000"
    assert found.aliases == ("reg:5000",)
    assert found.settings.wave == ("1", "50%")
    assert {host.user for host in found.hosts} == {"everybody"}
    assert [hosts[n].port for n in ("web02", "front1", "lone.example.com")] == [23, 24, 22]
    assert hosts["front1"].address == "10.0.0.1"
    assert hosts["front1"].groups == ("web", "front")
    assert hosts["front1"].runtimes == ("podman",)
    assert hosts["web01"].groups == ("db", "web")
    assert hosts["web01"].become.method == "none"
    assert hosts["web02"].become.method == "sudo"
    assert hosts["lone.example.com"].groups == ("ungrouped",)
    assert [host.name for host in found.select("web:!front")] == ["web01", "web02", "web03"]


def test_yaml(tmp_path: Path) -> None:
    found = read(tmp_path, YAML)
    assert found.format == "ansible-yaml"
    _check(found)
    front = next(host for host in found.hosts if host.name == "front1")
    assert front.origins["port"] == f"{tmp_path}/hosts.yaml:22 group front"
    assert front.vars["unrelated"] == "{{ lookup('env', 'X') }}"


def test_ini_whatever_its_name(tmp_path: Path) -> None:
    for name in ("hosts.yaml", "inventory", "hosts.ini"):
        found = read(tmp_path, INI, name)
        assert found.format == "ansible-ini"
        _check(found)


def test_list_json(tmp_path: Path) -> None:
    found = read(tmp_path, json.dumps(LIST), "hosts.json")
    assert found.format == "ansible-json"
    _check(found)


def test_yaml_in_the_clothes_of_json(tmp_path: Path) -> None:
    found = read(tmp_path, json.dumps({"all": {"hosts": {"a": {"ansible_port": 5}}}}))
    assert (found.format, found.hosts[0].port) == ("ansible-yaml", 5)
    assert read(tmp_path, json.dumps({"hosts": ["a"]})).format == "native"


def _script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_a_real_script(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text(json.dumps(LIST))
    script = _script(
        tmp_path / "in ventory;touch x",
        f'[ "$#" = 1 ] && [ "$1" = --list ] || exit 9\necho note >&2\ncat "{tmp_path}/list.json"',
    )
    found = load(script, ssh_config=NO_CONFIG)
    assert found.format == "ansible-json"
    _check(found)
    assert not (tmp_path / "x").exists()


def test_a_script_does_not_see_certkits_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTKIT_BECOME_PASSWORD", "hunter2")
    monkeypatch.setenv("CLOUD_TOKEN", "kept")
    script = _script(tmp_path / "s", f"""env > "{tmp_path}/env"; echo '{{"g": ["a"]}}'""")
    load(script, ssh_config=NO_CONFIG)
    seen = (tmp_path / "env").read_text()
    assert "hunter2" not in seen
    assert "CLOUD_TOKEN=kept" in seen


def test_a_script_without_hostvars_is_not_asked_for_each_host(tmp_path: Path) -> None:
    script = _script(tmp_path / "s", f"""echo "$1" >> "{tmp_path}/calls"; echo '{{"g": ["a"]}}'""")
    found = load(script, ssh_config=NO_CONFIG)
    assert names(found) == ["a"]
    assert "no _meta.hostvars" in found.warnings[0]
    assert (tmp_path / "calls").read_text() == "--list\n"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("echo oops >&2; exit 3", "ended with status 3"),
        ("echo nonsense", "is not JSON"),
        ("echo '[1]'", "not an object"),
        ("true", "is empty"),
        ("kill -9 $$", "ended with status -9"),
        ('echo \'{"a": {}, "a": {}}\'', "'a' twice"),
        ('echo \'{"a": {"hosts": [1]}}\'', "list of names"),
        ('echo \'{"a": {"hosts": ["-x"]}}\'', "starts with a dash"),
        ("echo '{\"a\": {}}'", "has no hosts"),
        ("echo '{\"a\": 1}'", "object or a list"),
    ],
)
def test_bad_scripts(tmp_path: Path, body: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        load(_script(tmp_path / "s", body), ssh_config=NO_CONFIG)


def runs(stat: Path) -> bool:
    """Whether a process is there, and more than what its parent has not yet asked after."""
    try:
        return " Z " not in stat.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_script_is_bounded_with_its_children(tmp_path: Path) -> None:
    script = _script(tmp_path / "s", f'sleep 61 & echo $! > "{tmp_path}/pid"; wait')
    begin = time.monotonic()
    with pytest.raises(InputError, match=r"longer than 3 s"):
        run_script(script, 3)
    assert time.monotonic() - begin < 30
    child = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    while runs(child):
        # It was killed, and ends once it has a processor for that; long before its own time.
        assert time.monotonic() - begin < 30
        time.sleep(0.01)


def test_data_never_runs(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yaml"
    path.write_text(f"#!/bin/sh\n# touch {tmp_path}/ran\nhosts: [a]\n")
    path.chmod(0o755)
    assert names(load(path, ssh_config=NO_CONFIG)) == ["a"]
    path = tmp_path / "plain"
    path.write_text("a\n")
    path.chmod(0o755)  # executable, but no program: a file system without modes
    assert names(load(path, ssh_config=NO_CONFIG)) == ["a"]


def test_a_plain_list(tmp_path: Path) -> None:
    found = read(tmp_path, "# hosts\nweb01\nroot@web02:2222\n[2001:db8::1]:23\n2001:db8::2\n", "h")
    assert found.format == "hosts"
    assert [(h.address, h.port) for h in found.hosts] == [
        ("web01", 22),
        ("web02", 2222),
        ("2001:db8::1", 23),
        ("2001:db8::2", 22),
    ]
    assert found.hosts[1].user == "root"


def test_group_vars_and_host_vars(tmp_path: Path) -> None:
    for name, text in {
        "group_vars/all.yml": "---\nansible_user: gall\nansible_port: 1\n",
        "group_vars/web/a.yml": "ansible_port: 2\n",
        "group_vars/web/b.yaml": "ansible_port: 3\n",
        "group_vars/web/.hidden.yml": "ansible_port: 9\n",
        "group_vars/web/c.yml~": "ansible_port: 9\n",
        "group_vars/web/notes.txt": "no yaml: [\n",
        "group_vars/db.json": '{"ansible_port": 4}',
        "host_vars/a.yml": "ansible_user: hv\n",
        "host_vars/b": "# nothing\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = read(
        tmp_path,
        "[web]\na\nb ansible_port=5\n[db]\nc\n[all:vars]\nansible_user=file\n"
        "[web:vars]\nansible_port=8\n",
        "hosts",
    )
    a, b, c = found.hosts
    assert [(h.user, h.port) for h in (a, b, c)] == [("hv", 3), ("gall", 5), ("gall", 4)]
    assert a.origins["user"] == "host_vars/a.yml:1 host a"
    assert a.origins["port"] == "group_vars/web/b.yaml:1 group web"
    (tmp_path / "group_vars/db.json").write_text("$ANSIBLE_VAULT;1.1;AES256\n00")
    with pytest.raises(InputError, match=r"group_vars/db\.json is encrypted"):
        load(tmp_path / "hosts", ssh_config=NO_CONFIG)


ALIASES = [
    ("ansible_host", "1.2.3.4", "address", "1.2.3.4"),
    ("ansible_ssh_host", "1.2.3.4", "address", "1.2.3.4"),
    ("ansible_port", "2222", "port", 2222),
    ("ansible_ssh_port", 2222, "port", 2222),
    ("ansible_user", "u", "user", "u"),
    ("ansible_ssh_user", "u", "user", "u"),
    ("ansible_password", "p", "password", Secret("p")),
    ("ansible_ssh_pass", 123, "password", Secret("123")),
    ("ansible_ssh_password", "p", "password", Secret("p")),
    ("ansible_private_key_file", "/k", "identity_files", (Path("/k"),)),
    ("ansible_ssh_private_key_file", "/k", "identity_files", (Path("/k"),)),
    ("ansible_private_key_passphrase", "p", "key_passphrase", Secret("p")),
    ("ansible_ssh_private_key_passphrase", "p", "key_passphrase", Secret("p")),
    ("ansible_become", "no", "become.method", "none"),
    ("ansible_become", "true", "become.method", "sudo"),
    ("ansible_become_method", "community.general.doas", "become.method", "doas"),
    ("ansible_become_user", "u", "become.user", "u"),
    ("ansible_sudo_user", "u", "become.user", "u"),
    ("ansible_become_password", "p", "become.password", Secret("p")),
    ("ansible_become_pass", "p", "become.password", Secret("p")),
    ("ansible_sudo_pass", "p", "become.password", Secret("p")),
    ("ansible_become_exe", "/bin/sudo", "become.executable", "/bin/sudo"),
    ("ansible_sudo_exe", "/bin/sudo", "become.executable", "/bin/sudo"),
    ("ansible_ssh_timeout", 7, "timeouts.connect", 7),
    ("ansible_connection", "local", "connection", "local"),
    ("ansible_connection", "ansible.builtin.ssh", "connection", "ssh"),
    ("ansible_connection", "paramiko_ssh", "connection", "ssh"),
    ("certkit_restart", "safe", "restart", "safe"),
    ("certkit_become_method", "doas", "become.method", "doas"),
    ("certkit_timeout_host", 9, "timeouts.host", 9),
]


@pytest.mark.parametrize(("variable", "value", "field", "wanted"), ALIASES)
def test_aliases(tmp_path: Path, variable: str, value: object, field: str, wanted: object) -> None:
    data = {"_meta": {"hostvars": {"a": {variable: value}}}, "g": ["a"]}
    found: object = read(tmp_path, json.dumps(data)).hosts[0]
    for part in field.split("."):
        found = getattr(found, part)
    assert found == wanted


def _one(tmp_path: Path, line: str) -> Inventory:
    return read(tmp_path, f"[g]\nweb01 {line}\n", "inv")


def test_the_later_alias_wins_and_is_told(tmp_path: Path) -> None:
    found = _one(tmp_path, "ansible_ssh_user=b ansible_user=a")
    assert found.hosts[0].user == "b"
    assert "ansible_ssh_user wins" in found.warnings[0]


def test_ssh_arguments(tmp_path: Path) -> None:
    found = _one(
        tmp_path,
        "ansible_ssh_common_args='-J ops@b1:2222,b2 -o UserKnownHostsFile=/kh -oPort=99 -i /k "
        "-o ControlMaster=auto -o Ciphers=aes128-ctr' ansible_ssh_extra_args='-o User=x'",
    )
    one = found.hosts[0]
    first, second = one.jump
    assert (first.user, first.address, first.port) == ("ops", "b1", 2222)
    assert second.address == "b2"
    assert one.known_hosts_files == (Path("/kh"),)
    assert (one.port, one.user, one.identity_files) == (99, "x", (Path("/k"),))
    assert found.warnings == (
        "ansible_ssh_common_args: the option 'ciphers' is ignored (host web01)",
    )


def test_not_checking_host_keys_is_refused_with_a_word(tmp_path: Path) -> None:
    found = _one(
        tmp_path,
        "ansible_host_key_checking=false ansible_ssh_common_args="
        "'-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null'",
    )
    assert found.hosts[0].known_hosts_files is None
    assert len(found.warnings) == 3
    assert all("always checks host keys" in text for text in found.warnings)


def test_proxy_commands(tmp_path: Path) -> None:
    found = _one(
        tmp_path, """ansible_ssh_common_args='-o ProxyCommand="ssh -q -W %h:%p -p 24 ops@bast"'"""
    )
    hop = found.hosts[0].jump[0]
    assert (hop.user, hop.address, hop.port) == ("ops", "bast", 24)
    with pytest.raises(InputError) as caught:
        _one(tmp_path, """ansible_ssh_common_args='-o ProxyCommand="nc %h %p"'""")
    assert "ProxyJump" in caught.value.hint


@pytest.mark.parametrize(
    ("command", "jump"),
    [
        ("ssh -W %h:%p bastion", "bastion"),
        ("/usr/bin/ssh -q bastion -W [%h]:%p", "bastion"),
        ("ssh -l ops -W %h:%p bastion", "ops@bastion"),
        ("ssh -W %h:%p -F x bastion", None),
        ("ssh bastion nc %h %p", None),
        ("ssh -W %h:%p a b", None),
        ("ssh -W 10.0.0.1:22 bastion", None),
        ("nc -X 5 %h %p", None),
        ("ssh -W %h:%p 'bas", None),
        ("", None),
    ],
)
def test_which_proxy_commands_are_plain_jumps(command: str, jump: str | None) -> None:
    assert jump_of_command(command) == jump


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("ansible_user='{{ x }}'", "ansible_user is a template"),
        ("ansible_password='{{ x }}'", "ansible_password is a template"),
        ("ansible_port=99999", "not a port"),
        ("ansible_become_method=su", "cannot become root by 'su'"),
        ("ansible_host=-Fx", "starts with a dash"),
        ("certkit_runtyme=podman", "unknown key 'certkit_runtyme'"),
        ("certkit_registry=r.lab:5", "whole inventory"),
        ("port", "not key=value"),
        ("x='a", "quotation"),
        ('ansible_ssh_common_args="-o \'x"', "quotation"),
    ],
)
def test_bad_variables(tmp_path: Path, line: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        _one(tmp_path, line)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[web]\na\n[web:vars\nx=1\n", "inv:3"),
        ("[web:var]\nx=1\n", "unknown kind of section"),
        ("[nope:vars]\nx=1\n[web]\na\n", "not defined"),
        ("[web:vars]\njust words\n[web]\na\n", "not key=value"),
        ("[web]\na\n[web:children]\nweb\n", "circle"),
        ("[a:children]\nb\n[b:children]\na\n[b]\nx\n", "circle: a > b > a|circle: b > a > b"),
        ("[web]\n", "has no hosts"),
        ("[web]\na[3:1]\n", "runs backwards"),
        ("all:\n  hosts: [a]\n", "must be a mapping"),
        ("all:\n  hosts:\n    a:\n    a:\n", "'a' twice"),
        ("all:\n  hosts:\n    a: {ansible_user: !vault x}\n", "ansible_user is encrypted"),
    ],
)
def test_bad_shapes(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        read(tmp_path, text, "inv")


def test_unknown_group_keys_are_ignored_as_in_ansible(tmp_path: Path) -> None:
    found = read(tmp_path, "all:\n  hosts: {a: }\n  hostz: {b: }\n")
    assert names(found) == ["a"]
    assert "'hostz' of group all is ignored" in found.warnings[0]


def test_connections_certkit_does_not_have_are_skipped(tmp_path: Path) -> None:
    found = read(
        tmp_path, "[win]\nw[1:3] ansible_connection=winrm ansible_port=x\n[lin]\na\n", "inv"
    )
    assert [host.skip for host in found.hosts] == [True, True, True, False]
    assert found.warnings == (
        "skipped, because certkit cannot connect by 'winrm' (host w1 and 2 more)",
    )
    assert [host.name for host in found.select()] == ["a"]


def test_siblings_that_disagree(tmp_path: Path) -> None:
    text = (
        "[a]\nx\ny\n[b]\nx\ny ansible_port=7\n[a:vars]\nansible_port=1\n[b:vars]\nansible_port=2\n"
    )
    found = read(tmp_path, text, "inv")
    assert [host.port for host in found.hosts] == [2, 7]
    assert found.warnings == (
        "the groups a and b disagree about ansible_port; b wins, being later in the alphabet "
        "(host x)",
    )
    found = read(tmp_path, text.replace("[a:vars]", "[a:vars]\nansible_group_priority=5"), "inv")
    assert (found.hosts[0].port, found.warnings) == (1, ())


def test_a_list_that_ansible_has_flattened(tmp_path: Path) -> None:
    own = {"certkit_registry": "reg.lab:5000", "certkit_parallel": 3}
    data = {
        "_meta": {"hostvars": {"a": own, "b": own}},
        "all": {"children": ["g"]},
        "g": ["a", "b"],
    }
    found = read(tmp_path, json.dumps(data))
    assert (found.registry, found.settings.parallel) == ("reg.lab:5000", 3)
    data["_meta"]["hostvars"]["b"] = {"certkit_registry": "other.lab:5000"}  # type: ignore[index, call-overload]
    with pytest.raises(InputError, match="whole inventory"):
        read(tmp_path, json.dumps(data))


def test_plain_passwords_are_told(tmp_path: Path) -> None:
    found = _one(tmp_path, "ansible_password=hunter2 ansible_become_pass=hunter3")
    assert "plain text" in found.warnings[0]
    assert "hunter" not in repr(found) + str(found.hosts[0].vars) + str(found.hosts[0].origins)
    os.chmod(tmp_path / "inv", stat.S_IRUSR)  # noqa: PTH101
    again = load(tmp_path / "inv", ssh_config=NO_CONFIG)
    assert "others can read" not in again.warnings[0]


def test_registry_of(tmp_path: Path) -> None:
    (tmp_path / "inv").write_text(INI)
    assert registry_of(tmp_path / "inv") == "reg.lab:5000"


@settings(max_examples=500, deadline=None)
@given(st.text("ab='\"\\ #\t\u00e9", min_size=1, max_size=14).map(str.strip).filter(bool))
def test_words_of_a_line_are_those_of_a_shell(line: str) -> None:
    try:
        wanted = shlex.split(line, comments=True)
    except ValueError:
        with pytest.raises(ValueError, match="No "):
            ansible_ini._words(line)
    else:
        assert ansible_ini._words(line) == wanted
