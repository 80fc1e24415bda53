"""Why a deployment does not count as one, and what became of the old pair: in words with a cure."""

from __future__ import annotations

from collections.abc import Sequence

from certkit.errors import ErrorKind
from certkit.fleet.report import Problem
from certkit.names import RegistryReference
from certkit.registry.last_words import last_words
from certkit.registry.sight import Sight
from certkit.remote.deployment import DeployReport

OVERTAKEN = Problem(
    ErrorKind.CONFLICT,
    "another run has put another certificate there since",
    "see which of them the registry should serve; the same command puts this one back",
)


def foreign(report: DeployReport) -> Problem:
    """Return the word on files that certkit did not write."""
    paths = ", ".join(file.path for file in report.files if file.result == "foreign")
    return Problem(
        ErrorKind.CONFLICT,
        f"holds something that certkit did not write: {paths}",
        "look at it; --force replaces it, and brings it back if the registry does not come up",
    )


def not_up(report: DeployReport, timeout: int) -> Problem:
    """Return the word on a registry that did not take up its files.

    Args:
        report: What its host said.
        timeout: Seconds that it was waited for.
    """
    why = {
        "start": "did not start",
        "ended": "started and ended again",
        "other": f"goes on serving another certificate ({report.served[:16]})",
        "silent": f"did not serve it within {timeout} s",
    }.get(report.why, "did not come up")
    last = f"; its last words: {last_words(report.journal)}" if report.journal else ""
    hint = "does it read the two files named in registry_host?"
    if report.result == "failed":
        hint = f"its files were right already, and nothing was changed; {hint}"
    return Problem(ErrorKind.DAEMON, f"the registry {why}{last}", hint)


def not_seen(sights: Sequence[Sight], reference: RegistryReference, wanted: str) -> Problem | None:
    """Return why this does not count as served; None when all who see anything see it.

    Args:
        sights: What was seen, from everywhere.
        reference: What was asked.
        wanted: SHA-256 of the leaf that should be seen.
    """
    for sight in sights:
        if sight.sha256 and sight.sha256 != wanted:
            return Problem(
                ErrorKind.TRUST,
                f"{sight.place} is served another certificate ({sight.sha256[:16]}) at "
                f"{reference} than the one deployed ({wanted[:16]})",
                "does the name lead to this host, and does anything stand in front of it?",
            )
    if any(sight.sha256 for sight in sights):
        return None
    first = next((sight.problem for sight in sights if sight.problem), None)
    why = f": {first.message}" if first else ""
    return Problem(
        first.kind if first else ErrorKind.DAEMON,
        f"nobody could see what is served at {reference}{why}",
        "install openssl on the registry's host, or let this machine reach the registry",
    )


def after(problem: Problem, back: DeployReport) -> Problem:
    """Return a problem with what the way back has come to.

    Args:
        problem: Why it was gone.
        back: What the host said of it.
    """
    cure = ""
    if back.result == "rolled_back":
        came = "the old files are back"
    elif back.result == "none":
        came = "nothing was taken back: another run has ended this deployment"
        cure = "run the same command again"
    elif back.restored:
        came = "the old files are back, and the registry does not serve the old certificate either"
        cure = "look at the registry's own log on the host"
    else:
        came = "not all of what was there before could be put back: it is kept on the host"
        cure = "see to the host's disk, and to its container engine; the same command tries again"
    hint = f"{cure}; {problem.hint}" if cure else problem.hint
    return problem._replace(message=f"{problem.message}; {came}", hint=hint)
