"""What `certkit registry status` shows people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certkit.cli import words
from certkit.pki.bundle import colons
from certkit.registry.status import RegistryStatus

if TYPE_CHECKING:
    from rich.console import Console


def show_service(console: Console, found: RegistryStatus, verdict: str) -> None:
    """Print what is served, whether the home says so, and what each place saw.

    Args:
        console: Where to.
        found: What was seen.
        verdict: Its verdict, with the command in it ready to paste.
    """
    words.say(console, f"{found.reference}: {verdict}", "bold")
    pairs = []
    served = found.served
    if served is not None:
        pairs += [
            ("served", colons(served.sha256)),
            ("issued by", served.issuer),
            ("valid until", f"{served.not_after} ({served.days_left} days, {served.state})"),
            ("names", ", ".join(served.names)),
        ]
    if found.says != "current":
        pairs.append(("the home says", colons(found.home.sha256)))
    if found.reason:
        pairs.append(("refused", found.reason))
    for sight in found.sights:
        seen = colons(sight.sha256)[:23] if sight.sha256 else ""
        pairs.append(
            (f"from {sight.place}", seen or (sight.problem.message if sight.problem else ""))
        )
    words.say_pairs(console, pairs)
