"""Which daemons are restarted, by which policy, and what is said of those that are not."""

from __future__ import annotations

from typing import NamedTuple

from certkit.inventory.model import Host, RestartPolicy, Settings
from certkit.remote.report import RuntimeReport

DEFAULT_RESTART: RestartPolicy = "changed"
MEANWHILE = "no restart is due any more: another run, or somebody by hand, saw to it meanwhile"
STOPPED = "its daemon did not answer and was left alone; it reads the trust when it is started"


class Verdict(NamedTuple):
    """What happens to one runtime's daemon.

    Attributes:
        restart: Whether it is restarted in this run.
        note: What the report says of it; empty when there is nothing to say.
    """

    restart: bool
    note: str = ""


def policy_for(host: Host, settings: Settings, asked: RestartPolicy | None) -> RestartPolicy:
    """Choose a host's policy: the command line's, its own, the inventory's, ``changed``."""
    return asked or host.restart or settings.restart or DEFAULT_RESTART


def judge(report: RuntimeReport, policy: RestartPolicy, *, due: bool) -> Verdict:
    """Decide about one runtime.

    A daemon that does not run is left alone under every policy: it reads the trust when it is
    started, and starting what somebody stopped is not what was asked for. Unless it was certkit
    that stopped it, in a restart that was cut short or failed: then there is nothing to lose.

    Args:
        report: What the host said of it.
        policy: See ``docs/contracts.md``.
        due: Whether its trust changed (or, in a check, would change) since its last restart.
    """
    if report.daemon is None:
        return Verdict(False)
    if not due and policy != "always":
        return Verdict(False)
    if not report.daemon and not report.restart_begun:
        return Verdict(False, STOPPED)
    if policy == "never":
        return Verdict(False, "not restarted (--restart never)")
    if not report.daemon:
        return Verdict(True)
    if policy == "safe" and not report.live_restore:
        if report.running is None:
            return Verdict(
                False, "not restarted (--restart safe): could not tell whether containers run"
            )
        if report.running:
            return Verdict(
                False,
                "not restarted (--restart safe): it would stop " + containers(report.running),
            )
    return Verdict(True)


def stopped_by(report: RuntimeReport) -> int:
    """How many containers a restart of this daemon stops, as far as the host could tell."""
    return 0 if report.live_restore else report.running or 0


def containers(count: int) -> str:
    """Return ``1 running container`` or ``3 running containers``."""
    return f"{count} running container" + "s" * (count != 1)
