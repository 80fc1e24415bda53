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
from certkit.inventory.inventory import Inventory
from certkit.inventory.loading import load
from tests.faults.planting import ATTACKS, COMMANDS, FIELDS, NAME, VARIABLES, ansible, native
from tests.faults.rounds import chance, patience, rounds
from tests.ssh.lab import Lab, lab_running
from tests.ssh.sshd import Sshd, public, sshd_running
from tests.ssh.sudo import write_sudo
from tests.unit.inventory.hosts import NO_CONFIG

pytestmark = pytest.mark.timeout(patience(240))

# What the grammar of a field wants before anything else.
PREFIXES = {
    **dict.fromkeys(("password_from", "key_passphrase_from"), "file:"),
    **dict.fromkeys(("certs_dir", "certificate", "key", "data", "env_file", "file"), "/opt/"),
}
# Looked at by the real ssh for every host, with the words of the inventory in a shell's line.
SSH_CONFIG = 'Match exec "true %h %n %p %r"\n  ConnectTimeout 5\n'


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


def understood(path: Path, text: str, ssh_config: Path = NO_CONFIG) -> Inventory | None:
    """Read an inventory; None where it was refused."""
    path.write_text(text)
    try:
        return load(path, ssh_config=ssh_config)
    except CertkitError as error:
        assert "\x1b" not in error.message + error.hint
        assert "\n" not in error.message
        return None


def values(path: tuple[str, ...], attack: str) -> Iterator[str]:
    """The attack, and what of it the field's grammar may take."""
    yield attack
    if path[-1] in PREFIXES:
        yield PREFIXES[path[-1]] + attack


def test_nothing_is_executed_by_reading(
    lab: Lab, canary: Path, tmp_path: Path, tried: Counter[str]
) -> None:
    hosts = tmp_path / "hosts.yaml"
    for text in ATTACKS:
        attack = text.format(canary=canary)
        documents = [
            json.dumps(native(lab, path, value))
            for path in FIELDS
            for value in values(path, attack)
        ]
        for variable in VARIABLES:
            documents += ansible(lab, variable, attack)
        for document in documents:
            taken = understood(hosts, document) is not None
            tried[f"inventories {'accepted' if taken else 'refused'}"] += 1
    assert not canary.exists()
    assert tried["inventories refused"] > tried["inventories accepted"] > 0


def test_nor_by_ssh_for_its_configuration(
    lab: Lab, canary: Path, tmp_path: Path, tried: Counter[str]
) -> None:
    """`Match exec` gives the inventory's names to a shell: none gets there that it would take."""
    config = tmp_path / "config"
    config.write_text(SSH_CONFIG)
    for text in ATTACKS:
        attack = text.format(canary=canary)
        documents = [
            json.dumps(native(lab, path, attack))
            for path in FIELDS
            if path[-1] in ("address", "user", "port", "jump", "host_key_alias", NAME)
        ]
        for variable in ("ansible_host", "ansible_user", "ansible_ssh_common_args"):
            documents += ansible(lab, variable, attack)
        documents += [f"[web]\n{attack}\n", f"hosts: [{json.dumps(attack)}]\n"]
        for document in documents:
            understood(tmp_path / "hosts.yaml", document, config)
            tried["inventories"] += 1
    assert not canary.exists()
    # The control: ssh is asked, and does run what its own configuration says.
    config.write_text(SSH_CONFIG.replace("true", f"touch {canary}; true"))
    plain = json.dumps(native(lab, ("registry",), lab.registry))
    assert understood(tmp_path / "hosts.yaml", plain, config) is not None
    assert canary.exists()


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


def planted(lab: Lab, canary: Path, tmp_path: Path, become: dict[str, str]) -> dict[str, Any]:
    """Hosts, each with another attack that its inventory may hold: some for every field."""
    hosts: dict[str, Any] = {}
    dice = chance("planted")
    for path in FIELDS:
        # Groups and defaults end up in a host; commands are to run; a group is no host's field.
        if path[:2] != ("hosts", "web-01") or len(path) < 3 or path in COMMANDS:
            continue
        attacks = [text.format(canary=canary) for text in dice.sample(ATTACKS, len(ATTACKS))]
        found = 0
        for value in (one for attack in attacks for one in values(path, attack)):
            number = len(hosts) + 1
            if path[-1] == "certs_dir":
                # A directory may be called anything that is one printable line.
                value = f"{lab.at('web-01', 'certs.d')}/{number}/{value.removeprefix('/opt/')}"
            document = native(lab, path, value)
            if found == rounds(2) or understood(tmp_path / "x.yaml", json.dumps(document)) is None:
                continue
            entry = document["hosts"]["web-01"]
            # Under an address of its own, since two names for one machine must agree.
            entry["address"] = f"127.0.{2 + number // 250}.{1 + number % 250}"
            entry.setdefault("host_key", public(lab.machines["web-01"].host_key))
            entry["become"] = {**become, **entry["become"]} if path[3:] else become
            del entry["groups"]
            hosts[f"{path[-1]}-{number}".replace("_", "-")] = entry
            found += 1
    return hosts


@pytest.mark.parametrize("become", ["none", "sudo"])
def test_what_is_accepted_runs_nothing_on_a_host_either(
    become: str, lab: Lab, canary: Path, tmp_path: Path, tried: Counter[str]
) -> None:
    """Through all the commands, on one fleet, which is one machine under many names."""
    write_sudo(lab.scripts / "web-01" / "sudo")
    hosts = planted(lab, canary, tmp_path, {"method": become})
    assert {name.rpartition("-")[0] for name in hosts} >= {
        *("certs-dir", "identity-file", "known-hosts-file", "password", "key-passphrase", "vars")
    }
    inventory = lab.directory / "hosts.yaml"
    inventory.write_text(yaml.safe_dump({"registry": lab.registry, "hosts": hosts}))
    # One by one, because it has one lock.
    one_by_one = ("-o", "json", "--parallel", "1", "--retries", "0")
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
            tried[f"{become}: hosts"] += len(hosts)
            outcomes.update(host["outcome"] for host in json.loads(out)["hosts"])
    finally:
        lab.write_inventory()
    assert "changed" in outcomes


def test_nor_on_the_registrys_host(
    lab: Lab, canary: Path, tmp_path: Path, tried: Counter[str]
) -> None:
    runner = CliRunner()
    dice = chance("registry host")
    inventory = lab.directory / "hosts.yaml"
    try:
        for path in FIELDS:
            if path[0] != "registry_host" or path in COMMANDS:
                continue
            attacks = [text.format(canary=canary) for text in dice.sample(ATTACKS, len(ATTACKS))]
            found = 0
            for value in (one for attack in attacks for one in values(path, attack)):
                text = json.dumps(native(lab, path, value))
                if found == rounds(1) or understood(tmp_path / "x.yaml", text) is None:
                    continue
                inventory.write_text(text)
                words = lab.arguments("x", "--retries", "0")[1:]
                result = runner.invoke(app, ["registry", "deploy", *words])
                error = result.exception
                assert error is None or isinstance(error, CertkitError | SystemExit), (path, error)
                assert not canary.exists(), path
                tried["deployments"] += 1
                found += 1
    finally:
        lab.write_inventory()
    assert tried["deployments"] > 5


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
    assert {path[-1] for path in COMMANDS} == {"restart_command", "reload_command"}
    document = native(lab, ("hosts", "web-01", "restart_command"), f"touch {canary}")
    (lab.directory / "hosts.yaml").write_text(json.dumps(document))
    try:
        assert lab.run("distribute", "--restart", "always", "--yes")[0] == 0
    finally:
        lab.write_inventory()
    assert canary.exists()
