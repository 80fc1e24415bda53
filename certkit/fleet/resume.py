"""Going on from an earlier run, and recording this one for the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from certkit.errors import InputError
from certkit.fleet.events import Event, HostFinished, Watcher
from certkit.fleet.journal import RunJournal, last_run, payload_digest
from certkit.fleet.plan import Target
from certkit.fleet.report import HostResult, Outcome


class Recorder:
    """Chooses what an earlier run left to do, and records what this one does.

    A host counts as done only for the very content and policy it was done with: a renewed bundle
    is never taken for the old one.

    Args:
        command: Such as ``distribute``.
        registry: Its reference.
        wanted: Every host that was selected.
        resume: Leave out what the last run has done.
        failed: Only what the last run was to do and did not finish.

    Raises:
        InputError: Both, or there is no last run.

    Attributes:
        targets: The hosts to work on.
    """

    def __init__(
        self,
        command: str,
        registry: str,
        wanted: Sequence[Target],
        *,
        resume: bool = False,
        failed: bool = False,
    ) -> None:
        if resume and failed:
            raise InputError(
                "--resume and --retry-failed were both given",
                "--resume does all that is left; --retry-failed only what that run was to do",
            )
        self._command = command
        self._registry = registry
        self._digests = _digests(wanted)
        self._journal: RunJournal | None = None
        past = last_run(command, registry) if resume or failed else None
        if past is not None and failed:
            wanted = [target for target in wanted if past.unfinished(target.host.name)]
        self._wanted = wanted
        self._carried = {
            target.host.name: HostResult(
                target.host.name, target.host.address, Outcome.SKIPPED, 0.0
            )
            for target in wanted
            if past is not None
            and resume
            and past.done.get(target.host.name) == self._digests[target.host.name]
        }
        self.targets = [target for target in wanted if target.host.name not in self._carried]

    def begin(self) -> str:
        """Start the journal of this run.

        Returns:
            Why it cannot be kept, as a sentence; empty when it is.
        """
        digests = {target.host.name: self._digests[target.host.name] for target in self._wanted}
        try:
            self._journal = RunJournal.begin(
                self._command, self._registry, digests, frozenset(self._carried)
            )
        except OSError as error:
            return (
                f"this run is not recorded ({error.strerror}: {error.filename}), so --resume "
                "will not know of it; CERTKIT_STATE names another directory"
            )
        return ""

    def __call__(self, event: Event) -> None:
        """Record an event of the run."""
        if self._journal is not None:
            self._journal(event)

    def announce(self, watcher: Watcher) -> None:
        """Tell of the hosts that are left out, before the run."""
        for result in self._carried.values():
            watcher(HostFinished(result))

    def complete(self, results: Sequence[HostResult]) -> list[HostResult]:
        """Return the results with those left out in their places."""
        by_name = {**self._carried, **{result.name: result for result in results}}
        return [by_name[target.host.name] for target in self._wanted]

    def finish(self, summary: Mapping[str, int]) -> None:
        """End the journal of this run."""
        if self._journal is not None:
            self._journal.finish(summary)


def _digests(targets: Sequence[Target]) -> dict[str, str]:
    known: dict[tuple[int, str], str] = {}
    digests = {}
    for target in targets:
        key = (id(target.state), target.policy)
        if key not in known:
            known[key] = payload_digest(target.state, target.policy)
        digests[target.host.name] = known[key]
    return digests
