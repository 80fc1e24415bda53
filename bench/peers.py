"""The same work as others do it: one CA file below certs.d on every host.

Every peer gets an environment of its own, made once below bench/.peers, because pyinfra pins an
older paramiko than certkit uses.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.loopback import LoopbackFleet
from bench.work import DIRECTORY, IGNORE, PLACE, REGISTRY, TARGET, place_from_words
from certkit.names import RegistryReference
from certkit.remote.program import place
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.state import RuntimeChoice

HERE = Path(__file__).parent
ENVIRONMENTS = HERE / ".peers"
# As many at a time as certkit has by default; Ansible is quickest with fewer on a small machine.
PARALLEL = 64
ANSIBLE_FORKS = 20
PACKAGES = {
    "asyncssh": ["asyncssh==2.24.1"],
    "pssh": ["parallel-ssh==2.16.0.post1"],
    "clush": ["ClusterShell==1.10.1"],
    "pyinfra": ["pyinfra==3.10.0"],
    "ansible": ["ansible-core==2.19.14", "mitogen==0.3.54"],
}


@dataclass(frozen=True)
class Task:
    """What a peer is to work on: these addresses, all on one port."""

    fleet: LoopbackFleet
    addresses: list[str]
    port: int

    def file(self, name: str, text: str) -> Path:
        """Write a file that a peer needs for this very task."""
        path = self.fleet.directory / f"{len(self.addresses)}-{self.port}-{name}"
        path.write_text(text)
        return path


@dataclass(frozen=True)
class Peer:
    """One contestant.

    Attributes:
        name: As the table and the command line have it.
        command: Its command line for a task.
        environment: Variables that it needs.
        slow: So slow that one round must do.
        idle: Does not do the work, only what any way over SSH has to do.
    """

    name: str
    command: Callable[[Task], list[str]]
    environment: dict[str, str] = field(default_factory=dict)
    slow: bool = False
    idle: bool = False


def install(name: str) -> Path:
    """Make a peer's environment once and return its bin directory."""
    home = ENVIRONMENTS / name
    if not (home / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(home / "bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PACKAGES[name]], check=True)
        (home / "ready").touch()
    return home / "bin"


def paramiko(how: str, command: str) -> Callable[[Task], list[str]]:
    def line(task: Task) -> list[str]:
        return [
            *(sys.executable, str(HERE / "bare.py"), how, command, str(authority_of(task.fleet))),
            *(str(task.fleet.key), str(task.fleet.known_hosts), str(task.port), *task.addresses),
        ]

    return line


def same_program(task: Task) -> list[str]:
    """Tuned paramiko again, with the very program and state that certkit sends to these hosts.

    What a host's own shell does for an answer is then on both bills; on loopback it takes the
    client's cores. What is left between the two is certkit's own.
    """
    wanted = desired_state(
        [RegistryReference.parse(REGISTRY)],
        authority_of(task.fleet).read_bytes(),
        RuntimeChoice(("docker",)),
    )
    exchange = place(wanted, restarts=False)
    sent = task.fleet.directory / "exchange"
    sent.write_bytes(exchange.stdin)
    command = f"exec sh -c {shlex.quote(exchange.boot)}"
    return [
        *(sys.executable, str(HERE / "bare.py"), "tuned", command, str(sent)),
        *(str(task.fleet.key), str(task.fleet.known_hosts), str(task.port), *task.addresses),
    ]


def asyncssh(task: Task) -> list[str]:
    return [
        *(str(install("asyncssh") / "python"), str(HERE / "bare_asyncssh.py")),
        *(PLACE, str(authority_of(task.fleet))),
        *(str(task.fleet.key), str(task.fleet.known_hosts), str(task.port), *task.addresses),
    ]


def parallel_ssh(task: Task) -> list[str]:
    command = place_from_words(authority_of(task.fleet).read_text())
    return [
        *(str(install("pssh") / "python"), str(HERE / "bare_pssh.py"), command),
        *(str(task.fleet.key), str(task.port), *task.addresses),
    ]


def clush(task: Task) -> list[str]:
    options = f"-F none -p {task.port} -i {task.fleet.key} -o BatchMode=yes"
    options += f" -o UserKnownHostsFile={task.fleet.known_hosts}"
    return [
        *(str(install("clush") / "clush"), "-S", "-f", str(PARALLEL), "-l", "root"),
        *("-o", options, "-w", ",".join(task.addresses)),
        place_from_words(authority_of(task.fleet).read_text()),
    ]


def certkit(task: Task) -> list[str]:
    """Certkit as its users call it, from files written as they would write them."""
    fleet = task.fleet
    lines = [
        f"registry: {REGISTRY}",
        f"defaults: {{user: root, port: {task.port}, identity_file: {fleet.key},",
        "  runtime: docker, restart: never}",
        "hosts:",
        *(f"  - {address}" for address in task.addresses),
    ]
    inventory = task.file("hosts.yaml", "\n".join(lines) + "\n")
    return [
        *(str(Path(sys.executable).parent / "certkit"), "distribute", "-q"),
        *("--home", str(home_of(fleet)), "-i", str(inventory), "--parallel", str(PARALLEL)),
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


def pyinfra(task: Task) -> list[str]:
    """Directory and file, as pyinfra's documentation shows."""
    data = {"ssh_user": "root", "ssh_port": task.port, "ssh_key": str(task.fleet.key)}
    data["ssh_known_hosts_file"] = str(task.fleet.known_hosts)
    hosts = [(address, data) for address in task.addresses]
    inventory = task.file("inventory.py", f"hosts = {hosts!r}\n")
    deploy = task.file(
        "deploy.py",
        "from pyinfra.operations import files\n"
        f"files.directory(path={DIRECTORY!r}, mode='755', user='root')\n"
        f"files.put(src={str(authority_of(task.fleet))!r}, dest={TARGET!r}, mode='644')\n",
    )
    tool = str(install("pyinfra") / "pyinfra")
    return [tool, "-y", "--parallel", str(PARALLEL), str(inventory), str(deploy)]


def ansible(task: Task) -> list[str]:
    """file and copy in one play, without facts."""
    arguments = f"-o UserKnownHostsFile={task.fleet.known_hosts}"
    inventory = task.file(
        "hosts.ini",
        "\n".join(task.addresses)
        + "\n[all:vars]\nansible_user=root\n"
        + f"ansible_port={task.port}\nansible_ssh_private_key_file={task.fleet.key}\n"
        + f"ansible_ssh_common_args='{arguments}'\nansible_python_interpreter={sys.executable}\n",
    )
    play = task.file(
        "play.yml",
        "- hosts: all\n  gather_facts: false\n  tasks:\n"
        f"    - file: {{path: {DIRECTORY!r}, state: directory, mode: '0755'}}\n"
        f"    - copy: {{src: {str(authority_of(task.fleet))!r}, dest: {TARGET!r}}}\n",
    )
    tool = str(install("ansible") / "ansible-playbook")
    forks = min(ANSIBLE_FORKS, len(task.addresses))
    return [tool, "-f", str(forks), "-i", str(inventory), str(play)]


def mitogen_environment() -> dict[str, str]:
    """Where Ansible finds Mitogen's strategy."""
    find = "import ansible_mitogen, os; print(os.path.dirname(ansible_mitogen.__file__))"
    package = subprocess.check_output([install("ansible") / "python", "-c", find], text=True)
    return {
        "ANSIBLE_STRATEGY_PLUGINS": f"{package.strip()}/plugins/strategy",
        "ANSIBLE_STRATEGY": "mitogen_linear",
    }


YARDSTICK = "tuned paramiko"
SAME_PROGRAM = "tuned paramiko + certkit's program"
CERTKIT = "certkit"
PYINFRA = "pyinfra"
ANSIBLE = "Ansible + pipelining"
ASYNCSSH = "asyncssh"


def all_peers() -> dict[str, Peer]:
    """Every contestant by name, the yardstick first; environments are made where they lack."""
    for name in PACKAGES:
        install(name)
    quiet = {"ANSIBLE_LOCALHOST_WARNING": "0", "ANSIBLE_NOCOWS": "1"}
    peers = (
        Peer(YARDSTICK, paramiko("tuned", IGNORE), idle=True),
        Peer("tuned paramiko + work", paramiko("tuned", PLACE)),
        Peer("default paramiko + work", paramiko("default", PLACE)),
        Peer(SAME_PROGRAM, same_program),
        Peer(ASYNCSSH, asyncssh),
        Peer("parallel-ssh", parallel_ssh),
        Peer(CERTKIT, certkit),
        Peer(PYINFRA, pyinfra),
        Peer("clush", clush),
        Peer("Ansible + Mitogen", ansible, {**quiet, **mitogen_environment()}, slow=True),
        Peer(ANSIBLE, ansible, {**quiet, "ANSIBLE_PIPELINING": "1"}, slow=True),
    )
    return {peer.name: peer for peer in peers}


def environment_of(peer: Peer, fleet: LoopbackFleet) -> dict[str, str]:
    """The peer's variables, with a home of its own so that no run reads the operator's files."""
    home = fleet.directory / "user"
    home.mkdir(exist_ok=True)
    return {**os.environ, **peer.environment, "HOME": str(home), "CERTKIT_STATE": str(home)}
