"""A network of machines for one test session, made whole and removed whole."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import subprocess
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from tests.fleet.lab import images, leftovers, network, recipe, store
from tests.fleet.lab.machine import Login, Machine, Spec
from tests.fleet.lab.shell import Argument, run

# Machines keep their files in memory when the box has this much to spare, else on its disk.
_MEMORY_TO_SPARE_KIB = 4 * 1024 * 1024

# Runs a command that sees the lab's names, without a word written to this box's /etc/hosts.
_WITH_HOSTS = 'mount --bind "$0" /etc/hosts && exec "$@"'

# A machine's services hold about seven instances of inotify, all counted for the box's root; with
# Debian's 128 the eighteenth machine does not boot, and says nothing that helps.
_INOTIFY_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
_INOTIFY_INSTANCES_NEEDED = 1024

_numbers = itertools.count()


def at_once(do: Callable[[Machine], object], machines: Collection[Machine]) -> None:
    """Do something to some machines at the same time, and wait until it is done to all.

    Nothing that switches one on, see `Machine.start`.
    """
    with ThreadPoolExecutor(max_workers=max(len(machines), 1)) as pool:
        list(pool.map(do, machines))


class Lab:
    """Machines on a bridge of their own, with this box as their operator.

    Use it as a context manager. Everything of it is gone at the end; what a killed process left
    is removed when the next lab starts.
    """

    def __init__(self) -> None:
        # Also the name of the bridge, which may have 15 characters.
        self.identifier = f"ck{os.getpid()}-{next(_numbers)}"
        labs = store.labs_directory()
        self.directory = labs / f"{self.identifier}.d"
        self.machines: dict[str, Machine] = {}
        self.password = secrets.token_urlsafe(12)
        self._lock = labs / f"{self.identifier}.lock"
        self._names: dict[str, str] = {}
        self._resources = contextlib.ExitStack()

    def __enter__(self) -> Lab:
        with contextlib.ExitStack() as resources:
            _raise_inotify_limit()
            bases = store.bases_directory()
            resources.enter_context(store.locked(bases / "in-use.lock", shared=True))
            # One at a time: two labs that start together must not choose the same subnet.
            with store.locked(store.labs_directory() / "start"):
                leftovers.sweep(store.labs_directory())
                resources.enter_context(leftovers.held(self._lock))
                resources.callback(self._remove)
                self.directory.mkdir()
                if _memory_available_kib() >= _MEMORY_TO_SPARE_KIB:
                    run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", self.directory])
                self.bridge = network.create_bridge(self.identifier)
            self.key = self.directory / "id_ed25519"
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", self.key])
            self._hosts()
            self._login = Login(
                public_key=self.key.with_suffix(".pub").read_text(),
                password_hash=_hash_of(self.password),
            )
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._resources.close()

    # -- machines ------------------------------------------------------------------------------

    def boot(self, specs: Iterable[Spec]) -> list[Machine]:
        """Boot machines at once and wait until all are up; more can be booted later."""
        earlier = list(self.machines.values())
        machines = [self._machine(spec) for spec in specs]
        # Known from the first second: a daemon written in Go keeps what it read for a while.
        hosts = self._hosts()
        at_once(lambda machine: machine.seed(self._login, hosts), machines)
        for machine in machines:
            machine.start()
        at_once(Machine.wait_until_up, machines)
        at_once(lambda machine: machine.set_hosts(hosts), earlier)
        return machines

    def __getitem__(self, name: str) -> Machine:
        return self.machines[name]

    # -- names and keys ------------------------------------------------------------------------

    def hosts_entry(self, name: str, address: str) -> None:
        """Make a name known to all machines, present and to come, and to `lab.run`.

        Each machine is known as `NAME` and `NAME.lab` without asking. A Docker daemon that has
        just looked up another name notices after five seconds at most.
        """
        self._names[name] = address
        hosts = self._hosts()
        at_once(lambda machine: machine.set_hosts(hosts), self.machines.values())

    def known_hosts(self, path: Path | None = None) -> Path:
        """Write the machines' present host keys to a known_hosts file."""
        path = path or self.directory / "known_hosts"
        lines = [
            f"{machine.address},{machine.name},{machine.name}.lab {machine.host_public_key()}\n"
            for machine in self.machines.values()
        ]
        path.write_text("".join(lines))
        return path

    # -- this box, the operator ----------------------------------------------------------------

    def run(
        self,
        argv: Sequence[Argument],
        *,
        input: str | bytes | None = None,
        check: bool = True,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on this box that knows the lab's names, `registry.lab` for instance."""
        return run(
            [*self.with_names(), *argv], shown=argv, stdin=input, check=check, timeout=timeout
        )

    def with_names(self) -> list[Argument]:
        """Words to put before a command of this box to let it know the lab's names."""
        wrapping = ("unshare", "--mount", "--propagation=private", "sh", "-c", _WITH_HOSTS)
        return [*wrapping, self.directory / "hosts"]

    def ssh_options(self) -> list[str]:
        """Options for OpenSSH's clients: the lab's key and host keys, and nothing of the user's."""
        return [
            *("-F", "none", "-i", str(self.key)),
            *("-o", f"UserKnownHostsFile={self.known_hosts()}", "-o", "IdentitiesOnly=yes"),
            *("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10"),
        ]

    def ssh(
        self,
        machine: Machine,
        command: str,
        *,
        user: str = recipe.LOGIN_USER,
        input: str | bytes | None = None,
        check: bool = True,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a machine through this box's ssh client."""
        argv = ["ssh", *self.ssh_options(), f"{user}@{machine.address}", command]
        return run(argv, stdin=input, check=check, timeout=timeout)

    @property
    def registry_image(self) -> Path:
        """An archive for `docker load` with `registry:2`."""
        return store.bases_directory() / images.archive_name(recipe.REGISTRY_IMAGE)

    @property
    def example_image(self) -> Path:
        """An archive for `docker load` with `identidock:0.1`, a small image to push."""
        return store.bases_directory() / images.archive_name(recipe.EXAMPLE_IMAGE)

    # -- internals -----------------------------------------------------------------------------

    def _machine(self, spec: Spec) -> Machine:
        if spec.name in self.machines:
            raise ValueError(f"there is a machine {spec.name} already")
        if spec.release not in recipe.RELEASES:
            raise ValueError(f"no base for {spec.release}; there is {', '.join(recipe.RELEASES)}")
        machine = Machine(
            spec=spec,
            address=self.bridge.machine_address(len(self.machines)),
            directory=self.directory / spec.name,
            _base=store.bases_directory() / spec.release,
            _group=f"{leftovers.GROUP}/{self.identifier}/{spec.name}",
            _identifier=f"{self.identifier}-{spec.name}",
            _bridge=self.bridge.name,
        )
        self.machines[spec.name] = machine
        return machine

    def _hosts(self) -> str:
        """What /etc/hosts is to say on all machines; written down for `lab.run` as well."""
        lines = ["127.0.0.1 localhost\n", "::1 localhost\n"]
        for machine in self.machines.values():
            lines.append(f"{machine.address} {machine.name} {machine.name}.lab\n")
        lines += [f"{address} {name}\n" for name, address in self._names.items()]
        content = "".join(lines)
        (self.directory / "hosts").write_text(content)
        return content

    def _remove(self) -> None:
        at_once(Machine.poweroff, self.machines.values())
        leftovers.remove(self._lock)


def _memory_available_kib() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1])
    return 0


def _hash_of(password: str) -> str:
    return run(["openssl", "passwd", "-6", "-stdin"], stdin=password).stdout.strip()


def _raise_inotify_limit() -> None:
    """Let this box hold many machines at once, other labs' included; until its next boot."""
    if int(_INOTIFY_INSTANCES.read_text()) < _INOTIFY_INSTANCES_NEEDED:
        _INOTIFY_INSTANCES.write_text(str(_INOTIFY_INSTANCES_NEEDED))
