"""The rules about a host's trust, weighed: how likely each breach of one makes a pull fail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from certkit.doctor.finding import Finding
from certkit.errors import ErrorKind
from certkit.fleet.drift import findings as fleet
from certkit.fleet.drift.directory import Wanted
from certkit.fleet.drift.runtime import judge_reference, judge_upkeep
from certkit.names import RegistryReference
from certkit.remote.survey import RuntimeSurvey

_TRUST = frozenset({ErrorKind.TRUST})
_CLOSED = frozenset({ErrorKind.TRUST, ErrorKind.PERMISSION, ErrorKind.DAEMON})

# In percent. It works for an insecure setting alone: whatever else is wrong does not show.
_LIKELY = {"insecure": 97}
_LIKELY |= dict.fromkeys(("unpaired", "subdirectory", "dangling_link", "wrong_place"), 93)
_LIKELY |= dict.fromkeys(("near_name", "misnamed"), 92)
_LIKELY |= dict.fromkeys(("bom", "glued", "der", "damaged", "empty", "leaf"), 91)
_LIKELY |= {"expired_authority": 90, "stale": 89, "foreign": 89, "missing": 86, "unreadable": 85}
_LIKELY |= {"server_key": 65, "hosts_toml": 60, "unexamined": 50, "private_key": 45}
_OTHERWISE = 15

# What is wrong with what a file holds. Where the trust is read all the same, it is no cause.
_READ = frozenset({"bom", "glued", "der", "damaged", "empty", "leaf", "stale", "foreign"})
_READ_ALL_THE_SAME, _READ_IN_PART = 20, 55

_NEWER_DOCKER = 28
"""The first one that reads containerd's spelling of a registry's directory."""


def judge_trust(
    survey: RuntimeSurvey,
    reference: RegistryReference,
    wanted: Wanted,
    epoch: int,
    uid: int,
    addresses: Sequence[str],
) -> list[Finding]:
    """Judge what a runtime's clients find for one reference; see `judge_reference`."""
    judged = judge_reference(survey, reference, wanted, epoch, uid, addresses)
    lacks = wanted.authorities - {one.sha256 for one in judged.trusts}
    share = len(lacks) / len(wanted.authorities) if wanted.authorities else 0
    most = 100 if share == 1 else _READ_IN_PART if share else _READ_ALL_THE_SAME
    return [
        _weighed(one, survey, most if one.kind in _READ else 100)
        for one in judged.findings
        if one.attention
    ]


def judge_state(survey: RuntimeSurvey, wanted: Wanted) -> list[Finding]:
    """Judge what is about a runtime whatever it is asked for."""
    return [_weighed(one, survey, 100) for one in judge_upkeep(survey, wanted) if one.attention]


def of_host(findings: Iterable[fleet.Finding], likelihood: int) -> list[Finding]:
    """Return what was found about a host as a whole, as the doctor has it."""
    return [
        Finding(one.kind, likelihood, one.message, one.proof or one.message, one.cure)
        for one in findings
        if one.attention
    ]


def _weighed(one: fleet.Finding, survey: RuntimeSurvey, most: int) -> Finding:
    likelihood = _LIKELY.get(one.kind, _OTHERWISE)
    kinds = _TRUST
    if one.kind == "shadowed":
        likelihood = 93 if _reads_shadow(survey) else 35
    elif one.kind == "closed_mode":
        # Docker's daemon is root; its client, asked for a manifest, is not.
        likelihood = 30 if survey.name == "docker" else 85
        kinds = _CLOSED
    elif one.kind == "unexamined":
        kinds = frozenset()
    proof = one.proof or one.path
    return Finding(
        one.kind, min(likelihood, most), one.message, proof or one.message, one.cure, kinds
    )


def _reads_shadow(survey: RuntimeSurvey) -> bool:
    major = survey.version.partition(".")[0]
    return survey.name == "podman" or (major.isdigit() and int(major) >= _NEWER_DOCKER)
