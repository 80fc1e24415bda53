"""The files of a rotation: which there are, and changing them together with its state."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from cryptography import x509

from certkit.errors import HomeError, InputError
from certkit.home.disk.change import change_files
from certkit.home.disk.files import CERTIFICATE_MODE, KEY_MODE, read_file
from certkit.home.home import Home
from certkit.home.registry import (
    AUTHORITY,
    AUTHORITY_KEY,
    RECORD,
    SERVER,
    SERVER_KEY,
    RegistryFiles,
)
from certkit.home.renewal.waiting import ARCHIVE, find_next
from certkit.home.request import RegistryRequest
from certkit.pki.bundle import parse_certificates
from certkit.pki.rollover_state import Rollover

STATE = "rollover.json"
SCHEMA = "certkit.rollover/1"

NEW, NEW_KEY = "ca-next.crt", "ca-next.key"
OLD = {
    AUTHORITY: "ca-old.crt",
    AUTHORITY_KEY: "ca-old.key",
    SERVER: "server-old.crt",
    SERVER_KEY: "server-old.key",
    RECORD: "registry-old.json",
}
COMMAND = "certkit rotate"

Writes = dict[str, tuple[bytes, int]]


def load(files: RegistryFiles) -> tuple[Rollover, RegistryRequest]:
    """The state, and what the registry is asked to be when the rotation is through.

    Raises:
        HomeError: Its file is damaged or lax.
    """
    path = files.path(STATE)
    if not path.exists():
        return Rollover(), files.request
    try:
        values: dict[str, Any] = json.loads(read_file(path, KEY_MODE))
        if values["schema"] != SCHEMA:
            raise HomeError(
                f"{path} was written by another version of certkit ({values['schema']!r})",
                "use that version, or a newer one",
            )
        rollover = Rollover.from_json(values["rollover"])
        request = RegistryRequest.from_json(values["request"])
    except (ValueError, KeyError, TypeError, AttributeError, InputError) as error:
        raise HomeError(f"{path} is damaged: {error}", "restore it from the back-up") from error
    # A renewal since may have added names; the permits are the rotation's own.
    return rollover, replace(files.request, permits=request.permits)


def commit(
    files: RegistryFiles,
    after: Rollover,
    request: RegistryRequest,
    writes: Writes,
    removes: Iterable[str] = (),
) -> None:
    """Carry out one step: the new state together with the files that belong to it."""
    values = {"schema": SCHEMA, "rollover": after.to_json(), "request": request.to_json()}
    state = {STATE: ((json.dumps(values, indent=2) + "\n").encode(), KEY_MODE)}
    change_files(files.directory, {**writes, **state}, removes)


def certificate_of(files: RegistryFiles, name: str) -> x509.Certificate:
    """The certificate in one of the registry's files."""
    return parse_certificates(read_part(files, name), str(files.path(name)))[0]


def read_part(files: RegistryFiles, name: str) -> bytes:
    """The content of one of the registry's files, after checking mode and owner."""
    return read_file(files.path(name), KEY_MODE if name.endswith(".key") else CERTIFICATE_MODE)


def refuse_renewal(files: RegistryFiles, rollover: Rollover) -> None:
    """Refuse a step that would take the place of a renewed certificate that waits.

    It may be in service already, put there by hand, and then the home has its only key.

    Raises:
        InputError: One waits that is not what the rotation offered.
        HomeError: What waits is damaged or lax.
    """
    waiting = find_next(files)
    if waiting is not None and waiting.sha256 != rollover.offered:
        where = files.where
        raise InputError(
            f"a renewed certificate of {files.reference} waits to be served, and would be lost",
            f"first put it into service with certkit registry deploy {where} --next (if that was "
            f"done by hand: certkit renew {where} --served), or throw it away with certkit renew "
            f"{where} --discard",
        )


def authority_keys(files: RegistryFiles) -> tuple[str, ...]:
    """The names of every key that can sign for the registry, or could once.

    The one that signs now comes first, then those of a rotation, then the archived ones.
    """
    current = (AUTHORITY_KEY, NEW_KEY, OLD[AUTHORITY_KEY])
    archived = sorted(files.directory.glob(f"{ARCHIVE}/*/{AUTHORITY_KEY}"))
    return (
        *(name for name in current if files.path(name).exists()),
        *(path.relative_to(files.directory).as_posix() for path in archived),
    )


def note(home: Home, files: RegistryFiles, what: str, *certificates: x509.Certificate) -> None:
    """Tell the journal of a step, before it happens."""
    home.journal.append(
        "rotate", registry=files.reference.text, what=what, certificates=certificates
    )
