"""A rotation in the home: the state of `pki.rollover` with the files that belong to each phase.

``ca.crt`` and ``ca.key`` are always the authority that signs now. Beside them lies the new one
(``ca-next``) until the switch, the old one (``ca-old``) after it. Every step is one change of
files: killed anywhere, it has happened or it has not, and it can be run again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from certkit.errors import HomeError
from certkit.home.disk.change import change_files
from certkit.home.disk.files import CERTIFICATE_MODE, KEY_MODE
from certkit.home.home import Home
from certkit.home.keys.keyfile import decode_key, encode_key, key_protection
from certkit.home.keys.passphrase import PassphraseSources
from certkit.home.registry import AUTHORITY, AUTHORITY_KEY, MODES, SERVER_KEY, TRUST, RegistryFiles
from certkit.home.renewal.promotion import promoted_files
from certkit.home.renewal.waiting import (
    ARCHIVE,
    NEXT,
    NextLeaf,
    find_next,
    next_writes,
)
from certkit.home.rotation.files import (
    COMMAND,
    NEW,
    NEW_KEY,
    OLD,
    Writes,
    certificate_of,
    commit,
    load,
    note,
    read_part,
    refuse_renewal,
)
from certkit.pki import rollover as core
from certkit.pki.bundle import TrustBundle, fingerprint, pem
from certkit.pki.constraints import Permit
from certkit.pki.issue import issue_authority, issue_leaf
from certkit.pki.keys import generate_key
from certkit.pki.rollover_state import HostProof, Phase, Rollover
from certkit.pki.verify import verify_server
from certkit.secret import Secret


def read_rotation(files: RegistryFiles) -> Rollover:
    """Where the rotation of a registry stands; `Phase.IDLE` when there never was one.

    Raises:
        HomeError: Its file is damaged or lax.
    """
    return load(files)[0]


def start(
    home: Home,
    files: RegistryFiles,
    passphrase: Secret | None,
    now: datetime,
    *,
    permits: Iterable[Permit] = (),
    compromised: bool = False,
) -> Rollover:
    """Make the new authority; ``trust.crt`` becomes old and new, ready to be distributed.

    A start that has happened is recognised, and nothing is made twice.

    Args:
        home: The home.
        files: The registry in it.
        passphrase: For the new authority's key; None leaves it plain.
        now: The time, with a time zone.
        permits: Zones and networks that the new authority may sign for, besides the present ones.
        compromised: ``trust.crt`` becomes the new authority alone: no pull succeeds on a host from
            the moment it gets it until the registry serves the new certificate.

    Raises:
        InputError: Another rotation is under way.
        HomeError: The home is unusable.
    """
    with home.lock(COMMAND):
        files = RegistryFiles(files.directory)
        before, _ = load(files)
        if before.phase is Phase.STARTED and before.compromised == compromised:
            return before
        request = replace(files.request, permits=(*files.request.permits, *permits))
        spec = request.authority_spec
        key = generate_key(spec.key_type)
        authority = issue_authority(spec, key, now)
        after = core.start(
            before,
            fingerprint(files.authority),
            fingerprint(authority),
            now,
            compromised=compromised,
        )
        trusted = [authority] if compromised else [files.authority, authority]
        writes: Writes = {
            NEW: (pem(authority), CERTIFICATE_MODE),
            NEW_KEY: (encode_key(key, passphrase), KEY_MODE),
            TRUST: (TrustBundle.of(trusted).pem, MODES[TRUST]),
        }
        words = (
            "a new authority, in place of a compromised one" if compromised else "a new authority"
        )
        note(home, files, f"rotation started: {words}", authority)
        commit(files, after, request, writes)
    return after


def record(
    home: Home,
    files: RegistryFiles,
    now: datetime,
    *,
    proofs: Iterable[HostProof] = (),
    waive: Iterable[str] = (),
    named: Iterable[str] = (),
) -> Rollover:
    """Keep what hosts have proven, which the next gate does not wait for, which every gate does.

    Raises:
        InputError: Something is waived and no gate is ahead.
        HomeError: The home is unusable.
    """
    waived = tuple(waive)
    with home.lock(COMMAND):
        before, request = load(files)
        after = core.name(core.prove(before, proofs), named)
        if waived:
            after = core.waive(after, waived, now)
            home.journal.append(
                "rotate",
                registry=files.reference.text,
                what=f"the gate after {after.phase.value} does not wait for these",
                hosts={"waived": list(waived)},
            )
        if after != before:
            commit(files, after, request, {})
    return after


def offer(
    home: Home,
    files: RegistryFiles,
    passphrases: PassphraseSources,
    hosts: Iterable[str] | None,
    now: datetime,
) -> NextLeaf:
    """Issue the certificate of the new authority; it waits to be deployed, then `switch`.

    Args:
        home: The home.
        files: The registry in it.
        passphrases: Where the new authority's passphrase comes from.
        hosts: Every host that has to have proven that it trusts both; None once the certificate
            is in service, which cannot be refused any more.
        now: The time, with a time zone.

    Raises:
        GateClosedError: One of them has not.
        InputError: No rotation has started, or a renewed certificate waits.
        HomeError: The passphrase is missing or wrong, or the home is unusable.
    """
    hosts = None if hosts is None else tuple(hosts)
    before, _ = load(files)
    core.offer(before, before.offered, hosts)
    refuse_renewal(files, before)
    secret, source = None, str(files.path(NEW_KEY))
    if find_next(files) is None and key_protection(read_part(files, NEW_KEY)).encrypted:
        secret = passphrases.existing(source)
    with home.lock(COMMAND):
        files = RegistryFiles(files.directory)
        before, request = load(files)
        refuse_renewal(files, before)
        waiting = find_next(files)
        if waiting is not None:
            return waiting
        new = certificate_of(files, NEW)
        key = generate_key(request.key_type)
        leaf = issue_leaf(
            request.leaf_spec,
            key.public_key(),
            new,
            decode_key(read_part(files, NEW_KEY), secret, source),
            now,
        )
        for trusted in (files.bundle().certificates, (new,)):
            verify_server([leaf.certificate], trusted, request.names, now)
        after = core.offer(before, fingerprint(leaf.certificate), hosts)
        note(home, files, "certificate of the new authority issued", leaf.certificate)
        commit(files, after, request, next_writes(request, leaf.certificate, key, now))
    return NextLeaf(files, request, leaf.certificate, "prepared", leaf.warnings)


def switch(home: Home, files: RegistryFiles, served: str, now: datetime) -> Rollover:
    """Make the new authority and its certificate current, now that the registry serves it.

    Args:
        home: The home.
        files: The registry in it.
        served: The fingerprint of what was seen in service: 64 hex digits.
        now: The time, with a time zone.

    Raises:
        CertkitError: Something else is served.
        InputError: No rotation has started.
    """
    with home.lock(COMMAND):
        files = RegistryFiles(files.directory)
        before, request = load(files)
        if before.phase is Phase.SWITCHED and served == fingerprint(files.leaf):
            return before
        after = core.switch(before, served, now)
        waiting = find_next(files)
        if waiting is None or waiting.sha256 != served:
            raise HomeError(f"{files.path(NEXT)} is not what the rotation offered")
        writes = {old: (files.read(name), MODES[name]) for name, old in OLD.items()}
        current, removes, _ = promoted_files(files, waiting, now)
        writes |= {name: item for name, item in current.items() if name in MODES}
        writes[AUTHORITY] = (read_part(files, NEW), MODES[AUTHORITY])
        writes[AUTHORITY_KEY] = (read_part(files, NEW_KEY), MODES[AUTHORITY_KEY])
        note(home, files, "rotation switched: the new authority signs", waiting.certificate)
        commit(files, after, request, writes, (*removes, NEW, NEW_KEY))
    return after


def finish(
    home: Home, files: RegistryFiles, hosts: Iterable[str], now: datetime, *, destroy: bool = False
) -> Rollover:
    """Take the old authority out of ``trust.crt``, and archive or destroy its key.

    Args:
        home: The home.
        files: The registry in it.
        hosts: Every host that has to have proven that it reaches the registry by the new one.
        now: The time, with a time zone.
        destroy: Remove the old keys instead of archiving them, or from the archive when this is
            run again. Back-ups still have them.

    Raises:
        GateClosedError: One of them has not.
        InputError: The registry was not switched.
    """
    with home.lock(COMMAND):
        files = RegistryFiles(files.directory)
        before, request = load(files)
        if before.phase is Phase.FINISHED:
            if destroy:
                _destroy_archived(home, files, before.old)
            return before
        after = core.finish(before, hosts, now)
        verify_server(files.server_chain, [files.authority], files.request.names, now)
        archive = f"{ARCHIVE}/rotated-{now:%Y%m%dT%H%M%SZ}-{before.old[:8]}"
        writes: Writes = {
            f"{archive}/{name}": (read_part(files, old), MODES[name])
            for name, old in OLD.items()
            if not (destroy and name in _KEYS)
        }
        writes[TRUST] = (TrustBundle.of([files.authority]).pem, MODES[TRUST])
        kept = "destroyed" if destroy else "archived"
        note(home, files, f"rotation finished: the old authority's key {kept}")
        commit(files, after, request, writes, OLD.values())
    return after


_KEYS = (AUTHORITY_KEY, SERVER_KEY)


def _destroy_archived(home: Home, files: RegistryFiles, old: str) -> None:
    archives = files.directory.glob(f"{ARCHIVE}/rotated-*-{old[:8]}")
    kept = [one / name for one in archives for name in _KEYS if (one / name).exists()]
    if kept:
        note(home, files, "the old authority's key destroyed in the archive")
        names = [path.relative_to(files.directory).as_posix() for path in kept]
        change_files(files.directory, {}, names)
