"""Setting, changing and removing the passphrase of an authority's key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from certkit.errors import InputError
from certkit.home.files import write_atomic
from certkit.home.home import Home
from certkit.home.keyfile import KeyProtection, assert_protected, encode_key, key_protection
from certkit.home.passphrase import PassphraseSources
from certkit.home.registry import AUTHORITY_KEY, MODES, RegistryFiles
from certkit.secret import Secret

_COMMAND = "certkit passphrase"


@dataclass(frozen=True)
class Repassphrased:
    """What `change_passphrase` did.

    Attributes:
        files: The registry.
        before: How the key was protected.
        after: How it is protected now.
        changed: Whether anything was written.
    """

    files: RegistryFiles
    before: KeyProtection
    after: KeyProtection
    changed: bool

    @property
    def sentence(self) -> str:
        """What was done, for people."""
        key = f"the authority's key of {self.files.reference}"
        if not self.changed:
            return f"{key} is plain already; nothing to do"
        return f"{key} is now {self._words}"

    @property
    def warning(self) -> str:
        """What to say while the key is plain."""
        return f"everybody who reads {self.files.path(AUTHORITY_KEY)} can sign for the registry"

    def to_json(self) -> dict[str, Any]:
        """The document for ``-o json``."""
        return {
            "schema": "certkit.passphrase/1",
            "registry": self.files.reference.text,
            "changed": self.changed,
            "encrypted": self.after.encrypted,
            "protection": self.after.scheme,
        }

    @property
    def _words(self) -> str:
        return f"encrypted ({self.after.scheme})" if self.after.encrypted else "plain"


def change_passphrase(
    home: Home, files: RegistryFiles, current: PassphraseSources, new: PassphraseSources
) -> Repassphrased:
    """Write the authority's key anew under another passphrase, or without one.

    While the key is plain there is no current passphrase, so what `current` gives is taken for the
    new one when `new` gives none.

    Args:
        home: The home.
        files: The registry in it.
        current: Where the present passphrase comes from.
        new: Where the new one comes from; `refused` asks for a plain key.

    Returns:
        What was done; nothing when a plain key is to be plain.

    Raises:
        InputError: No new passphrase was given, or a source is wrong.
        HomeError: The present passphrase is wrong, or the home is unusable.
    """
    files.require_own_authority("there is no authority's key here")
    before = files.authority_key_protection
    if new.refused and not before.encrypted:
        return Repassphrased(files, before, before, changed=False)
    old = current.existing(str(files.path(AUTHORITY_KEY))) if before.encrypted else None
    # Opened before the question, so that a wrong passphrase is told at once.
    key = files.authority_key(old)
    passphrase = None if new.refused else _new_passphrase(before, current, new)
    with home.lock(_COMMAND):
        # Read again: somebody may have changed it while the question stood.
        key = files.authority_key(old)
        path = files.path(AUTHORITY_KEY)
        write_atomic(path, encode_key(key, passphrase), MODES[AUTHORITY_KEY])
        written = files.read(AUTHORITY_KEY)
        assert_protected(written, key, passphrase)
        home.journal.append(
            "passphrase",
            registry=files.reference.text,
            what="the authority's key is now "
            + ("plain" if passphrase is None else "encrypted under another passphrase"),
        )
    return Repassphrased(files, before, key_protection(written), changed=True)


def _new_passphrase(
    before: KeyProtection, current: PassphraseSources, new: PassphraseSources
) -> Secret:
    found = new.given()
    if found is None and not before.encrypted:
        found = current.given()
    if found is None:
        found = new.ask_new("the authority's key", optional=False)
    if found is None:
        raise InputError(
            "no new passphrase was given, and there is no terminal to ask on",
            f"give it with --new-passphrase-file FILE or {new.environment}, or remove it with "
            "--no-passphrase",
        )
    return found
