"""The home: one directory with every registry's files, a lock and a journal."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from certkit.errors import HomeError, InputError
from certkit.home.disk.change import finish_change, is_change_pending
from certkit.home.disk.files import check_directory, make_directory, sweep, unusable
from certkit.home.disk.lock import locked
from certkit.home.journal import Journal
from certkit.home.place import home_option
from certkit.home.registry import RECORD, RegistryFiles
from certkit.names import RegistryReference

_REGISTRIES, _JOURNAL, _LOCK = "registries", "journal.jsonl", "lock"


def is_home(path: Path) -> bool:
    """Whether a home is there, usable or not.

    To be asked before `check_directory`: its cure, a ``chmod`` or ``chown``, would be the ruin of
    ``/etc`` or ``/tmp``, given by mistake.

    Raises:
        HomeError: Nobody but the directory's owner can tell.
    """
    try:
        return stat.S_ISDIR((path / _REGISTRIES).lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError as error:
        raise HomeError(
            f"cannot look into {path}: {error.strerror}",
            "run certkit as its owner, or name another place with --home",
        ) from error
    except OSError as error:
        raise unusable("cannot look into", path, error) from error


def find_in(path: Path, reference: RegistryReference) -> RegistryFiles | None:
    """The registry that a home, which need not be there, has for a reference or alias, or None.

    Raises:
        HomeError: Something else is there, or the home is unusable.
    """
    if not is_home(path) and not os.path.lexists(path):
        return None
    return Home.open(path).find(reference)


class Home:
    """A home that exists and that nobody else can get into.

    Use `open` or `create`.

    Attributes:
        path: The directory.
        journal: What was done here.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = Journal(path / _JOURNAL)

    @classmethod
    def open(cls, path: Path) -> Home:
        """Open an existing home.

        Args:
            path: From `home_path`.

        Raises:
            HomeError: There is none, or it is lax or somebody else's.
        """
        if not is_home(path):
            if not os.path.lexists(path):
                raise HomeError(
                    f"there is no home at {path}", f"make one with certkit init{home_option(path)}"
                )
            raise HomeError(
                f"{path} is not a certkit home",
                "name it with --home, or make one elsewhere: certkit init --home DIR",
            )
        check_directory(path)
        check_directory(path / _REGISTRIES)
        home = cls(path)
        if any(is_change_pending(directory) for directory in home._directories()):
            # A killed command had decided it; nobody is to read one half of it.
            with home.lock("finishing an interrupted command"):
                pass
        return home

    @classmethod
    def create(cls, path: Path) -> Home:
        """Open a home, making it and its parents when they are not there.

        Args:
            path: From `home_path`.

        Raises:
            HomeError: It cannot be made, is lax, somebody else's, or holds something else.
        """
        missing = [parent for parent in (path, *path.parents) if not os.path.lexists(parent)]
        for directory in reversed(missing):
            _make(directory)
        if not is_home(path):
            try:
                strangers = {entry.name for entry in path.iterdir()} - {_JOURNAL, _LOCK}
            except OSError as error:
                raise unusable("cannot read", path, error) from error
            if strangers:
                raise HomeError(
                    f"{path} is not a certkit home and not empty",
                    "name an empty or new directory with --home",
                )
            check_directory(path)
            _make(path / _REGISTRIES)
        return cls.open(path)

    @contextmanager
    def lock(self, command: str) -> Iterator[None]:
        """Hold the home's lock while the block runs, after tidying up what a killed run left.

        Args:
            command: What is being done, for the message to whoever finds it locked.

        Raises:
            HomeError: Another process holds it.
        """
        with locked(self.path / _LOCK, command):
            try:
                for directory in (self.path, self._registries, *self._directories()):
                    sweep(directory)
            except OSError as error:
                raise unusable("cannot clean up", self.path, error) from error
            for directory in self._directories():
                finish_change(directory)
            yield

    def directory_of(self, reference: RegistryReference) -> Path:
        """Where a registry's files are, or would be."""
        return self._registries / reference.slug

    def holds(self, reference: RegistryReference) -> bool:
        """Whether a registry's directory has anything in it, whole or not; an empty one is free.

        Raises:
            HomeError: It cannot be looked into.
        """
        directory = self.directory_of(reference)
        try:
            return _is_used(directory)
        except OSError as error:
            raise unusable("cannot read", directory, error) from error

    def registries(self) -> tuple[RegistryFiles, ...]:
        """Every registry, ordered by name.

        Raises:
            HomeError: One of them is half made, damaged or lax.
        """
        return tuple(RegistryFiles(directory) for directory in self._directories())

    def find(self, reference: RegistryReference) -> RegistryFiles | None:
        """The registry that a reference or alias means, or None."""
        directory = self.directory_of(reference)
        if (directory / RECORD).exists():
            found = RegistryFiles(directory)
            if reference in found.references:
                return found
        for other in self._directories():
            # One that is half made, and is not the one that is meant, is in nobody's way.
            with suppress(HomeError):
                files = RegistryFiles(other)
                if reference in files.references:
                    return files
        return None

    def registry(self, reference: RegistryReference | str) -> RegistryFiles:
        """The registry that a reference or alias means.

        Raises:
            InputError: The home has no such registry.
            HomeError: It is half made, damaged or lax.
        """
        if isinstance(reference, str):
            reference = RegistryReference.parse(reference)
        found = self.find(reference)
        if found is None:
            known = ", ".join(files.reference.text for files in self.registries())
            raise InputError(
                f"the home {self.path} has no registry {reference}",
                f"it has {known}"
                if known
                else f"make it with certkit init {reference}{home_option(self.path)}",
            )
        return found

    def sole_registry(self) -> RegistryFiles:
        """The only registry of the home, for commands that were not told which.

        Raises:
            InputError: There is none, or more than one.
            HomeError: It is half made, damaged or lax.
        """
        every = self.registries()
        if not every:
            raise InputError(
                f"the home {self.path} has no registry",
                f"make one with certkit init{home_option(self.path)}",
            )
        if len(every) > 1:
            known = ", ".join(files.reference.text for files in every)
            raise InputError(f"the home has {len(every)} registries", f"name one of {known}")
        return every[0]

    @property
    def _registries(self) -> Path:
        return self.path / _REGISTRIES

    def _directories(self) -> tuple[Path, ...]:
        """Registry directories; hidden ones are being made, empty ones hold nothing to lose."""
        try:
            return tuple(
                path
                for path in sorted(self._registries.iterdir())
                if not path.name.startswith(".") and _is_used(path)
            )
        except OSError as error:
            raise unusable("cannot read", self._registries, error) from error


def _is_used(directory: Path) -> bool:
    return directory.is_dir() and any(directory.iterdir())


def _make(directory: Path) -> None:
    try:
        make_directory(directory)
    except HomeError as error:
        # Two commands may start at once; the one that comes second finds it made.
        if not isinstance(error.__cause__, FileExistsError):
            raise
