"""A certificate that waited becomes the current one, or is thrown away.

What it takes the place of goes to the archive, and the hosts' trust is settled.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from certkit.errors import CertkitError, InputError
from certkit.home.disk.change import Writes, change_files
from certkit.home.disk.files import CERTIFICATE_MODE, KEY_MODE
from certkit.home.home import Home
from certkit.home.record import encode_record
from certkit.home.registry import (
    MODES,
    RECORD,
    SERVER,
    SERVER_KEY,
    TRUST,
    RegistryFiles,
)
from certkit.home.renewal.waiting import (
    ARCHIVE,
    NEXT,
    NEXT_FILES,
    NEXT_KEY,
    NextLeaf,
    find_next,
    refuse_rotation_of,
)
from certkit.home.request import Origin
from certkit.names import RegistryReference, SubjectName
from certkit.pki.bundle import TrustBundle, fingerprint
from certkit.pki.importing import trusted_by


@dataclass(frozen=True)
class Promoted:
    """What `promote` did.

    Attributes:
        files: The registry, read again.
        archived: Where the old certificate and key are, below the registry's directory.
        new_aliases: References that hosts do not have yet.
        new_names: Names that the old certificate lacked, those of new aliases left out.
    """

    files: RegistryFiles
    archived: str
    new_aliases: tuple[RegistryReference, ...]
    new_names: tuple[SubjectName, ...] = ()


def promote(home: Home, files: RegistryFiles, served: str, now: datetime) -> Promoted:
    """Make the waiting certificate the current one, now that the registry serves it.

    Args:
        home: The home.
        files: The registry in it.
        served: The fingerprint of what was seen in service: 64 hex digits.
        now: The time, with a time zone.

    Raises:
        InputError: No certificate is waiting.
        CertkitError: Something else is served; nothing was changed.
        HomeError: The home is unusable.
    """
    with home.lock("certkit renew"):
        files = RegistryFiles(files.directory)
        waiting = find_next(files)
        if waiting is None:
            raise InputError(
                f"no new certificate of {files.reference} is waiting",
                how_to_renew(files),
            )
        refuse_rotation_of(files)
        require_served(waiting, served)
        writes, removes, archived = promoted_files(files, waiting, now)
        home.journal.append(
            "renew",
            registry=files.reference.text,
            what="server certificate in service",
            certificates=[waiting.certificate],
        )
        trust, gone = settled_trust(files, waiting.chain)
        change_files(files.directory, {**writes, **trust}, (*removes, *gone))
        known, named = set(files.references), set(files.request.names)
    fresh = RegistryFiles(files.directory)
    aliases = tuple(one for one in fresh.references if one not in known)
    named |= {alias.subject_name for alias in aliases}
    names = tuple(one for one in fresh.request.names if one not in named)
    return Promoted(fresh, archived, aliases, names)


def discard(home: Home, files: RegistryFiles) -> bool:
    """Throw the waiting certificate and its key away.

    Returns:
        Whether there was one.

    Raises:
        HomeError: The home is unusable.
    """
    with home.lock("certkit renew"):
        if not files.path(NEXT).exists():
            return False
        refuse_rotation_of(files)
        home.journal.append(
            "renew", registry=files.reference.text, what="waiting server certificate discarded"
        )
        trust, gone = settled_trust(files, files.server_chain)
        change_files(files.directory, trust, (*NEXT_FILES, *gone))
    return True


def how_to_renew(files: RegistryFiles) -> str:
    """The command that makes or takes a new certificate, for hints."""
    if files.request.origin is Origin.OWN:
        return f"make one with certkit renew {files.where}"
    return f"take one with certkit import-signed FILE {files.where}"


def require_served(waiting: NextLeaf, served: str) -> None:
    """Refuse to go on while the registry serves anything but the waiting certificate.

    Raises:
        CertkitError: It does.
    """
    if served == waiting.sha256:
        return
    old = served == fingerprint(waiting.files.leaf)
    raise CertkitError(
        f"{waiting.files.reference} does not serve the new certificate but "
        + ("the old one" if old else "another one"),
        f"put {NEXT} and {NEXT_KEY} in its place and restart the registry: it reads them once",
    )


def promoted_files(
    files: RegistryFiles, waiting: NextLeaf, now: datetime
) -> tuple[dict[str, tuple[bytes, int]], tuple[str, ...], str]:
    """What is to be written and removed to make the waiting certificate current.

    Returns:
        The writes, the removals, and the directory of the archive that the old pair goes to.
    """
    archived = f"{ARCHIVE}/server-{now:%Y%m%dT%H%M%SZ}-{fingerprint(files.leaf)[:8]}"
    writes = {
        f"{archived}/{SERVER}": (files.read(SERVER), CERTIFICATE_MODE),
        f"{archived}/{SERVER_KEY}": (files.server_key_pem, KEY_MODE),
        SERVER_KEY: (waiting.key_pem, MODES[SERVER_KEY]),
        SERVER: (waiting.chain_pem, MODES[SERVER]),
        RECORD: (encode_record(waiting.request, _created(files)), MODES[RECORD]),
    }
    return writes, NEXT_FILES, archived


def settled_trust(
    files: RegistryFiles, chain: Sequence[x509.Certificate]
) -> tuple[Writes, tuple[str, ...]]:
    """What ``trust.crt`` becomes when another authority's chain alone is in service.

    While a chain of a new root waited, hosts were to trust both.

    Returns:
        What is to be written, and what removed; nothing for a registry with its own authority.
    """
    if files.request.origin is Origin.OWN or not files.path(TRUST).exists():
        return {}, ()
    roots = trusted_by(chain, files.bundle().certificates)
    if not roots:
        return {}, (TRUST,)
    return {TRUST: (TrustBundle.of(roots).pem, MODES[TRUST])}, ()


def _created(files: RegistryFiles) -> str:
    return str(json.loads(files.read(RECORD))["created"])
