"""Setting, changing and removing the passphrase of a registry's authority.

It guards every key that can sign for the registry, so all of them change in one step: the key that
signs now, the ones a rotation brings or takes away, the archived ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from certkit.errors import HomeError, InputError
from certkit.home.disk.change import change_files
from certkit.home.disk.files import KEY_MODE
from certkit.home.home import Home
from certkit.home.keys.keyfile import (
    KeyProtection,
    assert_protected,
    decode_key,
    encode_key,
    key_protection,
)
from certkit.home.keys.passphrase import PassphraseSources
from certkit.home.registry import AUTHORITY_KEY, RegistryFiles
from certkit.home.renewal.waiting import ARCHIVE
from certkit.home.rotation.files import authority_keys, certificate_of, read_part
from certkit.pki.keys import PrivateKey
from certkit.secret import Secret

_COMMAND = "certkit passphrase"


@dataclass(frozen=True)
class Repassphrased:
    """What `change_passphrase` did.

    Attributes:
        files: The registry.
        before: How the key that signs now was protected.
        after: How it is protected now.
        changed: The names of the keys that were written.
        kept: The names of archived keys that the passphrase does not open, and that stay.
    """

    files: RegistryFiles
    before: KeyProtection
    after: KeyProtection
    changed: tuple[str, ...]
    kept: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What was done, for people."""
        if not self.changed:
            return f"the authority's key of {self.files.reference} is plain already; nothing to do"
        words = f"encrypted ({self.after.scheme})" if self.after.encrypted else "plain"
        if self.changed == (AUTHORITY_KEY,):
            return f"the authority's key of {self.files.reference} is now {words}"
        return f"{', '.join(self.changed)} of {self.files.reference}: now {words}"

    @property
    def warnings(self) -> list[str]:
        """What the user should be told."""
        path = self.files.path
        told = [f"{path(name)} does not open, and stays as it is" for name in self.kept]
        if not self.after.encrypted:
            key = path(AUTHORITY_KEY)
            told.append(f"everybody who reads {key} can sign for the registry")
        return told

    def to_json(self) -> dict[str, Any]:
        """The document for ``-o json``."""
        return {
            "schema": "certkit.passphrase/1",
            "registry": self.files.reference.text,
            "changed": bool(self.changed),
            "encrypted": self.after.encrypted,
            "protection": self.after.scheme,
            "files": [str(self.files.path(name)) for name in self.changed],
            "warnings": self.warnings,
        }


def change_passphrase(
    home: Home, files: RegistryFiles, current: PassphraseSources, new: PassphraseSources
) -> Repassphrased:
    """Write every authority's key of a registry anew under another passphrase, or without one.

    While the key that signs is plain there is no current passphrase, so what `current` gives is
    taken for the new one when `new` gives none. On a terminal, each key of a rotation that has a
    passphrase of its own is asked for.

    Args:
        home: The home.
        files: The registry in it.
        current: Where the present passphrase comes from.
        new: Where the new one comes from; `refused` asks for plain keys.

    Returns:
        What was done; nothing when plain keys are to be plain.

    Raises:
        InputError: No new passphrase was given, or a source is wrong.
        HomeError: A key in use does not open, or the home is unusable. No key was changed.
    """
    files.require_own_authority("there is no authority's key here")
    before = files.authority_key_protection
    # Each source is read once: it may be a pipe.
    given, passphrase = current.given(), new.given()
    known = [one for one in (given, passphrase) if one is not None]
    # Opened before the question, so that a wrong passphrase is told at once.
    for name in authority_keys(files):
        if not name.startswith(ARCHIVE):
            _open_or_ask(files, name, known, current, given)
    if passphrase is None and not new.refused:
        passphrase = (None if before.encrypted else given) or _ask_new(new)
    with home.lock(_COMMAND):
        # Read again: somebody may have changed them while the question stood.
        opened, kept = _open_all(files, known)
        todo = {
            name: key
            for name, key in opened.items()
            if passphrase is not None or key_protection(read_part(files, name)).encrypted
        }
        if todo:
            writes = {name: (encode_key(key, passphrase), KEY_MODE) for name, key in todo.items()}
            home.journal.append(
                "passphrase",
                registry=files.reference.text,
                what=_what(tuple(todo), before, passphrase),
            )
            change_files(files.directory, writes)
        for name, key in todo.items():
            assert_protected(read_part(files, name), key, passphrase)
    return Repassphrased(files, before, files.authority_key_protection, tuple(todo), kept)


def _open_all(
    files: RegistryFiles, known: Sequence[Secret]
) -> tuple[dict[str, PrivateKey], tuple[str, ...]]:
    """Every key by its name, and the names of archived ones that do not open."""
    opened, kept = {}, []
    for name in authority_keys(files):
        try:
            opened[name] = _open(files, name, known)
        except HomeError:
            # A forgotten passphrase of long ago must not keep the keys in use from a new one.
            if not name.startswith(ARCHIVE):
                raise
            kept.append(name)
    return opened, tuple(kept)


def _open_or_ask(
    files: RegistryFiles,
    name: str,
    known: list[Secret],
    current: PassphraseSources,
    given: Secret | None,
) -> None:
    pem, source = read_part(files, name), str(files.path(name))
    try:
        _open(files, name, known)
    except HomeError:
        wrong = given is not None and (current.ask is None or name == AUTHORITY_KEY)
        if wrong or not key_protection(pem).encrypted:
            raise
        answer = current.ask(f"Passphrase of {source}: ") if current.ask else ""
        typed = Secret(answer) if answer else None
        decode_key(pem, typed, source)
        known += [typed] if typed else []
        _open(files, name, known)


def _open(files: RegistryFiles, name: str, known: Sequence[Secret]) -> PrivateKey:
    pem, path = read_part(files, name), files.path(name)
    key = None
    if not known or not key_protection(pem).encrypted:
        key = decode_key(pem, None, str(path))
    for secret in known:
        with suppress(HomeError):
            key = key or decode_key(pem, secret, str(path))
    if key is None and name == AUTHORITY_KEY:
        raise HomeError(
            f"the passphrase does not open {path}",
            "check --passphrase-file, CERTKIT_CA_PASSPHRASE or what was typed",
        )
    if key is None:
        raise HomeError(
            f"{path} has another passphrase than {AUTHORITY_KEY}; nothing was changed",
            "run certkit passphrase on a terminal, which asks for each, or end the rotation first",
        )
    certificate = name.removesuffix("key") + "crt"
    if key.public_key() != certificate_of(files, certificate).public_key():
        raise HomeError(
            f"{path} does not belong to {files.path(certificate)}",
            "restore both from the same back-up",
        )
    return key


def _what(names: tuple[str, ...], before: KeyProtection, passphrase: Secret | None) -> str:
    if passphrase is None:
        after = "plain"
    else:
        after = "encrypted under another passphrase" if before.encrypted else "encrypted"
    if names == (AUTHORITY_KEY,):
        return f"the authority's key is now {after}"
    return f"authorities' keys now {after}: {', '.join(names)}"


def _ask_new(new: PassphraseSources) -> Secret:
    found = new.ask_new("the authority's key", optional=False)
    if found is None:
        raise InputError(
            "no new passphrase was given, and there is no terminal to ask on",
            f"give it with --new-passphrase-file FILE or {new.environment}, or remove it with "
            "--no-passphrase",
        )
    return found
