"""What one probe proves: two legs, judged by the runtime's words."""

from __future__ import annotations

import re

from certkit.errors import ErrorKind
from certkit.fleet.drift.findings import RETIRE
from certkit.fleet.report import Problem, Proof
from certkit.names import RegistryReference
from certkit.remote.report import ProbeReport
from certkit.runtimes import answers

# What `openssl x509 -fingerprint` says of the certificate that the handshake was made with.
_FINGERPRINT = re.compile(r"fingerprint=((?:[0-9a-f]{2}:){31}[0-9a-f]{2})", re.IGNORECASE)


def judge_probe(report: ProbeReport, reference: RegistryReference, *, image: bool) -> Proof:
    """Judge what a host answered about one reference.

    The daemon's own answer decides. A handshake that fails although the daemon is content shows
    that the daemon's trust stems from somewhere else than the installed file, so it fails too.

    Args:
        report: The host's answer.
        reference: What was asked for.
        image: Whether an image that exists was pulled.
    """
    shaken = answers.handshake(report.handshake, report.handshake_text)
    pulled = answers.pull(report.pull, report.pull_text, expected=image)
    vacuous = answers.unproven(report.name, reference, report.verification, report.addresses)
    problem: Problem | None = None
    if not pulled.ok:
        problem = _problem(report, pulled)
    elif vacuous:
        problem = Problem(
            ErrorKind.TRUST,
            f"passes without proof: {vacuous}",
            f"where it is in insecure-registries: {RETIRE}; else use a name that is not loopback",
        )
    elif shaken is not None and not shaken.ok:
        problem = _problem(report, shaken)
    digest = _digest(report, reference) if image and pulled.ok else ""
    if image and problem is None and not digest:
        problem = Problem(
            ErrorKind.DAEMON,
            f"pulled {reference.text}, and {report.name} could not tell its digest",
            "try `docker image inspect` on the host",
        )
    return Proof(
        reference.text,
        handshake="not_checked" if shaken is None else "ok" if shaken.ok else "failed",
        daemon="ok" if pulled.ok else "failed",
        proven=problem is None,
        digest=digest,
        problem=problem,
        served=_served(report),
    )


def judge_beside_insecure(report: ProbeReport) -> Problem | None:
    """Tell why the installed file does not prove the trust in a registry listed as insecure.

    Its own pull cannot, so the handshake with only that file as root must; the pull shows that the
    runtime reaches the registry at all.

    Args:
        report: The host's answer.
    """
    shaken = answers.handshake(report.handshake, report.handshake_text)
    pulled = answers.pull(report.pull, report.pull_text, expected=False)
    if shaken is None:
        return Problem(
            ErrorKind.TRUST,
            "the host has no openssl to try the installed file with",
            "install openssl there",
        )
    for verdict in (shaken, pulled):
        if not verdict.ok:
            return _problem(report, verdict)
    return None


def _problem(report: ProbeReport, verdict: answers.Verdict) -> Problem:
    kind = verdict.kind or ErrorKind.DAEMON
    return Problem(kind, f"{report.name}: {verdict.message}", verdict.hint)


def _served(report: ProbeReport) -> str:
    found = _FINGERPRINT.search(report.handshake_text)
    return found[1].replace(":", "").lower() if found else ""


def _digest(report: ProbeReport, reference: RegistryReference) -> str:
    """Return the digest the image came by from this registry; other registries' do not count."""
    for text in report.digests:
        name, _, digest = text.partition("@")
        if name.startswith(f"{reference.text}/"):
            return digest
    return ""
