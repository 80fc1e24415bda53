"""What an attacker may have written into an inventory is data: nothing of it is ever executed."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from certkit.cli.main import app
from certkit.errors import CertkitError
from certkit.inventory.loading import load
from certkit.inventory.model import Inventory
from tests.ssh.lab import Lab, lab_running
from tests.ssh.sshd import Sshd, public, sshd_running
from tests.unit.inventory.hosts import NO_CONFIG

pytestmark = pytest.mark.timeout(240)

ATTACKS = (
    "$(touch {canary})",
    "`touch {canary}`",
    ";touch {canary};",
    "a;touch {canary}",
    "a|touch {canary}",
    "a&touch {canary}&",
    "a&&touch {canary}",
    "a\ntouch {canary}\n",
    "a\r\ntouch {canary}\r\n",
    "'; touch {canary}; '",
    '"; touch {canary}; "',
    "'$(touch {canary})'",
    "${{IFS;touch {canary}}}",
    ">{canary}",
    "a>{canary}",
    "-oProxyCommand=touch {canary}",
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
NATIVE = (
    "address",
    "user",
    "port",
    "identity_file",
    "jump",
    "become",
    "runtime",
    "service",
    "certs_dir",
    "restart",
    "rootless_user",
    "host_key",
    "tags",
    "groups",
    "password",
    "password_from",
    "vars",
    "timeout",
    "skip",
    "certificate_file",
    "connection",
)
BECOME = ("method", "user", "executable", "password", "password_from")
ANSIBLE = (
    "ansible_host",
    "ansible_user",
    "ansible_port",
    "ansible_connection",
    "ansible_password",
    "ansible_ssh_pass",
    "ansible_ssh_private_key_file",
    "ansible_ssh_common_args",
    "ansible_ssh_extra_args",
    "ansible_ssh_executable",
    "ansible_become_method",
    "ansible_become_user",
    "ansible_become_password",
    "ansible_become_exe",
    "ansible_become_flags",
    "ansible_shell_executable",
    "ansible_python_interpreter",
    "ansible_remote_tmp",
    "certkit_certs_dir",
    "certkit_service",
    "certkit_runtime",
    "certkit_rootless_user",
    "certkit_registry",
    "some_other_variable",
)
REGISTRY_HOST = ("host", "run", "certificate", "key", "key_owner", "key_mode", "connect")
TOP = ("registry", "restart", "wave", "max_fail", "parallel")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    def everywhere(**options: Any) -> Sshd:
        """A server at every address of loopback."""
        return stack.enter_context(sshd_running("0.0.0.0", **options))

    directory = tmp_path_factory.mktemp("injection")
    with ExitStack() as stack, lab_running(directory, ["web-01"], start=everywhere) as running:
        yield running


@pytest.fixture
def canary() -> Iterator[Path]:
    """A file that every attack makes, wherever it runs; anybody may make it."""
    with tempfile.TemporaryDirectory(prefix="canary") as directory:
        Path(directory).chmod(0o777)
        yield Path(directory) / "sang"


def native(lab: Lab, field: str, attack: str) -> dict[str, Any]:
    """An inventory with the attack in one of its fields."""
    entry = lab.entry("web-01")
    document: dict[str, Any] = {"registry": lab.registry, "hosts": {"web-01": entry}}
    where, _, key = field.rpartition(".")
    if field == "name":
        document["hosts"] = {attack: entry}
    elif field == "alias":
        document["aliases"] = [attack]
    elif field == "group":
        document["groups"] = {attack: {"port": 22}}
    elif where == "become":
        entry["become"] = {**entry["become"], key: attack}
    elif where == "registry_host":
        own = {"host": "web-01", "run": "files", "certificate": "/etc/r/a.crt", "key": "/etc/r/a.k"}
        document["registry_host"] = {**own, key: attack}
    elif where == "top":
        document[key] = attack
    else:
        entry[key] = {"x": attack} if key == "vars" else attack
    return document


def ansible(lab: Lab, variable: str, attack: str) -> dict[str, Any]:
    sshd = lab.machines["web-01"]
    values = {
        "ansible_host": sshd.host,
        "ansible_port": sshd.port,
        "ansible_user": sshd.user,
        "ansible_ssh_private_key_file": str(sshd.key),
        "certkit_certs_dir": lab.entry("web-01")["certs_dir"],
        "certkit_runtime": "docker",
    }
    return {"all": {"hosts": {"web-01": {**values, variable: attack}}}}


FIELDS = (
    *NATIVE,
    *(f"become.{one}" for one in BECOME),
    *(f"registry_host.{one}" for one in REGISTRY_HOST),
    *(f"top.{one}" for one in TOP),
    *("name", "alias", "group"),
)


def understood(path: Path, document: dict[str, Any]) -> Inventory | None:
    """Read an inventory; None where it was refused."""
    path.write_text(json.dumps(document))
    try:
        return load(path, ssh_config=NO_CONFIG)
    except CertkitError as error:
        assert "\x1b" not in error.message + error.hint
        assert "\n" not in error.message
        return None


def test_nothing_is_executed_by_reading(lab: Lab, canary: Path, tmp_path: Path) -> None:
    accepted = refused = 0
    for text in ATTACKS:
        attack = text.format(canary=canary)
        documents = [native(lab, field, attack) for field in FIELDS]
        documents += [ansible(lab, variable, attack) for variable in ANSIBLE]
        for document in documents:
            if understood(tmp_path / "hosts.yaml", document) is None:
                refused += 1
            else:
                accepted += 1
    assert not canary.exists()
    assert refused > accepted > 0


def test_nor_by_ini_and_ranges_and_tags(lab: Lab, canary: Path, tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    for text in ATTACKS:
        attack = text.format(canary=canary)
        for whole in (
            f"[web]\nweb-01 ansible_host={attack}\n",
            f"[web]\n{attack}\n",
            f"[{attack}]\nweb-01\n",
            f"web-01\n[all:vars]\nansible_user={attack}\n",
            f"hosts: [{attack}]\n",
            f"hosts: ['web[1:{attack}]']\n",
            f"hosts: [!!python/object/apply:os.system ['{attack}']]\n",
            f'{{"_meta": {{"hostvars": {{"a": {{"ansible_host": "{attack}"}}}}}}, "all": ["a"]}}',
        ):
            path.write_text(whole)
            try:
                load(path, ssh_config=NO_CONFIG)
            except CertkitError as error:
                assert "\x1b" not in error.message
    assert not canary.exists()


def test_what_is_accepted_runs_nothing_on_a_host_either(
    lab: Lab, canary: Path, tmp_path: Path
) -> None:
    """Every attack that an inventory may hold, on one fleet, through all the commands."""
    hosts: dict[str, Any] = {}
    taken: Counter[str] = Counter()

    def add(name: str, entry: dict[str, Any]) -> None:
        # Under an address of its own, since two names for one machine must agree.
        number = len(hosts) + 1
        entry["address"] = f"127.0.{2 + number // 250}.{1 + number % 250}"
        entry["host_key"] = public(lab.machines["web-01"].host_key)
        document = {"hosts": {"web-01": entry}}
        wanted = taken[name] < (10 if name == "certs" else 1)
        if wanted and understood(tmp_path / "hosts.yaml", document) is not None:
            hosts[f"{name}-{number}".replace("_", "-")] = entry
            taken[name] += 1

    for text in ATTACKS:
        attack = text.format(canary=canary)
        for field in NATIVE:
            # Where this goes is refused, or not this machine; the rest is as it should be.
            if field in ("address", "port", "identity_file", "certificate_file", "jump", "skip"):
                continue
            add(field, native(lab, field, attack)["hosts"]["web-01"])
        # A directory may be called anything that is one printable line.
        certs_dir = f"{lab.at('web-01', 'certs.d')}/{len(hosts)}/{attack}"
        add("certs", {**lab.entry("web-01"), "certs_dir": certs_dir})
        for field in ("password", "key_passphrase"):
            add(field, {**lab.entry("web-01"), field: attack})
    assert sum(name.startswith("certs-") for name in hosts) >= 8
    inventory = lab.directory / "hosts.yaml"
    inventory.write_text(yaml.safe_dump({"registry": lab.registry, "hosts": hosts}))
    # One by one, because they are one machine under many names, and it has one lock.
    one_by_one = ("-o", "json", "--parallel", "1")
    outcomes: set[str] = set()
    try:
        for words in (
            ("distribute", "--diff", "--wave", "1", *one_by_one),
            ("verify", *one_by_one),
            ("status", "--html", str(tmp_path / "page.html"), *one_by_one),
            ("remove", "--restart", "never", *one_by_one),
        ):
            process = lab.start(lab.arguments(*words))
            out, err = process.communicate(timeout=150)
            assert "Traceback" not in err and "defect" not in err, err
            assert "\x1b" not in out + err
            assert not canary.exists(), words
            outcomes.update(host["outcome"] for host in json.loads(out)["hosts"])
    finally:
        lab.write_inventory()
    assert "changed" in outcomes


def test_the_command_lines_own_words_are_data_too(lab: Lab, canary: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    for text in ATTACKS:
        attack = text.format(canary=canary)
        for words in (
            ["status", attack],
            ["status", "--limit", attack],
            ["status", "--user", attack, "--limit", "nobody"],
            ["registry", "deploy", "--from", attack],
            ["doctor", "--explain", attack],
            ["init", attack, "--no-passphrase"],
            ["init", "registry.lab:5000", "--san", attack, "--no-passphrase"],
        ):
            group = 2 if words[0] == "registry" else 1
            options = lab.arguments("x")[1:]
            if words[0] == "init":
                options = ["--home", str(tmp_path / "other")]
            elif "--explain" in words:
                options = []
            result = runner.invoke(app, [*words[:group], *options, *words[group:]])
            assert result.exit_code != 0, (words, result.output)
            assert isinstance(result.exception, CertkitError | SystemExit), (words, result)
    assert not canary.exists()
    assert not (tmp_path / "other").exists()


def test_the_canary_sings(lab: Lab, canary: Path) -> None:
    """The one field that is a command is run: what the other tests look for can be seen."""
    document = native(lab, "user", lab.machines["web-01"].user)
    document["hosts"]["web-01"]["restart_command"] = f"touch {canary}"
    (lab.directory / "hosts.yaml").write_text(json.dumps(document))
    try:
        assert lab.run("distribute", "--restart", "always", "--yes")[0] == 0
    finally:
        lab.write_inventory()
    assert canary.exists()
