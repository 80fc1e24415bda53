"""The steps of a rotation: the home's state machine, the hosts' proofs, the registry's service.

Each one can be killed anywhere and run again: what has happened is recognised, by the home, by the
hosts and by the registry's host.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from certkit.errors import ExitCode, InputError
from certkit.fleet.report import FleetReport, Outcome
from certkit.home.keys.passphrase import PassphraseSources
from certkit.home.registry import SERVER, SERVER_KEY, RegistryFiles
from certkit.home.renewal.waiting import NEXT, NEXT_KEY
from certkit.home.rotation import abort as rotation_abort
from certkit.home.rotation import steps as rotation
from certkit.home.rotation.report import RotationReport
from certkit.inventory.folding import fold, fold_names
from certkit.operations.distributing import Distribution, distribute
from certkit.operations.gates import name_hosts, prove, refuse_unknown, waive_hosts, without
from certkit.operations.run import Run, now
from certkit.operations.serving import in_service, seen_from_here, serve
from certkit.pki.constraints import Permit
from certkit.pki.rollover_state import BUILD_CACHE_MINUTES, Phase, Rollover


class Rotating:
    """One run of one step, or of several.

    A step ends with `ExitCode.FAILED` where a host failed, with `ExitCode.ATTENTION` where a host
    has not proven what the step was to bring it, or something is to be done by hand.

    Args:
        run: The run, over all hosts of the inventory.
        how: How trust is distributed.
    """

    def __init__(self, run: Run, how: Distribution) -> None:
        self._run = run
        self._how = how

    @property
    def report(self) -> RotationReport:
        """Where it stands."""
        files = self._run.files
        state = rotation.read_rotation(files)
        return RotationReport(files.reference.text, state, self._names)

    def start(
        self,
        passphrases: PassphraseSources,
        permits: Sequence[str] = (),
        *,
        compromised: bool = False,
    ) -> ExitCode:
        """Make the new authority, distribute both, and let every host prove it."""
        run = self._run
        run.files.require_own_authority("nothing can be rotated here")
        parsed = [Permit.parse(text) for text in permits]
        if compromised:
            run.warn(
                "no overlap: from the moment a host gets the new trust until the registry serves "
                "the new certificate, it pulls nothing; run certkit rotate switch at once"
            )
        secret = None
        if not self._state.phase.under_way:
            secret = passphrases.ask_as_before(
                "the new authority's key", encrypted=run.files.authority_key_protection.encrypted
            )
        rotation.start(run.home, run.files, secret, now(), permits=parsed, compromised=compromised)
        name_hosts(run)
        code = self._bring_trust()
        if code is not ExitCode.INTERRUPTED and not compromised:
            run.say(
                f"`docker build` may go on with the trust it read before for "
                f"{BUILD_CACHE_MINUTES} minutes: wait that long before you switch."
            )
        return code

    def switch(
        self,
        passphrases: PassphraseSources,
        waive: Sequence[str] = (),
        *,
        served: bool = False,
        witnesses: str | None = None,
        force: bool = False,
    ) -> ExitCode:
        """Put the new authority's certificate into service, once every host trusts both.

        Raises:
            GateClosedError: A host has not proven it.
        """
        run, state = self._run, self._state
        if state.phase is Phase.SWITCHED:
            self._tell()
            return ExitCode.DONE
        self._only("switch", Phase.STARTED)
        settled = None if state.compromised else self._last_proof(state)
        in_service = self._is_served(state.offered)
        if not in_service:
            waive_hosts(run, waive)
            if not state.compromised:
                self._prove(handshake=False)
                if run.stop.interrupted:
                    return ExitCode.INTERRUPTED
        # What is in service already cannot be refused any more.
        hosts = None if in_service else self._names
        offered = rotation.offer(run.home, run.files, passphrases, hosts, now())
        for warning in offered.warnings:
            run.warn(warning)
        self._warn_of_builds(settled)

        def seen(print_: str) -> None:
            rotation.switch(run.home, run.files, print_, now())

        code = self._serve(
            "switch", seen, (NEXT, NEXT_KEY), served=served, witnesses=witnesses, force=force
        )
        if code is ExitCode.DONE:
            self._refresh()
            self._tell()
        return code

    def finish(self, waive: Sequence[str] = (), *, destroy: bool = False) -> ExitCode:
        """Take the old authority away, once every host has reached the registry by the new one.

        Raises:
            GateClosedError: A host has not proven it.
        """
        run = self._run
        state = self._only("finish", Phase.SWITCHED, Phase.FINISHED)
        if state.phase is Phase.SWITCHED:
            waive_hosts(run, waive)
            self._prove(handshake=True)
            if run.stop.interrupted:
                return ExitCode.INTERRUPTED
        rotation.finish(run.home, run.files, self._names, now(), destroy=destroy)
        return self._bring_trust()

    def abort(
        self,
        waive: Sequence[str] = (),
        *,
        served: bool = False,
        witnesses: str | None = None,
        force: bool = False,
        back_to_compromised: bool = False,
    ) -> ExitCode:
        """Go back to the old authority: its certificate first, then its trust."""
        run = self._run
        state = self._only("abort", Phase.STARTED, Phase.SWITCHED, Phase.ABORTING, Phase.ABORTED)
        if waive and not state.compromised:
            raise InputError(
                "--waive: going back waits for hosts only from a compromised authority",
                "leave it out",
            )
        refuse_unknown(run, waive)
        if state.phase is not Phase.ABORTED:
            state = rotation_abort.abort(
                run.home, run.files, now(), back_to_compromised=back_to_compromised
            )
        if state.phase is Phase.ABORTING:
            if state.compromised:
                # The hosts have the new authority alone; they need both before the old one serves.
                waive_hosts(run, waive)
                code = without(self._distribute(), self.report.waived).exit_code
                if code is not ExitCode.DONE:
                    run.say("Mend that and run the same again, or leave a host out with --waive.")
                    self._tell()
                    return code
            self._refresh()

            def seen(print_: str) -> None:
                rotation_abort.abort_done(run.home, run.files, print_, now())

            code = self._serve(
                "abort", seen, (SERVER, SERVER_KEY), served=served, witnesses=witnesses, force=force
            )
            if code is not ExitCode.DONE:
                return code
        return self._bring_trust()

    @property
    def _names(self) -> list[str]:
        return [host.name for host in self._run.hosts]

    @property
    def _state(self) -> Rollover:
        return rotation.read_rotation(self._run.files)

    def _only(self, step: str, *phases: Phase) -> Rollover:
        """Refuse before anything is asked of anybody; the home would refuse as well, later."""
        state = self._state
        if state.phase not in phases:
            raise InputError(
                f"rotate {step} makes no sense now: the rotation is {state.phase.value}",
                "see certkit rotate status",
            )
        return state

    def _is_served(self, leaf: str) -> bool:
        """Whether this machine sees a certificate in service: a switch was cut short after that."""
        return bool(leaf) and seen_from_here(self._run).sha256 == leaf

    def _refresh(self) -> None:
        """Read again what a step has changed in the home."""
        run = self._run
        run.files = RegistryFiles(run.files.directory)
        run.bundle = run.files.bundle()

    def _distribute(self) -> FleetReport:
        self._refresh()
        report = distribute(self._run, self._how)
        self._run.ran(report)
        return report

    def _bring_trust(self) -> ExitCode:
        """Distribute, let every host that was reached prove it, and say where that leads."""
        report = self._distribute()
        if report.interrupted:
            return report.exit_code
        away = {one.name for one in report.hosts if one.outcome is Outcome.UNREACHABLE}
        if not self._run.stop.requested():
            self._prove(handshake=False, besides=away)
        failed = [one.name for one in report.hosts if one.error is not None]
        if failed:
            self._run.say(f"Not done on {fold_names(failed)}; mend that and run the same again.")
        self._tell()
        if self._run.stop.interrupted:
            return ExitCode.INTERRUPTED
        if report.exit_code is not ExitCode.DONE:
            return report.exit_code
        return ExitCode.ATTENTION if self.report.missing else ExitCode.DONE

    def _serve(
        self,
        step: str,
        seen: Callable[[str], None],
        pair: tuple[str, str],
        *,
        served: bool,
        witnesses: str | None,
        force: bool,
    ) -> ExitCode:
        """Put a pair of the home into service, or look whether somebody has; `seen` is told."""
        run, before = self._run, self._state.phase
        if served:
            seen(in_service(run, witnesses))
            return ExitCode.DONE
        if run.server is None:
            run.say(
                f"The inventory names no registry_host, so put {' and '.join(pair)} from "
                f"{run.files.directory} in the place of the registry's pair and restart it: it "
                "reads them once. Then run"
            )
        else:
            put = serve(run, force=force, waiting=pair[0] == NEXT, witnesses=witnesses, seen=seen)
            run.ran(put.report)
            if self._state.phase is not before:
                return ExitCode.DONE
            if put.report.exit_code is not ExitCode.DONE:
                return put.report.exit_code
            run.say(
                f"The files are on {run.server.host.name}, and the registry does not serve them "
                "yet: reload it. Then run the same again, or"
            )
        run.say(f"  {run.again(f'certkit rotate {step} --served')}")
        return ExitCode.ATTENTION

    def _prove(self, *, handshake: bool, besides: Collection[str] = ()) -> None:
        self._refresh()
        prove(self._run, handshake=handshake, besides=besides)

    def _last_proof(self, state: Rollover) -> datetime | None:
        return max((one.at for one in state.proofs), default=state.since)

    def _warn_of_builds(self, settled: datetime | None) -> None:
        if settled is None:
            return
        until = settled + timedelta(minutes=BUILD_CACHE_MINUTES)
        if now() < until:
            self._run.warn(
                f"`docker build` may fail for trust until {until:%H:%M} UTC, because it goes on "
                "with the trust it read before; `docker pull` does not"
            )

    def _tell(self) -> None:
        """Say where it stands and what comes next, beside the report on standard output."""
        found, say = self.report, self._run.say
        say(f"The rotation of {found.registry}: {found.stands}.")
        for why, hosts in fold(found.missing, lambda one: one[1]):
            say(f"  {fold_names(host for host, _ in hosts)}: {why}")
        sentence, command = found.next_step
        if command:
            say(f"Next: {sentence}: {self._run.again(command)}")
