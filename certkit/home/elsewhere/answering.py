"""Taking certificates that another authority signed into the home.

The first one of a registry goes into service as it is; a later one lies beside the old until it is
served, exactly as a renewed one does. Where its root is another one, hosts are to trust both until
then. Everything passes the gate of `certkit.pki.importing` before anything is touched, and every
change is one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shlex import quote
from typing import Literal

from cryptography import x509

from certkit.errors import InputError
from certkit.home.disk.change import Writes, change_files
from certkit.home.disk.files import write_directory
from certkit.home.elsewhere.material import Material
from certkit.home.elsewhere.requesting import find_request
from certkit.home.home import Home
from certkit.home.initialise import refuse_difference, refuse_taken
from certkit.home.keys.keyfile import encode_key
from certkit.home.record import encode_record
from certkit.home.registry import (
    MODES,
    RECORD,
    REQUEST_MODES,
    SERVER,
    SERVER_KEY,
    TRUST,
    RegistryFiles,
)
from certkit.home.renewal.renew import refuse_other_owner
from certkit.home.renewal.waiting import find_next, next_writes
from certkit.home.request import Origin, RegistryRequest
from certkit.pki.bundle import TrustBundle, fingerprint, pem, time_text
from certkit.pki.importing import Accepted, accept, find_leaf, trusted_by
from certkit.pki.keys import PrivateKey

Status = Literal["created", "prepared", "completed", "unchanged"]


@dataclass(frozen=True)
class Taken:
    """A certificate from elsewhere that the home has.

    Attributes:
        home: The home.
        files: The registry.
        accepted: What passed the gate.
        status: ``created`` when it is the registry's first, ``prepared`` when it waits to be
            served, ``completed`` when the home had it and now has more of its chain, ``unchanged``
            when there was nothing to do.
        new_root: Whether hosts need a root that they did not get before.
    """

    home: Home
    files: RegistryFiles
    accepted: Accepted
    status: Status
    new_root: bool = False

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should be told."""
        return self.accepted.warnings


def import_pair(path: Path, request: RegistryRequest, given: Material, now: datetime) -> Taken:
    """Make a registry out of a certificate and a key from elsewhere, or recognise them.

    Args:
        path: The home, from `home_path`; made when missing.
        request: The registry, of origin `Origin.IMPORTED`.
        given: The certificate, its chain and its key.
        now: The time, with a time zone.

    Raises:
        InputError: The certificate is refused, or the registry has another one.
        HomeError: The home is unusable.
    """
    assert given.key is not None
    accepted = _admit(request, given, given.key, now, "--import-chain")
    home = Home.create(path)
    with home.lock("certkit init"):
        directory = home.directory_of(request.reference)
        if home.holds(request.reference):
            files = RegistryFiles(directory)
            refuse_difference(files, request, None)
            if files.leaf != accepted.leaf:
                raise InputError(
                    f"the registry {files.reference} has another certificate",
                    "nothing was changed; a new one is taken with certkit import-signed FILE "
                    f"--key FILE {files.where}",
                )
            return _complete(home, files, accepted)
        refuse_taken(home, request)
        home.journal.append(
            "init",
            registry=request.reference.text,
            what="server certificate imported",
            certificates=[accepted.leaf],
        )
        write_directory(directory, _first(request, accepted, given.key, now))
    return Taken(home, RegistryFiles(directory), accepted, "created")


def take_answer(home: Home, files: RegistryFiles, given: Material, now: datetime) -> Taken:
    """Take a certificate that another authority signed: a request's answer, or any later one.

    Args:
        home: The home.
        files: The registry in it, of another origin than its own authority.
        given: The certificate and its chain; with its key, when that is neither the request's nor
            the present one.
        now: The time, with a time zone.

    Raises:
        InputError: The registry has its own authority, or the certificate is refused.
        HomeError: The home is unusable.
    """
    if files.request.origin is Origin.OWN:
        raise InputError(
            f"{files.reference} has its own authority; a certificate of another one is not its",
            "make a registry of its own for it in another home: certkit init "
            f"{quote(str(files.reference))} --home DIR --import-cert FILE --import-key FILE",
        )
    with home.lock("certkit import-signed"):
        files = RegistryFiles(files.directory)
        request, key, answers = _key_for(files, given)
        refuse_other_owner(home, files, request)
        known = () if files.waits else (*files.server_chain[1:], *files.bundle().certificates)
        accepted = _admit(request, given, key, now, "--chain", known)
        removes = tuple(REQUEST_MODES) if answers else ()
        if files.waits:
            _log(home, files, "signed certificate taken", accepted)
            change_files(files.directory, _first(request, accepted, key, now), removes)
            return Taken(home, RegistryFiles(files.directory), accepted, "created")
        if accepted.leaf == files.leaf:
            return _complete(home, files, accepted)
        waiting = find_next(files)
        if waiting is not None and waiting.chain == accepted.chain and not removes:
            return Taken(home, files, accepted, "unchanged", _is_new(files, accepted))
        new_root = _is_new(files, accepted)
        _log(home, files, "signed certificate taken, not yet in service", accepted)
        writes = next_writes(request, accepted.leaf, key, now, accepted.chain[1:])
        change_files(files.directory, {**writes, **_both(files, accepted)}, removes)
    return Taken(home, files, accepted, "prepared", new_root)


def _log(home: Home, files: RegistryFiles, what: str, accepted: Accepted) -> None:
    home.journal.append(
        "import-signed",
        registry=files.reference.text,
        what=what,
        certificates=[accepted.leaf],
    )


def _admit(
    request: RegistryRequest,
    given: Material,
    key: PrivateKey,
    now: datetime,
    option: str,
    known: Sequence[x509.Certificate] = (),
) -> Accepted:
    names = tuple(dict.fromkeys(reference.subject_name for reference in request.references))
    public, certificates = key.public_key(), given.certificates
    return accept(certificates, public, names, request.sans, now, option=option, known=known)


def _key_for(files: RegistryFiles, given: Material) -> tuple[RegistryRequest, PrivateKey, bool]:
    """What the certificate is to be, the key it belongs to, and whether it answers the request."""
    if given.key is not None:
        return files.request, given.key, False
    asked = find_request(files)
    if asked is not None and find_leaf(given.certificates, asked[1].public_key()):
        return *asked, True
    if not files.waits:
        key = files.server_key()
        if asked is None or find_leaf(given.certificates, key.public_key()):
            return files.request, key, False
    assert asked is not None
    return *asked, True


def _first(
    request: RegistryRequest, accepted: Accepted, key: PrivateKey, now: datetime
) -> dict[str, tuple[bytes, int]]:
    contents = {
        SERVER_KEY: encode_key(key, None),
        SERVER: b"".join(map(pem, accepted.chain)),
        RECORD: encode_record(request, time_text(now)),
    }
    if accepted.root is not None:
        contents[TRUST] = TrustBundle.of([accepted.root]).pem
    return {name: (data, MODES[name]) for name, data in contents.items()}


def _complete(home: Home, files: RegistryFiles, accepted: Accepted) -> Taken:
    """Take what is known now of the chain of the certificate in service, such as its root."""
    writes: Writes = {}
    new_root = _is_new(files, accepted)
    if files.server_chain != accepted.chain:
        chain = b"".join(map(pem, accepted.chain))
        writes = {SERVER: (chain, MODES[SERVER])}
    if new_root:
        roots = [*files.bundle().certificates, *([accepted.root] if accepted.root else [])]
        writes = {**writes, TRUST: (TrustBundle.of(roots).pem, MODES[TRUST])}
    if not writes:
        return Taken(home, files, accepted, "unchanged")
    home.journal.append(
        "import-signed",
        registry=files.reference.text,
        what="chain of the server certificate completed",
    )
    change_files(files.directory, writes)
    return Taken(home, files, accepted, "completed", new_root)


def _both(files: RegistryFiles, accepted: Accepted) -> Writes:
    """``trust.crt`` for the time in which either chain may be served."""
    roots = list(trusted_by(files.server_chain, files.bundle().certificates))
    roots += [accepted.root] if accepted.root is not None else []
    return {TRUST: (TrustBundle.of(roots).pem, MODES[TRUST])} if roots else {}


def _is_new(files: RegistryFiles, accepted: Accepted) -> bool:
    current: Sequence[str] = [
        fingerprint(one) for one in trusted_by(files.server_chain, files.bundle().certificates)
    ]
    return accepted.root is not None and fingerprint(accepted.root) not in current
