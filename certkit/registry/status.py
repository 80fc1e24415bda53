"""What a registry serves now, by whom it was issued, until when, and whether the home says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from certkit.errors import CertkitError, HomeError, HostError
from certkit.fleet.report import Problem
from certkit.home.registry import RegistryFiles
from certkit.home.renewal.waiting import find_next
from certkit.inventory.model import Host
from certkit.inventory.registry_host import RegistryHost
from certkit.names import RegistryReference
from certkit.pki.bundle import fingerprint
from certkit.pki.describe import CertificateDescription, describe_certificate
from certkit.registry.plan import endpoint
from certkit.registry.sight import Fetch, Sight, fetch, from_here, from_host, from_hosts
from certkit.transport.connection import Connector

SCHEMA = "certkit.registry-status/1"


@dataclass(frozen=True)
class RegistryStatus:
    """What was seen, and what the home says of it.

    Attributes:
        reference: The registry.
        sights: What each place saw, this machine first.
        served: The certificate that is served; None when none was seen whole.
        says: How it stands to the home: ``current``, ``next`` (the one that waits), ``other``, or
            ``nothing`` when no place saw a certificate.
        agreed: Whether every place that saw one saw the same.
        reason: Why the hosts' trust refuses it; empty when it does not.
        home: The certificate that the home says is in service.
    """

    reference: RegistryReference
    sights: tuple[Sight, ...]
    served: CertificateDescription | None
    says: str
    agreed: bool
    reason: str
    home: CertificateDescription

    @property
    def attention(self) -> bool:
        """Whether something is not as the home says."""
        return self.says != "current" or not self.agreed or bool(self.reason)

    @property
    def verdict(self) -> str:
        """The answer in one sentence."""
        if self.says == "nothing":
            return "no certificate was seen"
        if not self.agreed:
            return "not every place is served the same certificate"
        sentence = _SENTENCES[self.says]
        return f"{sentence}, but the hosts' trust refuses it" if self.reason else sentence

    def to_json(self) -> dict[str, Any]:
        """Return the document ``certkit.registry-status/1``."""
        return {
            "schema": SCHEMA,
            "registry": self.reference.text,
            "verdict": self.verdict,
            "says": self.says,
            "attention": self.attention,
            "agreed": self.agreed,
            "trusted": None if self.says == "nothing" else not self.reason,
            "reason": self.reason,
            "served": asdict(self.served) if self.served else None,
            "home": asdict(self.home),
            "seen": [_sight_to_json(sight) for sight in self.sights],
        }


_SENTENCES = {
    "current": "it serves the certificate that the home says",
    "next": "it serves the new certificate that waits in the home: certkit renew --served",
    "other": "it serves another certificate than the home's",
}


def look(
    server: RegistryHost | None,
    reference: RegistryReference,
    connector: Connector,
    witnesses: Sequence[Host] = (),
    *,
    fetcher: Fetch = fetch,
) -> list[Sight]:
    """Look at what is served: from this machine, from the registry's host, and from other hosts.

    Args:
        server: The registry's host, where the inventory names it.
        reference: The registry.
        connector: Opens connections; the caller closes it.
        witnesses: Other hosts to look from.
        fetcher: How this machine shakes hands.
    """
    fallback = ""
    there: list[Sight] = []
    if server is not None:
        host = server.host
        try:
            connection = connector.connect(host)
            try:
                fallback = connection.peer if host.connection == "ssh" else "127.0.0.1"
                there.append(from_host(connection, host, endpoint(server, reference)))
            finally:
                connection.close()
        except HostError as error:
            there.append(Sight(host.name, problem=Problem.of(error)))
    here = from_here(reference, fallback, fetcher=fetcher)
    return [here, *there, *from_hosts(witnesses, reference, connector)]


def judge(files: RegistryFiles, sights: Sequence[Sight], now: datetime) -> RegistryStatus:
    """Judge what was seen by the home.

    Args:
        files: The registry in the home.
        sights: What was seen.
        now: The time, with a time zone.

    Raises:
        HomeError: The home's files are missing, damaged or lax.
    """
    seen = [sight for sight in sights if sight.sha256]
    prints = {sight.sha256 for sight in seen}
    whole = next((sight for sight in seen if sight.chain), None)
    leaf = whole.chain[0] if whole else None
    says, reason = "nothing", ""
    if seen:
        says = _says(files, seen[0].sha256)
    if whole is not None and leaf is not None:
        # Only a machine that shook hands itself has the intermediates.
        chain = max((sight.chain for sight in seen if sight.sha256 == whole.sha256), key=len)
        try:
            files.verify(chain, [files.reference.subject_name], now)
        except HomeError:
            raise
        except CertkitError as error:
            reason = error.message
    return RegistryStatus(
        reference=files.reference,
        sights=tuple(sights),
        served=describe_certificate(leaf, now) if leaf is not None else None,
        says=says,
        agreed=len(prints) < 2,
        reason=reason,
        home=describe_certificate(files.leaf, now),
    )


def _says(files: RegistryFiles, sha256: str) -> str:
    if sha256 == fingerprint(files.leaf):
        return "current"
    waiting = find_next(files)
    return "next" if waiting is not None and sha256 == waiting.sha256 else "other"


def _sight_to_json(sight: Sight) -> dict[str, Any]:
    problem = sight.problem
    return {
        "from": sight.place,
        "sha256": sight.sha256 or None,
        "error": None
        if problem is None
        else {"kind": problem.kind.value, "message": problem.message, "hint": problem.hint},
    }
