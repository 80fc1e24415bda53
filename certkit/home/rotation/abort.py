"""Going back from a rotation: the old certificate first, then the old trust."""

from __future__ import annotations

from datetime import datetime

from certkit.errors import CertkitError
from certkit.home.disk.files import CERTIFICATE_MODE, KEY_MODE
from certkit.home.home import Home
from certkit.home.registry import AUTHORITY, AUTHORITY_KEY, MODES, SERVER, TRUST, RegistryFiles
from certkit.home.renewal.waiting import NEXT_FILES
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
from certkit.pki.bundle import TrustBundle, fingerprint
from certkit.pki.rollover_state import Phase, Rollover


def abort(
    home: Home, files: RegistryFiles, now: datetime, *, back_to_compromised: bool = False
) -> Rollover:
    """Go back to the old authority; with `Phase.ABORTING` returned, `abort_done` comes after.

    In that phase ``server.crt`` is the old certificate again, to be deployed, and hosts keep both
    authorities, because the registry may still serve the new one's certificate.

    Raises:
        InputError: Nothing is under way, the old authority is compromised, or a certificate that
            was renewed since the switch waits.
        CertkitError: The old certificate has ended, so there is no way back.
    """
    with home.lock(COMMAND):
        files = RegistryFiles(files.directory)
        before, request = load(files)
        if before.phase is Phase.ABORTING:
            return before
        after = core.abort(before, now, back_to_compromised=back_to_compromised)
        switched = before.phase is Phase.SWITCHED
        if switched:
            refuse_renewal(files, before)
        leaf = certificate_of(files, OLD[SERVER]) if switched else files.leaf
        if leaf.not_valid_after_utc <= now and after.phase is Phase.ABORTING:
            raise CertkitError(
                f"the old certificate ended on {leaf.not_valid_after_utc:%Y-%m-%d}, so there is no "
                "way back",
                "go on: certkit rotate finish",
            )
        writes: Writes = {}
        removes = [name for name in NEXT_FILES if before.offered]
        old = certificate_of(files, OLD[AUTHORITY]) if switched else files.authority
        if switched:
            writes = {name: (read_part(files, old), MODES[name]) for name, old in OLD.items()}
            writes[NEW] = (files.read(AUTHORITY), CERTIFICATE_MODE)
            writes[NEW_KEY] = (files.read(AUTHORITY_KEY), KEY_MODE)
            removes += OLD.values()
        if after.phase is Phase.ABORTED:
            removes += (NEW, NEW_KEY)
            writes[TRUST] = (TrustBundle.of([old]).pem, MODES[TRUST])
        else:
            both = [old, files.authority if switched else certificate_of(files, NEW)]
            writes[TRUST] = (TrustBundle.of(both).pem, MODES[TRUST])
        note(home, files, f"rotation {after.phase.value}: back to the old authority")
        commit(files, after, request, writes, removes)
    return after


def abort_done(home: Home, files: RegistryFiles, served: str, now: datetime) -> Rollover:
    """Take the new authority out of ``trust.crt``, now that the old certificate is served again.

    Raises:
        CertkitError: Something else is served.
        InputError: No rotation is being aborted.
    """
    with home.lock(COMMAND):
        files = RegistryFiles(files.directory)
        before, request = load(files)
        if before.phase is Phase.ABORTED:
            return before
        after = core.abort_done(before, now)
        if served != fingerprint(files.leaf):
            raise CertkitError(
                f"{files.reference} does not serve the old certificate again",
                "deploy it and run certkit rotate abort again",
            )
        trust = TrustBundle.of([files.authority]).pem
        note(home, files, "rotation aborted: the new authority is gone")
        commit(files, after, request, {TRUST: (trust, MODES[TRUST])}, (NEW, NEW_KEY))
    return after
