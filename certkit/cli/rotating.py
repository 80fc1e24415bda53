"""The steps of a rotation: the home's state machine, the hosts' proofs, the registry's service.

Each one can be killed anywhere and run again: what has happened is recognised, by the home, by the
hosts and by the registry's host.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from certkit.cli import serving, words
from certkit.cli.flags import SpreadFlags
from certkit.cli.gates import now, prove, waive_hosts
from certkit.cli.session import Session
from certkit.cli.spreading import spread
from certkit.errors import ExitCode, InputError
from certkit.fleet.report import FleetReport
from certkit.home import rotation, rotation_abort
from certkit.home.passphrase import PassphraseSources
from certkit.home.registry import RegistryFiles
from certkit.home.rotation_report import RotationReport
from certkit.home.served import fetch_served
from certkit.home.waiting import NEXT, NEXT_KEY
from certkit.pki.bundle import fingerprint
from certkit.pki.constraints import Permit
from certkit.pki.rollover_state import BUILD_CACHE_MINUTES, Phase, Rollover
from certkit.secret import Secret


class Rotating:
    """One command's run of one step, or of several.

    Args:
        session: The run, over all hosts of the inventory.
        how: How trust is distributed.
    """

    def __init__(self, session: Session, how: SpreadFlags) -> None:
        self._session = session
        self._how = how

    @property
    def report(self) -> RotationReport:
        """Where it stands."""
        files = self._session.files
        state = rotation.read_rotation(files)
        return RotationReport(files.reference.text, state, self._names)

    def start(
        self, passphrases: PassphraseSources, permits: Sequence[str], *, compromised: bool
    ) -> ExitCode:
        """Make the new authority, distribute both, and let every host prove it."""
        session = self._session
        parsed = [Permit.parse(text) for text in permits]
        if compromised:
            session.warn(
                "no overlap: from the moment a host gets the new trust until the registry serves "
                "the new certificate, it pulls nothing; run certkit rotate switch at once"
            )
        secret = None
        if not self._state.phase.under_way:
            secret = self._new_passphrase(passphrases)
        rotation.start(
            session.home, session.files, secret, now(), permits=parsed, compromised=compromised
        )
        report = self._distribute()
        if report.interrupted:
            return report.exit_code
        self._prove(handshake=False)
        self._tell()
        if not compromised:
            self._say(
                f"`docker build` may go on with the trust it read before for "
                f"{BUILD_CACHE_MINUTES} minutes: wait that long before you switch."
            )
        return report.exit_code

    def switch(
        self,
        passphrases: PassphraseSources,
        waive: Sequence[str],
        *,
        served: bool,
        force: bool,
    ) -> ExitCode:
        """Put the new authority's certificate into service, once every host trusts both.

        Raises:
            GateClosedError: A host has not proven it.
        """
        session, state = self._session, self._state
        if state.phase is Phase.SWITCHED:
            self._tell()
            return ExitCode.DONE
        self._only("switch", Phase.STARTED)
        settled = None if state.compromised else self._last_proof(state)
        if not state.offered:
            self._waive(waive)
            if not state.compromised:
                self._prove(handshake=False)
                if session.stop.interrupted:
                    return ExitCode.INTERRUPTED
        offered = rotation.offer(session.home, session.files, passphrases, self._names, now())
        for warning in offered.warnings:
            session.warn(warning)
        self._warn_of_builds(settled)

        def seen(print_: str) -> None:
            rotation.switch(session.home, session.files, print_, now())

        if served:
            seen(self._served())
        elif session.server is None:
            place = session.files.path(NEXT).parent
            self._say(
                f"The inventory names no registry_host, so put {NEXT} and {NEXT_KEY} from {place} "
                "in the place of the registry's pair and restart it: it reads them once. Then run"
            )
            self._say("  certkit rotate switch --served")
            return ExitCode.ATTENTION
        else:
            put = serving.deploy(
                session,
                check=False,
                force=force,
                waiting=True,
                seen=seen,
            )
            if self._state.phase is not Phase.SWITCHED:
                return put.exit_code if put.exit_code is not ExitCode.DONE else ExitCode.FAILED
        self._refresh()
        self._tell()
        return ExitCode.DONE

    def finish(self, waive: Sequence[str], *, destroy: bool) -> ExitCode:
        """Take the old authority away, once every host has reached the registry by the new one.

        Raises:
            GateClosedError: A host has not proven it.
        """
        session = self._session
        state = self._only("finish", Phase.SWITCHED, Phase.FINISHED)
        if state.phase is Phase.SWITCHED:
            self._waive(waive)
            self._prove(handshake=True)
            if session.stop.interrupted:
                return ExitCode.INTERRUPTED
            rotation.finish(session.home, session.files, self._names, now(), destroy=destroy)
        report = self._distribute()
        self._tell()
        return report.exit_code

    def abort(self, *, served: bool, force: bool, back_to_compromised: bool) -> ExitCode:
        """Go back to the old authority: its certificate first, then its trust."""
        session = self._session
        state = self._only("abort", Phase.STARTED, Phase.SWITCHED, Phase.ABORTING, Phase.ABORTED)
        if state.phase is not Phase.ABORTED:
            state = rotation_abort.abort(
                session.home, session.files, now(), back_to_compromised=back_to_compromised
            )
        if state.phase is Phase.ABORTING:
            if state.compromised:
                # The hosts have the new authority alone; they need both before the old one serves.
                report = self._distribute(show=False)
                if report.exit_code is not ExitCode.DONE:
                    session.show(report, ["certkit rotate abort"])
                    return report.exit_code
            self._refresh()

            def seen(print_: str) -> None:
                rotation_abort.abort_done(session.home, session.files, print_, now())

            if served:
                seen(self._served())
            elif session.server is None:
                place = session.files.path(NEXT).parent
                self._say(
                    f"Put server.crt and server.key from {place}, the old pair, back in the place "
                    "of the registry's pair and restart it. Then run"
                )
                self._say("  certkit rotate abort --served")
                return ExitCode.ATTENTION
            else:
                put = serving.deploy(
                    session,
                    check=False,
                    force=force,
                    waiting=False,
                    seen=seen,
                    show=False,
                )
                if self._state.phase is not Phase.ABORTED:
                    return put.exit_code if put.exit_code is not ExitCode.DONE else ExitCode.FAILED
        report = self._distribute()
        self._tell()
        return report.exit_code

    @property
    def _names(self) -> list[str]:
        return [host.name for host in self._session.hosts]

    @property
    def _state(self) -> Rollover:
        return rotation.read_rotation(self._session.files)

    def _only(self, step: str, *phases: Phase) -> Rollover:
        """Refuse before anything is asked of anybody; the home would refuse as well, later."""
        state = self._state
        if state.phase not in phases:
            raise InputError(
                f"rotate {step} makes no sense now: the rotation is {state.phase.value}",
                "see certkit rotate status",
            )
        return state

    def _refresh(self) -> None:
        """Read again what a step has changed in the home."""
        session = self._session
        session.files = RegistryFiles(session.files.directory)
        session.bundle = session.files.bundle()

    def _distribute(self, *, show: bool = True) -> FleetReport:
        self._refresh()
        return spread(self._session, self._how, lambda _, __: [], show=show)

    def _prove(self, *, handshake: bool) -> None:
        self._refresh()
        prove(self._session, handshake=handshake)

    def _waive(self, hosts: Sequence[str]) -> None:
        waive_hosts(self._session, self._names, hosts)

    def _served(self) -> str:
        return fingerprint(fetch_served(self._session.files.reference)[0])

    def _new_passphrase(self, passphrases: PassphraseSources) -> Secret | None:
        """The new key is protected as the old one is, unless the user says otherwise."""
        given = passphrases.given()
        if given is not None or passphrases.refused:
            return given
        if not self._session.files.authority_key_protection.encrypted:
            return None
        given = passphrases.ask_new("the new authority's key", optional=False)
        if given is None:
            raise InputError(
                "the old authority's key has a passphrase, and the new one's was given none",
                "use --passphrase-file FILE, CERTKIT_CA_PASSPHRASE or --no-passphrase",
            )
        return given

    def _last_proof(self, state: Rollover) -> datetime | None:
        return max((one.at for one in state.proofs), default=state.since)

    def _warn_of_builds(self, settled: datetime | None) -> None:
        if settled is None:
            return
        until = settled + timedelta(minutes=BUILD_CACHE_MINUTES)
        if now() < until:
            self._session.warn(
                f"`docker build` may fail for trust until {until:%H:%M} UTC, because it goes on "
                "with the trust it read before; `docker pull` does not"
            )

    def _say(self, text: str) -> None:
        if not self._session.flags.quiet:
            words.say(self._session.console, text)

    def _tell(self) -> None:
        """Say where it stands and what comes next, beside the report on standard output."""
        found = self.report
        self._say(f"The rotation of {found.registry}: {found.stands}.")
        for host, why in found.missing:
            self._say(f"  {host} {why}")
        sentence, command = found.next_step
        if command:
            self._say(f"Next: {sentence}: {command}")
