"""What the known_hosts files of a run know of its hosts: each file is read once."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import NamedTuple

from certkit.errors import HostError
from certkit.inventory.model import Host
from certkit.transport.hostkeys.certificate import blob_type, key_line
from certkit.transport.hostkeys.known_hosts import Entry, KnownHosts, host_names
from certkit.transport.hostkeys.known_hosts_file import append_new, default_user_files, read_files

_GLOBAL_FILES = (Path("/etc/ssh/ssh_known_hosts"), Path("/etc/ssh/ssh_known_hosts2"))


class Known(NamedTuple):
    """What the files say about one host.

    Attributes:
        names: As what it was looked up, the decisive one first.
        plain: Its keys.
        confirming: Keys that may be its own, and never contradict one that it presents.
        authorities: Whose certificates it may present.
        revoked: Keys in wire format, its own or an authority's.
    """

    names: tuple[str, ...]
    plain: tuple[Entry, ...] = ()
    confirming: tuple[Entry, ...] = ()
    authorities: tuple[Entry, ...] = ()
    revoked: frozenset[bytes] = frozenset()


class KnownFiles:
    """The known_hosts files of all hosts of a run; shared by all its threads.

    Args:
        only: The one file to use in place of the user's and the system's.
    """

    def __init__(self, only: Path | None) -> None:
        self._only = only
        self._read: dict[tuple[Path, ...], tuple[KnownHosts, tuple[object, ...]]] = {}
        self._unreadable: dict[tuple[Path, ...], HostError] = {}
        self._found: dict[tuple[tuple[Path, ...], str], tuple[Entry, ...]] = {}
        self._lock = threading.Lock()

    def of(self, host: Host) -> Known:
        """Return what they say about a host."""
        files = self._paths(host)
        names = host_names(host.address, host.port, host.host_key_alias)
        with self._lock:
            self._database(files)
            return self._search(files, names)

    def record(self, host: Host, name: str, blob: bytes) -> Known:
        """Record the key of a host of which nothing was known.

        Args:
            host: The host, with its files.
            name: What to record it as.
            blob: The key in wire format.

        Returns:
            What the files know as `name` by now: this key; one that somebody else recorded
            meanwhile, in place of it; or nothing, where there is no file to record it in.

        Raises:
            HostError: The file is not writable.
        """
        files = self._paths(host)
        users = host.known_hosts_files
        candidates = (self._only,) if self._only else users or default_user_files()
        if users == () and not self._only:
            return Known((name,))
        target = candidates[0]
        with self._lock, append_new(target) as record:
            database = self._database(files, fresh=True)
            known = self._search(files, (name,))
            if not known.plain:
                record(name, key_line(blob), hashed=database.uses_hashes)
                database.add(name.encode(), Entry("", blob_type(blob), blob, target, 0))
                self._read[files] = (database, _stamps(files))
                del self._found[files, name]
                known = self._search(files, (name,))
        return known

    def _paths(self, host: Host) -> tuple[Path, ...]:
        if self._only:
            return (self._only,)
        user = host.known_hosts_files
        system = host.global_known_hosts_files
        return (
            *(default_user_files() if user is None else user),
            *(_GLOBAL_FILES if system is None else system),
        )

    def _database(self, files: tuple[Path, ...], *, fresh: bool = False) -> KnownHosts:
        """Return what is in `files`, read once for the run; the caller holds the lock.

        Args:
            files: In their order.
            fresh: Read them again if they were changed since.
        """
        # Read once, also in vain: a pipe that nobody writes to is waited for a minute.
        if files in self._unreadable:
            raise self._unreadable[files]
        known = self._read.get(files)
        if known is None or (fresh and known[1] != _stamps(files)):
            try:
                known = (read_files(files), _stamps(files))
            except HostError as error:
                self._unreadable[files] = error
                raise
            self._read[files] = known
            self._found.clear()
        return known[0]

    def _search(self, files: tuple[Path, ...], names: tuple[str, ...]) -> Known:
        """Look names up, the first one first; the others where it is not known.

        What stands under the bare name of a host with a port of its own may confirm its key, and
        never contradict it: behind another port there may be another machine.
        """
        entries = list(self._entries(files, names[0]))
        confirming: list[Entry] = []
        for name in names[1:]:
            if not any(entry.marker != "revoked" for entry in entries):
                found = self._entries(files, name)
                confirming += [entry for entry in found if not entry.marker]
                entries += [entry for entry in found if entry.marker]
        return Known(
            names,
            tuple(e for e in entries if not e.marker),
            tuple(confirming),
            tuple(e for e in entries if e.marker == "cert-authority"),
            frozenset(e.blob for e in entries if e.marker == "revoked"),
        )

    def _entries(self, files: tuple[Path, ...], name: str) -> tuple[Entry, ...]:
        # A name is asked for up to three times a host; in a long hashed file each is dear.
        found = self._found.get((files, name))
        if found is None:
            found = self._found[files, name] = tuple(self._read[files][0].matching(name))
        return found


def _stamps(files: tuple[Path, ...]) -> tuple[object, ...]:
    """Return what shows that one of the files was changed."""

    def stamp(path: Path) -> object:
        try:
            found = path.stat()
        except OSError:
            return None
        return (found.st_ino, found.st_size, found.st_mtime_ns)

    return tuple(map(stamp, files))
