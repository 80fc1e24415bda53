"""Requests to other authorities: a key and a PKCS#10 request that wait for their answer.

The first one is all that a registry has until the answer comes; a later one lies beside the
certificate in service. Each is made in one step, and never twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from certkit.errors import HomeError, InputError
from certkit.home.disk.change import change_files
from certkit.home.disk.files import KEY_MODE, read_file, write_directory
from certkit.home.home import Home
from certkit.home.initialise import refuse_difference, refuse_taken
from certkit.home.keys.keyfile import decode_key, encode_key
from certkit.home.record import encode_record
from certkit.home.registry import (
    MODES,
    RECORD,
    REQUEST,
    REQUEST_KEY,
    REQUEST_MODES,
    REQUEST_RECORD,
    RegistryFiles,
)
from certkit.home.renewal.renew import RenewalWish, refuse_other_owner
from certkit.home.request import Origin, RegistryRequest
from certkit.pki.bundle import time_text
from certkit.pki.csr import make_csr
from certkit.pki.keys import PrivateKey, generate_key

Status = Literal["created", "unchanged"]


@dataclass(frozen=True)
class Requested:
    """A request that waits for its answer.

    Attributes:
        home: The home.
        files: The registry.
        request: What the registry's record says once the answer is in service.
        status: ``created`` now, or ``unchanged``: it was there already.
    """

    home: Home
    files: RegistryFiles
    request: RegistryRequest
    status: Status

    @property
    def path(self) -> Path:
        """Where the PKCS#10 request lies."""
        return self.files.path(REQUEST)


def init_request(path: Path, request: RegistryRequest, now: datetime) -> Requested:
    """Make a registry that has a key and a request, or recognise that it is there.

    Args:
        path: The home, from `home_path`; made when missing.
        request: What to ask for, of origin `Origin.REQUESTED`.
        now: The time, with a time zone.

    Raises:
        InputError: The registry exists and was made with another request.
        HomeError: The home is unusable, or the registry is half made.
    """
    home = Home.create(path)
    with home.lock("certkit init"):
        directory = home.directory_of(request.reference)
        if home.holds(request.reference):
            files = RegistryFiles(directory)
            refuse_difference(files, request, None)
            found = find_request(files)
            if found is None:
                raise InputError(
                    f"the registry {files.reference} has its certificate already",
                    f"make a request for a new one with certkit renew {files.where} --csr",
                )
            return Requested(home, files, request, "unchanged")
        refuse_taken(home, request)
        contents = {
            **_request_files(request, generate_key(request.key_type), now),
            RECORD: (encode_record(request, time_text(now)), MODES[RECORD]),
        }
        _log(home, request, "init")
        write_directory(directory, contents)
    return Requested(home, RegistryFiles(directory), request, "created")


def renew_request(home: Home, files: RegistryFiles, wish: RenewalWish, now: datetime) -> Requested:
    """Make a request for a new certificate, beside the one in service.

    Args:
        home: The home.
        files: The registry in it, with a certificate from elsewhere.
        wish: How the new certificate is to differ.
        now: The time, with a time zone.

    Raises:
        InputError: The registry has its own authority, another request waits, or a name belongs to
            another registry.
        HomeError: The home is unusable.
    """
    if files.request.origin is Origin.OWN:
        raise InputError(
            f"{files.reference} has its own authority, which needs no request",
            f"certkit renew {files.where}",
        )
    if wish.days is not None:
        raise InputError("--days is for the authority to decide", "leave it out")
    with home.lock("certkit renew"):
        files = RegistryFiles(files.directory)
        request = wish.applied_to(files.request)
        refuse_other_owner(home, files, request)
        waiting = find_request(files)
        if waiting is not None:
            if waiting[0] != request or _keeps_key(files, waiting[1]) != wish.reuse_key:
                raise InputError(
                    f"another request of {files.reference} waits for its answer: "
                    f"{files.path(REQUEST)}",
                    f"throw it away with certkit renew {files.where} --discard",
                )
            return Requested(home, files, request, "unchanged")
        files.require_certificate()
        key = files.server_key() if wish.reuse_key else generate_key(request.key_type)
        _log(home, request, "renew")
        change_files(files.directory, _request_files(request, key, now))
    return Requested(home, files, request, "created")


def discard_request(home: Home, files: RegistryFiles) -> bool:
    """Throw a request and its key away; the first one of a registry is all that it has.

    Returns:
        Whether there was one.

    Raises:
        HomeError: It is the registry's first, or the home is unusable.
    """
    with home.lock("certkit renew"):
        if not any(files.path(name).exists() for name in REQUEST_MODES):
            return False
        files.require_certificate()
        home.journal.append(
            "renew", registry=files.reference.text, what="certificate request discarded"
        )
        change_files(files.directory, {}, REQUEST_MODES)
    return True


def find_request(files: RegistryFiles) -> tuple[RegistryRequest, PrivateKey] | None:
    """What was asked for and the key of the request that waits, or None.

    Raises:
        HomeError: Its files are damaged or lax.
    """
    if not files.path(REQUEST).exists():
        return None
    try:
        record = json.loads(read_file(files.path(REQUEST_RECORD), REQUEST_MODES[REQUEST_RECORD]))
        request = RegistryRequest.from_json(record)
    except (InputError, ValueError, KeyError, TypeError) as error:
        raise HomeError(
            f"{files.path(REQUEST_RECORD)} is damaged: {error}", "restore it from the back-up"
        ) from error
    source = files.path(REQUEST_KEY)
    return request, decode_key(read_file(source, KEY_MODE), None, str(source))


def _keeps_key(files: RegistryFiles, key: PrivateKey) -> bool:
    return not files.waits and key.public_key() == files.server_key().public_key()


def _request_files(
    request: RegistryRequest, key: PrivateKey, now: datetime
) -> dict[str, tuple[bytes, int]]:
    contents = {
        REQUEST_KEY: encode_key(key, None),
        REQUEST_RECORD: encode_record(request, time_text(now)),
        REQUEST: make_csr(request.names, key),
    }
    return {name: (data, REQUEST_MODES[name]) for name, data in contents.items()}


def _log(home: Home, request: RegistryRequest, command: str) -> None:
    home.journal.append(
        command,
        registry=request.reference.text,
        what="key and certificate request made",
        names=[name.text for name in request.names],
    )
