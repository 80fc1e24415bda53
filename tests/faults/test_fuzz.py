"""Damaged and invented input: it is understood, or refused in a sentence, and soon.

What is not here stands beside the parsers: references and SANs in tests/unit/test_names.py, one
bundle in tests/unit/pki/test_bundle.py, known_hosts against ``ssh-keygen -F`` and ssh_config
against ``ssh -G`` in tests/unit/transport and tests/unit/inventory.
"""

from __future__ import annotations

import base64
import json
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certkit.errors import CertkitError
from certkit.fleet.drift import content
from certkit.home.home import Home
from certkit.home.initialise import initialise
from certkit.home.inspection.inspect import inspect_file
from certkit.home.request import RegistryRequest
from certkit.inventory.loading import load
from certkit.inventory.ssh.stanzas import Stanzas, scan
from certkit.names import RegistryReference, SubjectName
from certkit.pki.bundle import TrustBundle
from certkit.transport.hostkeys.known_hosts import KnownHosts, hash_name
from tests.faults.rounds import chance, examples, patience, rounds
from tests.tiers import need
from tests.unit.home.makers import PLAIN
from tests.unit.inventory.hosts import NO_CONFIG

pytestmark = pytest.mark.timeout(patience(120))

INVENTORIES = {
    "native": """\
version: 1
registry: registry.lab:5000
aliases: [10.0.0.1:5000]
defaults: {user: ann, port: 22, become: {method: sudo}}
groups:
  web: {restart: safe, vars: {rack: 7}}
hosts:
  web-[01:12]: {groups: web}
  ann@db.example:2222: {address: 10.0.0.9, jump: bastion.example, tags: [a, b]}
registry_host: {host: web-01, run: container}
""",
    "yaml": """\
all:
  vars: {ansible_user: ann, certkit_registry: "registry.lab:5000"}
  children:
    web:
      hosts:
        web-[1:3].example: {ansible_port: 22, ansible_become: true}
""",
    "ini": """\
plain.example
[web]
web-[01:03].example ansible_host=10.0.0.1 ansible_ssh_common_args='-J bastion.example'
[web:vars]
ansible_user=ann
[all:children]
web
""",
    "json": """\
{"_meta": {"hostvars": {"web-1": {"ansible_host": "10.0.0.1", "ansible_port": 22}}},
 "all": {"children": ["web"]}, "web": {"hosts": ["web-1"], "vars": {"ansible_user": "ann"}}}
""",
}
SECONDS = 20


def damaged(dice: random.Random, text: bytes) -> bytes:
    """The same with bytes flipped, cut, doubled, moved, or other bytes in between."""
    for _ in range(dice.choice((1, 1, 2, 4, 16))):
        start = dice.randrange(len(text) + 1)
        end = min(len(text), start + dice.choice((0, 1, 2, 8, 64)))
        piece = text[start:end]
        new = dice.choice(
            (
                b"",
                piece * 2,
                dice.randbytes(3),
                dice.choice((b"\n", b"\t", b": ", b"&a *a ", b"{", b"]", b"\x00", b"\xff", b"'")),
                piece[::-1],
                dice.choice((b"[1:99999]", b"!!int ", b"<<: *x", b"- " * 300, b"\xef\xbb\xbf")),
            )
        )
        text = text[:start] + new + text[end:]
    return text


def soon(parse: Callable[[], object]) -> bool:
    """Whether it was understood; anything but a refusal, or a slow one, is a failure."""
    began = time.monotonic()
    try:
        parse()
    except CertkitError as error:
        assert error.message and "\x1b" not in error.message
        return False
    finally:
        assert time.monotonic() - began < SECONDS
    return True


@pytest.mark.parametrize("form", INVENTORIES)
def test_damaged_inventories(form: str, tmp_path: Path, tried: Counter[str]) -> None:
    dice = chance(f"inventory {form}")
    path = tmp_path / "hosts"
    sound = INVENTORIES[form].encode()
    path.write_bytes(sound)
    assert load(path, ssh_config=NO_CONFIG).format
    understood = 0
    for _ in range(rounds(150)):
        path.write_bytes(damaged(dice, sound))
        understood += soon(lambda: load(path, ssh_config=NO_CONFIG))
        tried["inventories"] += 1
    assert understood > 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = tmp_path_factory.mktemp("fuzz") / "home"
    request = RegistryRequest.parse("registry.lab:5000")
    initialise(home, request, PLAIN, datetime.now(timezone.utc))
    return Home.open(home)


def test_damaged_certificates_and_keys(made: Home, tmp_path: Path, tried: Counter[str]) -> None:
    """Every file that `inspect` may be given, and the bundle that hosts get."""
    dice = chance("certificates")
    directory = made.sole_registry().directory
    originals = [(directory / name).read_bytes() for name in ("ca.crt", "server.crt", "ca.key")]
    originals += [base64.b64decode(b"".join(one.splitlines()[1:-1])) for one in originals[:1]]
    path = tmp_path / "given"
    for number in range(rounds(300)):
        path.write_bytes(damaged(dice, originals[number % len(originals)]))
        soon(lambda: inspect_file(path, datetime.now(timezone.utc)))
        soon(lambda: TrustBundle.parse(path.read_bytes(), "given"))
        tried["files"] += 1


def test_a_certificate_of_no_version(made: Home, tmp_path: Path) -> None:
    """What atheris found: cryptography's error for it is no ValueError."""
    pem = (made.sole_registry().directory / "ca.crt").read_bytes()
    der = base64.b64decode(b"".join(pem.splitlines()[1:-1]))
    version = bytes.fromhex("a003020102")
    assert version in der
    odd = der.replace(version, bytes.fromhex("a003020172"), 1)
    block = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(odd)
    block += b"-----END CERTIFICATE-----\n"
    assert content.read_content(block).problem == "damaged"
    assert not content.holds_certificate(odd)
    for data in (odd, block):
        (tmp_path / "given").write_bytes(data)
        assert not soon(lambda: inspect_file(tmp_path / "given", datetime.now(timezone.utc)))
    assert not soon(lambda: TrustBundle.parse(block, "given"))


def test_damaged_homes(made: Home, tmp_path: Path, tried: Counter[str]) -> None:
    """A home whose files somebody has edited is refused in words by whatever opens it."""
    dice = chance("homes")
    copy = tmp_path / "home"
    for number in range(rounds(60)):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(made.path, copy)
        files = sorted(copy.glob("registries/*/*"))
        victim = files[number % len(files)]
        mode = victim.stat().st_mode
        victim.write_bytes(damaged(dice, victim.read_bytes()))
        victim.chmod(mode)

        def use() -> None:
            registry = Home.open(copy).sole_registry()
            assert registry.request.names and registry.server_chain and registry.authority
            registry.bundle()

        soon(use)
        tried["homes"] += 1


@examples(60)
@given(st.text(max_size=300), st.sampled_from([RegistryReference, SubjectName]))
def test_long_names(text: str, kind: type[RegistryReference] | type[SubjectName]) -> None:
    for whole in (text, text * 40, f"{text}.example:5000", f"[{text}]:1"):
        soon(partial(kind.parse, whole))


@examples(100)
@given(
    st.lists(
        st.sampled_from(
            ["Host *", "Host", "Match all", "Match exec", "Include x", "Include ~/", "User a b",
             "Port x", "  ", "#", '"', "\\", "Host \x00", "=", "Match host a exec \"touch x\"",
             "Host !", "Include /dev/zero", "HostName %h%h%h", "ProxyJump a,b,c"]
        ),
        max_size=12,
    )
)  # fmt: skip
def test_ssh_config_of_any_kind(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    path = tmp_path_factory.mktemp("c") / "config"
    path.write_text("\n".join(lines).replace("/dev/zero", "/dev/null"))
    soon(lambda: scan(path, Stanzas(), path.parent))


def test_damaged_known_hosts_against_ssh_keygen(tmp_path: Path, tried: Counter[str]) -> None:
    """Where certkit finds a key for a name, OpenSSH finds the same line, and no other."""
    if shutil.which("ssh-keygen") is None:
        need("ssh", "ssh-keygen is not installed")
    key = tmp_path / "key"
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
    public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    names = ["a.example", "[a.example]:2222", "10.0.0.1", "b", "2001:db8::1", "[::1]:22"]
    dice = chance("known_hosts")
    file = tmp_path / "known_hosts"
    found = 0
    for _ in range(rounds(30)):
        lines = []
        for _ in range(dice.randrange(1, 7)):
            name = dice.choice(names)
            shown = hash_name(name, dice.randbytes(20)) if dice.random() < 0.5 else name
            # The names alone: a broken key is one for ssh-keygen -F, and none for ssh and certkit.
            who = f"{dice.choice(('', '', '@revoked '))}{shown}"
            if dice.random() < 0.3:
                at = dice.randrange(len(who))
                who = (
                    who[:at] + dice.choice(("", "x", "|", "=", ",", "*", "?", "!")) + who[at + 1 :]
                )
            lines.append(f"{who} {public}")
        file.write_text("\n".join(lines) + "\n")
        database = KnownHosts()
        database.read(file, file.read_bytes())
        name = dice.choice(names)
        ours = sorted(entry.line for entry in database.matching(name) if entry.marker != "revoked")
        said = subprocess.run(
            ["ssh-keygen", "-F", name, "-f", str(file)], capture_output=True, text=True, check=False
        ).stdout
        theirs = [
            int(line.split("line ")[1].split()[0])
            for line in said.splitlines()
            if "found: line" in line and "REVOKED" not in line
        ]
        assert ours == sorted(theirs), (name, lines)
        found += len(ours)
        tried["files"] += 1
    assert found


def test_ssh_config_against_ssh(tmp_path: Path, tried: Counter[str]) -> None:
    """ssh is asked for few of many hosts: what is taken for the others is what it would say."""
    if shutil.which("ssh") is None:
        need("ssh", "ssh is not installed")
    dice = chance("ssh_config")
    names = ["a", "b.example", "web-01", "web-02", "web-03.example", "10.0.0.1"]
    patterns = ["*", "web-*", "*.example", "a", "!a *", "web-0? !web-02", "10.*", "b.example a"]
    options = [
        "User ann",
        "User ben",
        "Port 2201",
        "Port 2202",
        "HostKeyAlias alias",
        "HostName %h",
    ]
    config, hosts = tmp_path / "config", tmp_path / "hosts.yaml"
    hosts.write_text(f"hosts: {json.dumps(names)}\n")
    for _ in range(rounds(12)):
        stanzas = [dice.sample(options, dice.randrange(3))]
        for _ in range(dice.randrange(1, 5)):
            stanza = [f"Host {dice.choice(patterns)}", *dice.sample(options, dice.randrange(1, 4))]
            stanzas.append(stanza)
        text = "\n".join(line for stanza in stanzas for line in stanza) + "\n"
        config.write_text(text)
        for host in load(hosts, ssh_config=config).hosts:
            said = subprocess.run(
                ["ssh", "-G", "-F", str(config), "--", host.name],
                capture_output=True, text=True, check=True,
            ).stdout  # fmt: skip
            theirs = dict(line.partition(" ")[::2] for line in said.splitlines())
            ours = (host.user, str(host.port), host.address, host.host_key_alias)
            wanted = ("user", "port", "hostname", "hostkeyalias")
            assert ours == tuple(theirs.get(option) for option in wanted), (host.name, text)
            tried["hosts"] += 1
