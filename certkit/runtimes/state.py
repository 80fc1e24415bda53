"""The desired state of a host, as plain data.

A runtime module turns a registry and a trust bundle into a `RuntimeState`; the remote program
makes a host look like it; `export` renders the same data for other engines. Nothing here does I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

ServiceScope = Literal["system", "snap", "user"]
EvidenceKind = Literal["command", "path", "user-path"]


class Evidence(NamedTuple):
    """One sign that a runtime is present on a host; any one sign is enough.

    Attributes:
        kind: ``command`` (found on PATH), ``path`` (exists), or ``user-path`` (exists below the
            home or runtime directory of a user; the runtime is then placed once for each user).
        value: The command's name, an absolute path, a path that begins with ``~/`` (the user's
            home), or one that begins with ``@run/`` (the user's ``/run/user/UID``).
    """

    kind: EvidenceKind
    value: str


@dataclass(frozen=True)
class DesiredFile:
    """One file as it should stand.

    Attributes:
        path: Absolute, or beginning with ``~/`` for a runtime that belongs to a user.
        content: The whole file, in bytes.
        mode: Permission bits.
        owner: ``user:group`` (numeric or by name), or ``@user`` for the user a rootless runtime
            belongs to.
        absent: Whether it should not stand there: a file with this content, or one that certkit
            is known to have put there, is removed; any other is left.
    """

    path: str
    content: bytes
    mode: int = 0o644
    owner: str = "0:0"
    absent: bool = False


@dataclass(frozen=True)
class Activation:
    """What makes a changed file count, for runtimes that have a daemon.

    Attributes:
        service: The name the service manager knows the daemon by.
        scope: ``system`` (systemd, OpenRC, SysV, in that order of detection), ``snap``, or
            ``user`` (``systemctl --user`` of the user that owns the runtime).
        health: A command that exits 0 once the daemon answers.
        restart_command: The operator's own restart command from the inventory, run by ``sh -c``
            on the host in place of the service manager; None to use the service manager.
        timeout: Seconds that the restart, and then the health check, may each take.
    """

    service: str
    scope: ServiceScope
    health: tuple[str, ...]
    restart_command: str | None = None
    timeout: int = 90


@dataclass(frozen=True)
class Probe:
    """How a runtime's own puller is asked, and how to see whether its answer proves anything.

    Attributes:
        pull: The command that pulls; the image reference is appended as the last argument.
        digest: Prints the ``name@sha256:...`` digests of a pulled image; reference appended.
        present: Exits 0 when the image is already there; reference appended. An image that was
            present before a probe is left on the host after it.
        remove: Removes a pulled image; reference appended.
        verification: Prints what tells whether the daemon verifies this registry's TLS; decoded
            by the runtime's module. Empty when there is nothing to ask.
    """

    pull: tuple[str, ...]
    digest: tuple[str, ...]
    present: tuple[str, ...]
    remove: tuple[str, ...]
    verification: tuple[str, ...] = ()


@dataclass(frozen=True)
class RuntimeState:
    """One runtime on one host: where it shows itself, what it should trust, how that is proven.

    Attributes:
        name: As it stands in inventories and reports: ``docker``, ``docker-rootless``, ...
        detect: Signs of presence; any one is enough.
        named: Whether the operator named the runtime: its absence is then a failure, not a skip.
        files: What should stand, one file for each reference the registry is known by.
        version: A command that prints the version. A daemon may tell more in the same breath, which
            saves starting its client again, and a process for the clock:
            ``version|running|paused|live restore|time|verification``, with two numbers of
            containers, ``true`` where those survive a restart, the time by RFC 3339, and what
            `Probe.verification` would print.
        probe: How to ask the runtime's own puller.
        activation: What to do when a file changed; None when the runtime reads at each pull.
        user: Of a runtime that belongs to a user: the only user to look at. Empty to look at
            every user whose daemon's socket stands in ``/run/user``, or at the login user when
            that is not root.
        shadows: Paths that, where they exist, are read in place of the files (facts: the first
            directory wins, there is no merge); reported as notes.
        hides: Directories that the files' own directories keep from being read; reported as notes
            when there is something in them that would be missed.
        elsewhere: Directories that another flavour of the runtime reads and this one does not:
            people put the trust there by mistake, and a survey tells of it.
        vouched: Of a registry whose certificate comes from another authority: the certificate's
            fingerprint, 64 hex digits. Where the host's own system vouches for it, the files are
            not needed; they cannot be placed where their content is empty, since nobody has its
            root. Empty where only the files count.
        settings: The daemon's own JSON file, in which a list of insecure registries may stand;
            empty for a runtime that has none.
        pidfile: Where that daemon writes its process number; a path as in `Evidence`.
    """

    name: str
    detect: tuple[Evidence, ...]
    named: bool
    files: tuple[DesiredFile, ...]
    version: tuple[str, ...]
    probe: Probe
    activation: Activation | None = None
    user: str = ""
    shadows: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    vouched: str = ""
    settings: str = ""
    pidfile: str = ""

    @property
    def per_user(self) -> bool:
        """Whether it belongs to users: placed, restarted and probed once for each of them."""
        return any(sign.kind == "user-path" for sign in self.detect)


class RuntimeChoice(NamedTuple):
    """What the operator said of a host's runtimes, in the inventory or on the command line.

    Attributes:
        runtimes: ``("auto",)``, or names out of the catalogue.
        service: The daemon's name for the service manager, where it is not the usual one.
        certs_dir: The directory that holds one directory for each registry, where it is not the
            usual one.
        restart_command: Run by ``sh -c`` on the host in place of the service manager.
        rootless_user: The user a rootless runtime belongs to; None to find them.
        timeout: Seconds that a restart, and then the health check, may each take.
    """

    runtimes: tuple[str, ...] = ("auto",)
    service: str | None = None
    certs_dir: str | None = None
    restart_command: str | None = None
    rootless_user: str | None = None
    timeout: int = 90


@dataclass(frozen=True)
class HostState:
    """All that certkit wants of one host, for one registry.

    Attributes:
        registry: As image names write it.
        runtimes: Those that the host may have.
        authorities: The registry's, as PEM blocks. What certkit is known to have put on the host
            with one of them, and no runtime's files name, has left the inventory: it goes.
        retire_insecure: The registry's references, where they are to go out of its daemons' lists
            of insecure ones; empty to leave those alone.
    """

    registry: str
    runtimes: tuple[RuntimeState, ...]
    authorities: tuple[bytes, ...] = ()
    retire_insecure: tuple[str, ...] = ()

    @property
    def removes(self) -> bool:
        """Whether it is about taking trust away."""
        return any(file.absent for runtime in self.runtimes for file in runtime.files)


def removal(state: HostState) -> HostState:
    """Return what a host should look like without the trust that a state gives it.

    A runtime that is gone by now still counts as found where its files are left, and one that is
    not there at all is no failure. What shadows the files does not matter to their removal.

    Args:
        state: What the host was to look like.
    """
    return replace(state, runtimes=tuple(map(_without_trust, state.runtimes)))


def beside_system(state: HostState, vouched: str) -> HostState:
    """Return a state whose files are needed only where the host's system does not vouch.

    Args:
        state: What the host was to look like.
        vouched: See `RuntimeState.vouched`.
    """
    runtimes = tuple(replace(runtime, vouched=vouched) for runtime in state.runtimes)
    return replace(state, runtimes=runtimes)


def _without_trust(runtime: RuntimeState) -> RuntimeState:
    left: EvidenceKind = "user-path" if runtime.per_user else "path"
    return replace(
        runtime,
        detect=(*runtime.detect, *(Evidence(left, file.path) for file in runtime.files)),
        named=False,
        files=tuple(replace(file, absent=True) for file in runtime.files),
        shadows=(),
        hides=(),
    )
