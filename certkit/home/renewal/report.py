"""What ``certkit renew`` tells: the new certificate, where it lies, and what to run next."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from certkit.home.place import inventory_option
from certkit.home.registry import SERVER, SERVER_KEY, RegistryFiles
from certkit.home.renewal.promotion import Promoted
from certkit.home.renewal.waiting import NEXT, NEXT_KEY, NextLeaf
from certkit.pki.bundle import colons
from certkit.pki.describe import describe_certificate

SCHEMA = "certkit.renew/1"


class RenewReport:
    """The words and the JSON of one `prepare`.

    Args:
        waiting: What it returned.
        now: The time that remaining days refer to.
        inventory: As given, for the commands to run next.
    """

    def __init__(self, waiting: NextLeaf, now: datetime, inventory: Path | None = None) -> None:
        self.waiting = waiting
        self._hosts = inventory_option(inventory)
        self.description = describe_certificate(waiting.certificate, now)

    @property
    def headline(self) -> str:
        """One sentence."""
        registry = self.waiting.files.reference
        if self.waiting.status == "prepared":
            return f"Made a new certificate for {registry}; the old one is still in service."
        return f"A new certificate for {registry} is waiting to be served; nothing to do here."

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The new certificate for people."""
        words = dict(self.description.words())
        return [
            ("names", words.get("names", "")),
            ("valid until", words["valid until"]),
            ("key", words["key"]),
            ("SHA-256", colons(self.description.sha256)),
            ("certificate", str(self.waiting.files.path(NEXT))),
            ("private key", str(self.waiting.files.path(NEXT_KEY))),
        ]

    @property
    def next_steps(self) -> list[tuple[str, str]]:
        """What to do next: a sentence and a command to paste."""
        where = self.waiting.files.where
        return [
            (
                "Put it into service, where the inventory names the registry's machine",
                f"certkit registry deploy {where} {self._hosts} --next",
            ),
            (
                f"Or put both files in the place of the registry's {SERVER} and {SERVER_KEY} "
                "yourself, restart it, and make them the current ones",
                f"certkit renew {where} --served",
            ),
        ]

    def to_json(self) -> dict[str, Any]:
        """The document for ``-o json``."""
        return {
            "schema": SCHEMA,
            "status": self.waiting.status,
            **self.waiting.request.to_json(),
            "certificate": str(self.waiting.files.path(NEXT)),
            "key": str(self.waiting.files.path(NEXT_KEY)),
            "server": self.description.to_json(),
            "warnings": list(self.waiting.warnings),
            "next": [command for _, command in self.next_steps],
        }


def promoted_words(done: Promoted) -> list[str]:
    """What was done by `promote`, a line each; the last ones are what to run next."""
    lines = [
        f"{done.files.reference} serves the new certificate; it is the current one now.",
        f"The old one is in {done.files.directory / done.archived}.",
    ]
    return [*lines, *what_hosts_lack(done)]


def what_hosts_lack(done: Promoted) -> list[str]:
    """What the new certificate holds and hosts do not know yet, a line each, with what to run."""
    files = done.files
    command = f"certkit distribute {files.where}"
    lines = []
    if done.new_aliases:
        aliases = ", ".join(alias.text for alias in done.new_aliases)
        lines.append(f"Hosts do not know {aliases} yet: {command}")
    if done.new_names:
        names = ", ".join(name.text for name in done.new_names)
        lines.append(
            f"The certificate holds {names} too: to pull by that name, add it to aliases: in the "
            f"inventory, then {command}"
        )
    return lines


def promoted_json(done: Promoted) -> dict[str, Any]:
    """The document of `promote` for ``-o json``."""
    return {
        "schema": SCHEMA,
        "status": "promoted",
        **done.files.request.to_json(),
        "archived": str(done.files.directory / done.archived),
        "new_aliases": [alias.text for alias in done.new_aliases],
        "new_names": [name.text for name in done.new_names],
    }


def status_json(
    files: RegistryFiles, status: Literal["discarded", "not_due", "nothing"]
) -> dict[str, Any]:
    """The document of ``certkit renew -o json`` where no certificate was made.

    Args:
        files: The registry.
        status: ``discarded``; ``nothing`` where nothing waited to be; ``not_due``.
    """
    return {"schema": SCHEMA, "status": status, **files.request.to_json()}
