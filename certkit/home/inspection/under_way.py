"""What is not settled for a registry: a certificate that waits to be served, a rotation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from certkit.home.inspection.shape import Pairs, Section, describe_all
from certkit.home.registry import RegistryFiles
from certkit.home.renewal.waiting import find_next
from certkit.home.rotation.report import RotationReport
from certkit.home.rotation.steps import read_rotation
from certkit.pki.rollover_state import Phase


@dataclass(frozen=True)
class UnderWay:
    """What ``certkit inspect`` tells of it.

    Attributes:
        pairs: A line for each thing that is under way.
        sections: The certificate that waits.
        values: ``waiting``, its description or null, and ``rotation``, null where there never was
            one.
        attention: Whether the certificate that waits is not valid now.
    """

    pairs: Pairs
    sections: list[Section]
    values: dict[str, Any]
    attention: bool


def under_way(files: RegistryFiles, now: datetime) -> UnderWay:
    """Look at what waits beside a registry's current files.

    Raises:
        HomeError: Its files are damaged or lax.
    """
    pairs: Pairs = []
    leaf, rotation = find_next(files), read_rotation(files)
    sections, described, attention = describe_all(
        () if leaf is None else leaf.chain, now, "certificate that waits to be served"
    )
    if leaf is not None:
        until = dict(sections[0].pairs)["valid until"]
        step = "rotate switch" if leaf.sha256 == rotation.offered else "registry deploy --next"
        pairs.append(("waiting", f"a new certificate until {until}: certkit {step} {files.where}"))
    if rotation.phase.under_way:
        stands = RotationReport(files.reference.text, rotation, ()).stands
        pairs.append(("rotation", f"{stands}: certkit rotate status {files.where}"))
    values = {
        "waiting": described[0] if described else None,
        "rotation": None
        if rotation.phase is Phase.IDLE
        else {
            "phase": rotation.phase.value,
            "under_way": rotation.phase.under_way,
            "since": rotation.since.isoformat() if rotation.since else None,
            "compromised": rotation.compromised,
            "old": rotation.old,
            "new": rotation.new,
        },
    }
    return UnderWay(pairs, sections, values, attention)
