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
CERTKIT_TOOL = str(Path(sys.executable).parent / "certkit")
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

    @property
    def reach(self) -> list[str]:
        """Key, known_hosts, port and addresses, as the bare scripts take them."""
        files = str(self.fleet.key), str(self.fleet.known_hosts)
        return [*files, str(self.port), *self.addresses]

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
        needs: The environment of PACKAGES that it runs in; None for certkit's own.
        slow: So slow that one round must do.
        idle: Does not do the work, only what any way over SSH has to do.
    """

    name: str
    command: Callable[[Task], list[str]]
    environment: dict[str, str] = field(default_factory=dict)
    needs: str | None = None
    slow: bool = False
    idle: bool = False


def install(name: str) -> None:
    """Make a peer's environment, unless it is there with the very packages."""
    home = ENVIRONMENTS / name
    ready, packages = home / "ready", "\n".join(PACKAGES[name])
    if ready.exists() and ready.read_text() == packages:
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
    pip = [str(home / "bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *PACKAGES[name]], check=True)
    ready.write_text(packages)


def installed(name: str, tool: str) -> str:
    """Path of a command in a peer's environment."""
    return str(ENVIRONMENTS / name / "bin" / tool)


def bare(way: str, command: str, stdin: Path, task: Task) -> list[str]:
    """Paramiko with nothing around it, in a way of bare.py: one command, fed this file."""
    script = str(HERE / "bare.py")
    return [sys.executable, script, way, str(PARALLEL), command, str(stdin), *task.reach]


def bare_with(way: str, command: str) -> Callable[[Task], list[str]]:
    """The same, fed the file that every peer copies."""
    return lambda task: bare(way, command, authority_of(task.fleet), task)


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
    return bare("tuned", f"exec sh -c {shlex.quote(exchange.boot)}", sent, task)


def asyncssh(task: Task) -> list[str]:
    return [
        *(installed("asyncssh", "python"), str(HERE / "bare_asyncssh.py"), str(PARALLEL)),
        *(PLACE, str(authority_of(task.fleet)), *task.reach),
    ]


def parallel_ssh(task: Task) -> list[str]:
    command = place_from_words(authority_of(task.fleet).read_text())
    return [
        *(installed("pssh", "python"), str(HERE / "bare_pssh.py"), str(PARALLEL), command),
        *(str(task.fleet.key), str(task.port), *task.addresses),
    ]


def clush(task: Task) -> list[str]:
    options = f"-F none -p {task.port} -i {task.fleet.key} -o BatchMode=yes"
    options += f" -o UserKnownHostsFile={task.fleet.known_hosts}"
    return [
        *(installed("clush", "clush"), "-S", "-f", str(PARALLEL), "-l", "root"),
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
        *(CERTKIT_TOOL, "distribute", "-q"),
        *("--home", str(home_of(fleet)), "-i", str(inventory), "--parallel", str(PARALLEL)),
        *("--known-hosts", str(fleet.known_hosts), "-o", "json"),
    ]


def home_of(fleet: LoopbackFleet) -> Path:
    """The home with the bench registry's authority, made at the first call."""
    home = fleet.directory / "home"
    if not home.exists():
        command = [CERTKIT_TOOL, "init", REGISTRY, "--no-passphrase", "--home", str(home)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
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
    tool = installed("pyinfra", "pyinfra")
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
    tool = installed("ansible", "ansible-playbook")
    forks = min(ANSIBLE_FORKS, len(task.addresses))
    return [tool, "-f", str(forks), "-i", str(inventory), str(play)]


YARDSTICK = "tuned paramiko"
PIPELINED = "tuned paramiko, pipelined"
WITH_WORK = "tuned paramiko + work"
SAME_PROGRAM = "tuned paramiko + certkit's program"
# The yardstick and its variations: certkit is to come close to them, not to beat them.
TUNED = frozenset((YARDSTICK, PIPELINED, WITH_WORK, SAME_PROGRAM))
CERTKIT = "certkit"
PYINFRA = "pyinfra"
ANSIBLE = "Ansible + pipelining"
ASYNCSSH = "asyncssh"
PARALLEL_SSH = "parallel-ssh"
CLUSH = "clush"

_QUIET = {"ANSIBLE_LOCALHOST_WARNING": "0", "ANSIBLE_NOCOWS": "1"}
_MITOGEN = (
    ENVIRONMENTS
    / f"ansible/lib/python{sys.version_info[0]}.{sys.version_info[1]}"
    / "site-packages/ansible_mitogen/plugins/strategy"
)
_WITH_MITOGEN = {"ANSIBLE_STRATEGY_PLUGINS": str(_MITOGEN), "ANSIBLE_STRATEGY": "mitogen_linear"}

# Every contestant, the yardstick first.
PEERS = (
    Peer(YARDSTICK, bare_with("tuned", IGNORE), idle=True),
    Peer(PIPELINED, bare_with("pipelined", IGNORE), idle=True),
    Peer(WITH_WORK, bare_with("tuned", PLACE)),
    Peer("default paramiko + work", bare_with("default", PLACE)),
    Peer(SAME_PROGRAM, same_program),
    Peer(ASYNCSSH, asyncssh, needs="asyncssh"),
    Peer(PARALLEL_SSH, parallel_ssh, needs="pssh"),
    Peer(CERTKIT, certkit),
    Peer(PYINFRA, pyinfra, needs="pyinfra"),
    Peer(CLUSH, clush, needs="clush"),
    Peer("Ansible + Mitogen", ansible, {**_QUIET, **_WITH_MITOGEN}, "ansible", slow=True),
    Peer(ANSIBLE, ansible, {**_QUIET, "ANSIBLE_PIPELINING": "1"}, "ansible", slow=True),
)


def environment_of(peer: Peer, fleet: LoopbackFleet) -> dict[str, str]:
    """The peer's variables, with a home of its own so that no run reads the operator's files."""
    home = fleet.directory / "user"
    home.mkdir(exist_ok=True)
    return {**os.environ, **peer.environment, "HOME": str(home), "CERTKIT_STATE": str(home)}
