"""How a runtime's trust differs from what it should be: a survey in, findings out. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone

from certkit.fleet.directory import DISTRIBUTE, RegistryDirectory, Wanted, look_then_remove
from certkit.fleet.findings import Finding, Trusted
from certkit.remote.survey import HostSurvey, RuntimeSurvey
from certkit.runtimes.answers import unproven

CLOCK_TOLERANCE = 3600
"""Seconds: certificates are backdated by an hour, so a clock that is off by less does no harm."""


@dataclass(frozen=True)
class Judged:
    """What one runtime trusts for the registry, and what is wrong with that."""

    trusts: tuple[Trusted, ...]
    findings: tuple[Finding, ...]


def judge_runtime(survey: RuntimeSurvey, wanted: Wanted, epoch: int, uid: int = 0) -> Judged:
    """Classify all that was found of one runtime.

    Args:
        survey: What the host told.
        wanted: What should be there.
        epoch: The host's clock, seconds since 1970: what its clients judge validity by.
        uid: Who asked there: whoever is not root places files of their own.
    """
    now = datetime.fromtimestamp(epoch, timezone.utc)
    findings: list[Finding] = []
    trusts: list[Trusted] = []
    for place in survey.places:
        found = RegistryDirectory(place, wanted, now, uid, per_user=bool(survey.user))
        findings += found.findings()
        trusts += found.trusts
    for path in survey.shadows:
        if not path.endswith("/hosts.toml"):
            findings.append(
                Finding(
                    "shadowed",
                    path,
                    f"{path} is read in place of certkit's directory",
                    look_then_remove(path),
                )
            )
    findings += _settings(survey, wanted)
    if survey.restart_due:
        findings.append(
            Finding(
                "restart_due",
                "",
                f"{survey.name} has not been restarted since its trust changed",
                DISTRIBUTE,
            )
        )
    if survey.daemon is False:
        findings.append(Finding("daemon_down", "", f"{survey.name} does not answer"))
    return Judged(tuple(trusts), tuple(dict.fromkeys(findings)))


def judge_host(survey: HostSurvey, now: float) -> tuple[Finding, ...]:
    """Classify what is about the host as a whole.

    Args:
        survey: What it told.
        now: This machine's clock when it told, seconds since 1970.
    """
    findings = [Finding("note", "", text) for text in survey.notes]
    off = survey.epoch - now
    if abs(off) > CLOCK_TOLERANCE:
        side = "ahead of" if off > 0 else "behind"
        findings.append(
            Finding(
                "clock",
                "",
                f"its clock is {_span(abs(off))} {side} this machine's, and certificates are "
                "refused before and after their time",
                "set the clock: timedatectl set-ntp true",
            )
        )
    return tuple(findings)


def _settings(survey: RuntimeSurvey, wanted: Wanted) -> Iterable[Finding]:
    path, listed = survey.settings
    named = {part.strip().strip('"') for part in listed.split(",")}
    for reference in wanted.references:
        why = unproven(survey.name, reference, survey.verification)
        if why and reference.is_loopback:
            # So by definition, and no setting changes it.
            yield Finding("note", "", why)
        elif why:
            yield Finding(
                "insecure",
                path,
                f"{survey.name} does not verify {reference.text}: {why}",
                f"take it out of {path or 'registries.conf'}, then reload the daemon",
            )
        elif reference.text in named:
            yield Finding(
                "insecure_pending",
                path,
                f"{path} lists {reference.text} as insecure, which counts from the next start",
                f"take it out of {path}",
            )


def _span(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
