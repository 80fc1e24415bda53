"""The same work as others do it: one CA file below certs.d on every host.

Every peer gets an environment of its own, made once below bench/.peers, because pyinfra pins an
older paramiko than certkit uses.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from loopback import PORT, LoopbackFleet

HERE = Path(__file__).parent
ENVIRONMENTS = HERE / ".peers"
REGISTRY = "registry.bench:5000"


@dataclass(frozen=True)
class Peer:
    """One contestant: how its command line looks for a number of hosts."""

    name: str
    command: Callable[[LoopbackFleet, list[str]], list[str]]
    environment: dict[str, str] = field(default_factory=dict)


def install(name: str, *packages: str) -> Path:
    """Make the environment `name` once and return its bin directory."""
    home = ENVIRONMENTS / name
    if not (home / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(home / "bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *packages], check=True)
        (home / "ready").touch()
    return home / "bin"


def bare(*flags: str) -> Callable[[LoopbackFleet, list[str]], list[str]]:
    """The yardstick of bare.py."""

    def command(fleet: LoopbackFleet, addresses: list[str]) -> list[str]:
        return [
            *(sys.executable, str(HERE / "bare.py"), *flags),
            *(str(fleet.key), str(fleet.known_hosts), str(PORT), *addresses),
        ]

    return command


def certkit(fleet: LoopbackFleet, addresses: list[str]) -> list[str]:
    """Certkit as its users call it, from files written as they would write them."""
    inventory = fleet.directory / f"hosts-{len(addresses)}.yaml"
    lines = [
        f"registry: {REGISTRY}",
        f"defaults: {{user: root, port: {PORT}, identity_file: {fleet.key},",
        "  runtime: docker, restart: never}",
        "hosts:",
        *(f"  - {address}" for address in addresses),
    ]
    inventory.write_text("\n".join(lines) + "\n")
    return [
        *(str(Path(sys.executable).parent / "certkit"), "distribute", "-q"),
        *("--home", str(home_of(fleet)), "-i", str(inventory)),
        *("--known-hosts", str(fleet.known_hosts), "-o", "json"),
    ]


def home_of(fleet: LoopbackFleet) -> Path:
    """The home with the bench registry's authority, made at the first call."""
    home = fleet.directory / "home"
    if not home.exists():
        tool = str(Path(sys.executable).parent / "certkit")
        arguments = ["init", REGISTRY, "--no-passphrase", "--home", str(home)]
        subprocess.run([tool, *arguments], check=True, capture_output=True)
    return home


def authority_of(fleet: LoopbackFleet) -> Path:
    """The file that every peer copies."""
    return next(home_of(fleet).glob("registries/*/trust.crt"))


def pyinfra(fleet: LoopbackFleet, addresses: list[str]) -> list[str]:
    """Directory and file, as pyinfra's documentation shows."""
    work = fleet.directory / "pyinfra"
    work.mkdir(exist_ok=True)
    inventory = work / f"inventory_{len(addresses)}.py"
    data = {"ssh_user": "root", "ssh_port": PORT, "ssh_key": str(fleet.key)}
    data["ssh_known_hosts_file"] = str(fleet.known_hosts)
    inventory.write_text(f"hosts = {[(address, data) for address in addresses]!r}\n")
    deploy = work / "deploy.py"
    target = f"/etc/docker/certs.d/{REGISTRY}"
    deploy.write_text(
        "from pyinfra.operations import files\n"
        f"files.directory(path={target!r}, mode='755', user='root')\n"
        f"files.put(src={str(authority_of(fleet))!r}, dest={target + '/ca.crt'!r}, mode='644')\n"
    )
    return [str(install("pyinfra", "pyinfra") / "pyinfra"), "-y", str(inventory), str(deploy)]


def ansible(fleet: LoopbackFleet, addresses: list[str]) -> list[str]:
    """file and copy, with pipelining and as many forks as certkit has workers."""
    work = fleet.directory / "ansible"
    work.mkdir(exist_ok=True)
    inventory = work / f"hosts-{len(addresses)}.ini"
    arguments = f"-o UserKnownHostsFile={fleet.known_hosts}"
    inventory.write_text(
        "\n".join(addresses)
        + "\n[all:vars]\nansible_user=root\n"
        + f"ansible_port={PORT}\nansible_ssh_private_key_file={fleet.key}\n"
        + f"ansible_ssh_common_args='{arguments}'\nansible_python_interpreter={sys.executable}\n"
    )
    target = f"/etc/docker/certs.d/{REGISTRY}"
    play = work / "play.yml"
    play.write_text(
        "- hosts: all\n  gather_facts: false\n  tasks:\n"
        f"    - file: {{path: {target!r}, state: directory, mode: '0755'}}\n"
        f"    - copy: {{src: {str(authority_of(fleet))!r}, dest: {target + '/ca.crt'!r}}}\n"
    )
    tool = install("ansible", "ansible-core") / "ansible-playbook"
    return [str(tool), "-f", str(min(20, len(addresses))), "-i", str(inventory), str(play)]


PEERS = {
    peer.name: peer
    for peer in (
        Peer("bare", bare()),
        Peer("bare-nodelay", bare("--tuned")),
        Peer("certkit", certkit),
        Peer("pyinfra", pyinfra),
        Peer("ansible", ansible, {"ANSIBLE_PIPELINING": "1", "ANSIBLE_LOCALHOST_WARNING": "0"}),
    )
}


def environment_of(peer: Peer, fleet: LoopbackFleet) -> dict[str, str]:
    """The peer's variables, with a home of its own so that no run reads the operator's files."""
    home = fleet.directory / "user"
    home.mkdir(exist_ok=True)
    return {**os.environ, **peer.environment, "HOME": str(home), "CERTKIT_STATE": str(home)}
