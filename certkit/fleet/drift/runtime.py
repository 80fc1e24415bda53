"""How a runtime's trust differs from what it should be: a survey in, findings out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from certkit.errors import HostError
from certkit.fleet.drift.directory import RegistryDirectory, Wanted
from certkit.fleet.drift.findings import Finding, Trusted, put_aside
from certkit.fleet.drift.nearby import nearby, nearly
from certkit.names import RegistryReference
from certkit.remote.survey import HostSurvey, RuntimeSurvey
from certkit.runtimes.answers import unproven

REGISTRIES_CONF = "/etc/containers/registries.conf"

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
    findings: list[Finding] = []
    trusts: list[Trusted] = []
    if survey.problem is None:
        for reference in wanted.references:
            judged = judge_reference(survey, reference, wanted, epoch, uid)
            findings += judged.findings
            trusts += judged.trusts
    findings += judge_upkeep(survey, wanted)
    return Judged(tuple(trusts), tuple(dict.fromkeys(findings)))


def judge_reference(
    survey: RuntimeSurvey,
    reference: RegistryReference,
    wanted: Wanted,
    epoch: int,
    uid: int = 0,
    addresses: Sequence[str] = (),
) -> Judged:
    """Classify what one runtime's clients make of one reference.

    Args:
        survey: What the host told.
        reference: One of those wanted.
        wanted: What should be there.
        epoch: See `judge_runtime`.
        uid: See `judge_runtime`.
        addresses: What its name resolves to on the host, where known.
    """
    now = datetime.fromtimestamp(epoch, timezone.utc)
    findings: list[Finding] = []
    trusts: list[Trusted] = []
    for place in survey.places:
        if place.path.rsplit("/", 2)[1] != reference.text:
            continue
        found = RegistryDirectory(place, wanted, now, uid, per_user=bool(survey.user))
        findings += nearby(place, survey, reference, wanted.references)
        findings += found.findings()
        trusts += found.trusts
    for path in survey.shadows:
        name = path.rpartition("/")[2]
        if name == reference.text or nearly(reference, name):
            findings.append(
                Finding(
                    "shadowed",
                    path,
                    f"{path} is read in place of certkit's directory: there is no merge",
                    put_aside(path),
                )
            )
    findings += _settings(survey, reference, wanted, addresses)
    return Judged(tuple(trusts), tuple(findings))


def judge_upkeep(survey: RuntimeSurvey, wanted: Wanted) -> Iterable[Finding]:
    """Classify what is about a runtime whatever it is asked for."""
    if survey.problem is not None:
        yield _unexamined(survey.name, survey.user, survey.problem)
    for path in survey.left_over:
        yield Finding(
            "left_over",
            path,
            f"{path} is certkit's, for a name or a directory that has left the inventory",
            wanted.distribute,
        )
    if survey.restart_due:
        said = f"{survey.name} has not been restarted since its trust changed"
        yield Finding("restart_due", "", said, wanted.distribute)
    if survey.daemon is False:
        yield Finding("daemon_down", "", f"{survey.name} does not answer")


def _unexamined(name: str, user: str, problem: HostError) -> Finding:
    return Finding(
        "unexamined",
        "",
        f"nothing is known of {name} of {user}: {problem.message}",
        problem.hint or f"log in to the host as {user}, and look",
    )


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


def _settings(
    survey: RuntimeSurvey, reference: RegistryReference, wanted: Wanted, addresses: Sequence[str]
) -> Iterable[Finding]:
    """Find settings that take the registry as insecure; what is wrong does not show then."""
    path, listed = survey.settings
    why = unproven(survey.name, reference, survey.verification, addresses)
    path = path or REGISTRIES_CONF
    docker = survey.name.startswith("docker")
    if why and docker and reference.is_loopback:
        # So by definition, and no setting changes it.
        yield Finding("note", "", why)
    elif why:
        cure = f"{wanted.distribute} --retire-insecure"
        if not docker:
            cure = f"remove insecure = true for it in {path}"
        elif "lies in" in why:
            cure = f"take that network out of insecure-registries in {path}, then reload the daemon"
        yield Finding(
            "insecure", path, f"{survey.name} does not verify {reference.text}", cure, why
        )
    elif reference.text in {part.strip().strip('"') for part in listed.split(",")}:
        yield Finding(
            "insecure_pending",
            path,
            f"{path} lists {reference.text} as insecure, which counts from the next start",
            f"{wanted.distribute} --retire-insecure",
        )


def _span(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
