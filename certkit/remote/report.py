"""What a host answered, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from certkit.errors import HostError

RestartResult = Literal["restarted", "rolled_back", "stuck", "rollback_failed", "refused"]
SettingsKind = Literal["file", "missing", "link", "other", "unreadable", "relative"]


class FileReport(NamedTuple):
    """One desired file, as it was found and as it was left.

    Attributes:
        path: Absolute path on the host.
        result: ``same``, ``changed`` (written), ``would_change`` (a check), or ``foreign`` (holds
            something certkit did not write; left alone unless forced).
        previous: What stood there before; None when there was no file. Cut at 64 KiB.
        reason: Which of content, mode, owner differed, in that order; empty when the same.
    """

    path: str
    result: Literal["same", "changed", "would_change", "foreign"]
    previous: bytes | None = None
    reason: tuple[str, ...] = ()


@dataclass(frozen=True)
class SettingsReport:
    """The file that a daemon has its settings from; told where an entry may have to go from it.

    Attributes:
        path: Absolute, but for ``relative``: then as the daemon's command line has it.
        kind: What stands there; ``link`` is a symlink.
        content: Of a ``file``, its first 64 KiB. It may hold passwords, so it is never shown.
        flags: The insecure registries of the daemon's command line.
        running: Whether the daemon's process was found.
        unfinished: Whether an earlier run was cut short while it took an entry out.
    """

    path: str
    kind: SettingsKind
    content: bytes = field(default=b"", repr=False)
    flags: tuple[str, ...] = ()
    running: bool = False
    unfinished: bool = False


class RuntimeReport(NamedTuple):
    """One runtime found on the host.

    Attributes:
        name: As in the state. A rootless runtime is reported once for each user.
        user: The user a rootless runtime belongs to; empty otherwise.
        version: As the runtime prints it; empty when it did not answer.
        files: One for each desired file.
        running: Containers running now; None when not known.
        live_restore: Whether containers survive a restart of the daemon; None when not known.
        daemon: Whether the daemon is active; None for a runtime without one.
        restart_due: Whether its trust changed since the daemon was last restarted by certkit,
            in this run or an earlier one that was cut short.
        restart_begun: Whether the daemon is down since a restart by certkit, cut short or failed.
        notes: Things worth a line: a shadowing directory, a stray ``.key``, ...
        verification: What the runtime says of how it verifies registries; see `Probe`.
        nested: Whether the user told of it, in a run apart from root's: a failure there, or a file
            in the way, is no reason to leave anybody else's daemon alone.
        problem: Why that run failed; the report then says nothing else.
        settings: The daemon's own file, where the state asked for it.
    """

    name: str
    user: str = ""
    version: str = ""
    files: tuple[FileReport, ...] = ()
    running: int | None = None
    live_restore: bool | None = None
    daemon: bool | None = None
    restart_due: bool = False
    restart_begun: bool = False
    notes: tuple[str, ...] = ()
    verification: str = ""
    nested: bool = False
    problem: HostError | None = None
    settings: SettingsReport | None = None


class PlaceReport(NamedTuple):
    """The answer to placing (or checking) files.

    Attributes:
        runtimes: The runtimes found, in the order of the state.
        epoch: The host's clock, in seconds since 1970, UTC.
        notes: Things about the host as a whole.
    """

    runtimes: tuple[RuntimeReport, ...]
    epoch: int
    notes: tuple[str, ...] = ()


class RestartReport(NamedTuple):
    """The answer to restarting one runtime's daemon.

    Attributes:
        name: The runtime; `user` as in `RuntimeReport`.
        result: ``rolled_back`` means the old files are back and the daemon runs on them; ``stuck``
            that it runs, and old files could not be put back; ``rollback_failed`` that it does not.
        seconds: How long it took until the daemon answered.
        journal: The daemon's last log lines when it did not come back.
        reason: ``stopped`` (refused: it was not running, and reads the files when it starts),
            ``done`` (refused: not due any more), ``replaced`` (the same, and a look showed that
            other trust stands there by now), ``hung`` (the restart did not end in time) or
            ``command`` (the restart failed, and the daemon answers nevertheless); empty otherwise.
        restored: Whether the old files are back, all of them; None where there were none to put
            back.
    """

    name: str
    user: str
    result: RestartResult
    seconds: float
    journal: tuple[str, ...] = ()
    reason: str = ""
    restored: bool | None = None


class ProbeReport(NamedTuple):
    """What one runtime's own puller, and a bare handshake, said of one reference.

    Attributes:
        name: The runtime; `user` as in `RuntimeReport`.
        reference: The registry reference that was asked, as written.
        handshake: Exit status of a TLS handshake with only the installed file as root; None
            when the host has no ``openssl``.
        handshake_text: What that said.
        pull: Exit status of the pull; `pull_text` is what it said.
        digests: ``name@sha256:...`` of the pulled image; empty for a pull of a name that does
            not exist.
        verification: What the runtime says of how it verifies this registry; see `Probe`.
        addresses: IP addresses the host resolves the registry's name to, where it can tell.
    """

    name: str
    user: str
    reference: str
    handshake: int | None
    handshake_text: str
    pull: int
    pull_text: str
    digests: tuple[str, ...] = ()
    verification: str = ""
    addresses: tuple[str, ...] = ()
