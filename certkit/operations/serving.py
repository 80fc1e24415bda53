"""A pair put into service on the registry's host; the home follows what is really served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from certkit.errors import CertkitError, ErrorKind, ExitCode, HostError, InputError
from certkit.fleet.report import FleetReport
from certkit.home.renewal.promotion import Promoted, how_to_renew, promote
from certkit.home.renewal.waiting import find_next
from certkit.inventory.registry_host import RegistryHost
from certkit.operations.run import Run, now, operator, report_of
from certkit.registry.deploy import Deployed, DeployOptions
from certkit.registry.deploy import deploy as put_into_service
from certkit.registry.pair import Pair
from certkit.registry.sight import Sight, from_here, from_hosts
from certkit.registry.status import RegistryStatus, judge, look


@dataclass(frozen=True)
class Service:
    """How putting a pair into service ended.

    Attributes:
        report: The registry's host, as every report has one.
        served: Whether the pair was seen in service.
        promoted: What became of the waiting certificate; None where it is still waiting, or was
            not meant.
    """

    report: FleetReport
    served: bool
    promoted: Promoted | None = None

    @property
    def by_hand(self) -> bool:
        """Whether the pair is in its place, and taking it up is left to somebody else."""
        report = self.report
        return report.exit_code is ExitCode.DONE and not self.served and not report.check

    @property
    def exit_code(self) -> ExitCode:
        """The end of a command that is to see a renewed certificate in service."""
        return ExitCode.ATTENTION if self.by_hand else self.report.exit_code


def serve(
    run: Run,
    *,
    check: bool = False,
    force: bool = False,
    waiting: bool = False,
    witnesses: str | None = None,
    seen: Callable[[str], None] | None = None,
) -> Service:
    """Put the current or the waiting pair into service, and promote the latter.

    Args:
        run: The run.
        check: Only look.
        force: Replace files that certkit did not write.
        waiting: The waiting pair, not the current one.
        witnesses: Hosts that must see it too.
        seen: Told the fingerprint once it is served, in place of the promotion.

    Raises:
        InputError: The inventory names no registry host, or nothing is waiting.
        HomeError: The home is unusable.
    """
    server = required(run)
    files = run.files
    next_leaf = find_next(files)
    known: tuple[bytes, ...]
    if waiting:
        if next_leaf is None:
            raise InputError(
                f"no new certificate of {files.reference} is waiting",
                how_to_renew(files),
            )
        pair = Pair(next_leaf.chain_pem, next_leaf.key_pem).checked()
        known = (files.server_chain_pem,)
    else:
        pair = Pair.current(files)
        known = (next_leaf.chain_pem,) if next_leaf else ()
    with run.running({"deploy": "checking" if check else "deploying"}) as running:
        done = put_into_service(
            server,
            files.reference,
            pair,
            running.connector,
            DeployOptions(
                check=check,
                force=force,
                operator=operator(),
                retries=running.bounds.retries,
                known=known,
                witnesses=run.chosen(witnesses),
            ),
            watcher=running.watcher,
            stop=run.stop,
        )
    report = report_of(run, "registry deploy", [done.result], check=check)
    promoted = None
    if not check:
        _note(run, pair, done)
        if seen is not None and done.served:
            seen(pair.sha256)
        elif waiting and done.served:
            promoted = promote(run.home, files, pair.sha256, now())
    return Service(report, done.served, promoted)


def standing(run: Run, witnesses: str | None) -> RegistryStatus:
    """Look at what is served, from here and from hosts, and judge it by the home.

    Raises:
        HomeError: The home is unusable.
    """
    chosen = run.chosen(witnesses)
    with run.running() as running:
        sights = look(run.server, run.files.reference, running.connector, chosen)
    return judge(run.files, sights, now())


def seen_from_here(run: Run) -> Sight:
    """Look from this machine, by the address of the registry's host if only hosts know the name."""
    host = run.server.host if run.server else None
    address = "" if host is None else host.address if host.connection == "ssh" else "127.0.0.1"
    return from_here(run.files.reference, address)


def in_service(run: Run, witnesses: str | None) -> str:
    """Return the fingerprint of the certificate that is served, 64 hex digits.

    Args:
        run: The run.
        witnesses: Hosts to look from, beside this machine, which may be unable to.

    Raises:
        HostError: Nobody can see one.
        CertkitError: Not everybody sees the same.
    """
    chosen = run.chosen(witnesses)
    sights = [seen_from_here(run)]
    if chosen:
        with run.running() as running:
            sights += from_hosts(chosen, run.files.reference, running.connector)
    seen = {sight.sha256: sight.place for sight in sights if sight.sha256}
    if len(seen) > 1:
        places = ", ".join(f"{place} sees {sha256[:16]}" for sha256, place in seen.items())
        raise CertkitError(
            f"not every place is served the same certificate at {run.files.reference}: {places}",
            "does the name lead to the same registry everywhere?",
        )
    if not seen:
        why = "; ".join(f"{one.place}: {one.problem.message}" for one in sights if one.problem)
        kind = next((one.problem.kind for one in sights if one.problem), ErrorKind.NETWORK)
        raise HostError(
            kind,
            f"nobody could see what is served: {why}",
            "--from HOST looks from a host of the inventory that can reach the registry",
        )
    return next(iter(seen))


def required(run: Run) -> RegistryHost:
    """Return the registry's own machine.

    Raises:
        InputError: Nothing says which it is.
    """
    server = run.server
    if server is None:
        raise InputError(
            f"{run.inventory.path} does not say where the registry runs",
            "add registry_host: {host: NAME, run: container} (docs/inventory.md), or give "
            "--registry-host FILE",
        )
    return server


def _note(run: Run, pair: Pair, done: Deployed) -> None:
    """Write one line into the home's journal."""
    try:
        run.home.journal.append(
            "registry deploy",
            registry=run.files.reference.text,
            what="put the server certificate into service"
            if done.served
            else "tried to put the server certificate into service",
            hosts={done.result.outcome.value: done.result.name},
            sha256=pair.sha256,
            served=done.served,
        )
    except CertkitError as error:
        # The registry is served; a full disk here must not make the report disappear.
        run.warn(f"the home's journal has no line of this run: {error.message}")
