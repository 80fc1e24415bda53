"""Where an attacker could write into an inventory, and what: every field of every format."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from certkit.inventory.ansible.variables import USED
from tests.ssh.lab import Lab

_SCHEMA = json.loads(
    (Path(__file__).parents[2] / "certkit/schemas/inventory.schema.json").read_text("utf-8")
)
ATTACKS = (
    "$(touch {canary})",
    "$(touch${{IFS}}{canary})",
    "`touch {canary}`",
    "`touch${{IFS}}{canary}`",
    ";touch {canary};",
    ";touch${{IFS}}{canary};",
    "a;touch {canary}",
    "a|touch {canary}",
    "a|touch${{IFS}}{canary}",
    "a&touch {canary}&",
    "a&&touch {canary}",
    "a\ntouch {canary}\n",
    "a\r\ntouch {canary}\r\n",
    "'; touch {canary}; '",
    '"; touch {canary}; "',
    "'$(touch {canary})'",
    "${{IFS;touch {canary}}}",
    "{{touch,{canary}}}",
    ">{canary}",
    "a>{canary}",
    "-oProxyCommand=touch {canary}",
    "-oProxyCommand=touch${{IFS}}{canary}",
    "-oPermitLocalCommand=yes -oLocalCommand=touch {canary}",
    "%h;touch {canary}",
    "{{{{ lookup('pipe', 'touch {canary}') }}}}",
    "{{% for x in ().__class__.__base__.__subclasses__() %}}touch {canary}{{% endfor %}}",
    "\x00touch {canary}",
    "\x1b]0;touch {canary}\x07",
    "\u202etouch {canary}",
    "a\\\ntouch {canary}",
    "a #touch {canary}\ntouch {canary}",
    "end-0\ntouch {canary}",
)
NAME = "*"
"""In a path: a name that the inventory's author chooses."""


def _options(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "$ref" in node:
        node = _SCHEMA["$defs"][node["$ref"].rsplit("/", 1)[1]]
    yield node
    for one in node.get("anyOf", ()):
        yield from _options(one)


def _paths(node: dict[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for option in _options(node):
        for key, child in option.get("properties", {}).items():
            yield (*at, key)
            yield from _paths(child, (*at, key))
        if isinstance(more := option.get("additionalProperties"), dict):
            yield (*at, NAME)
            yield from _paths(more, (*at, "web-01" if at == ("hosts",) else "web"))


FIELDS = sorted(set(_paths(_SCHEMA)))
"""Every place of the native format, by its published schema."""

COMMANDS = [path for path in FIELDS if path[-1].endswith("_command")]
"""What is to be run, and is."""

# What certkit reads, and what only Ansible does.
VARIABLES = (
    *sorted(USED),
    "ansible_become_flags",
    "ansible_python_interpreter",
    "ansible_remote_tmp",
    "ansible_shell_executable",
    "ansible_ssh_executable",
    "some_other_variable",
)


def native(lab: Lab, path: tuple[str, ...], value: object) -> dict[str, Any]:
    """An inventory that is as it should be, but for one of its fields."""
    document: dict[str, Any] = {
        "registry": lab.registry,
        "defaults": {},
        "groups": {"web": {}},
        "hosts": {"web-01": {**lab.entry("web-01"), "groups": "web"}},
    }
    if path[0] == "registry_host":
        document["registry_host"] = {
            "host": "web-01",
            "run": "files",
            "certificate": f"{lab.at('web-01', 'tls')}/server.crt",
            "key": f"{lab.at('web-01', 'tls')}/server.key",
        }
        if path[1:2] == ("host",) and len(path) > 2:
            entry = lab.entry("web-01")
            kept = ("address", "port", "user", "identity_file", "become")
            document["registry_host"]["host"] = {key: entry[key] for key in kept}
    where = document
    for key in path[:-1]:
        where[key] = dict(where[key]) if isinstance(where.get(key), dict) else {}
        where = where[key]
    if path[-1] == NAME:
        chosen = where.pop(next(iter(where)))
        where[str(value)] = copy.deepcopy(chosen)
    else:
        where[path[-1]] = {"x": value} if path[-1] == "vars" else value
    return document


def ansible(lab: Lab, variable: str, value: str) -> Iterator[str]:
    """The same in each of Ansible's formats; the last as an inventory script prints it."""
    sshd = lab.machines["web-01"]
    values = {
        "ansible_host": sshd.host,
        "ansible_port": sshd.port,
        "ansible_user": sshd.user,
        "ansible_ssh_private_key_file": str(sshd.key),
        "certkit_certs_dir": lab.entry("web-01")["certs_dir"],
        "certkit_runtime": "docker",
        variable: value,
    }
    yield json.dumps({"all": {"hosts": {"web-01": values}}})
    said = " ".join(f"{name}={text!r}" for name, text in values.items())
    yield f"[web]\nweb-01 {said}\n"
    yield f"[web]\nweb-01 {variable}={value}\n\n[web:vars]\n{variable}={value}\n"
    yield json.dumps({"_meta": {"hostvars": {"web-01": values}}, "all": {"hosts": ["web-01"]}})
