"""What is told of certificates from elsewhere: taken, asked for, or due."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from certkit.home.elsewhere.answering import Taken
from certkit.home.elsewhere.requesting import Requested
from certkit.home.place import inventory_option
from certkit.home.registry import (
    MODES,
    REQUEST,
    REQUEST_KEY,
    SERVER,
    SERVER_KEY,
    RegistryFiles,
)
from certkit.home.renewal.waiting import NEXT, NEXT_KEY
from certkit.pki.bundle import colons
from certkit.pki.describe import describe_certificate

INIT_SCHEMA = "certkit.init/1"
TAKEN_SCHEMA = "certkit.import-signed/1"
RENEW_SCHEMA = "certkit.renew/1"

Steps = list[tuple[str, str]]


class TakenReport:
    """The words and the JSON of a certificate that was taken.

    Args:
        taken: What was done.
        now: The time that remaining days refer to.
        schema: The document's: `INIT_SCHEMA` or `TAKEN_SCHEMA`.
        warnings: What to tell of the files that it came in.
        inventory: As given, for the commands to run next.
    """

    def __init__(
        self,
        taken: Taken,
        now: datetime,
        schema: str,
        warnings: tuple[str, ...] = (),
        inventory: Path | None = None,
    ) -> None:
        self.taken = taken
        self._hosts = inventory_option(inventory)
        self.files = taken.files
        self.warnings = (*warnings, *taken.warnings)
        self._schema = schema
        self._server = describe_certificate(taken.accepted.leaf, now)
        root = taken.accepted.root
        self._root = None if root is None else describe_certificate(root, now)

    @property
    def headline(self) -> str:
        """One sentence."""
        registry = self.files.reference
        return {
            "created": f"The certificate of {registry} is in order, and the home has it.",
            "prepared": f"The new certificate of {registry} is in order; the old one is still in "
            "service.",
            "completed": f"The home knows the whole chain of {registry} now.",
            "unchanged": f"The home has this certificate of {registry} already; nothing to do.",
        }[self.taken.status]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The certificate and its chain, for people."""
        words, chain = dict(self._server.words()), self.taken.accepted.chain[1:]
        certificate, key = self._paths
        pairs = [
            ("names", words.get("names", "")),
            ("issued by", words["issuer"]),
            ("intermediates", str(len(chain)) if chain else ""),
            ("root", self._root.subject if self._root else "not known"),
            ("root SHA-256", colons(self._root.sha256) if self._root else ""),
            ("valid until", words["valid until"]),
            ("key", words["key"]),
            ("SHA-256", colons(self._server.sha256)),
            ("comes from", self.files.request.origin.words),
            ("certificate", certificate),
            ("private key", key),
        ]
        return [(label, text) for label, text in pairs if text]

    @property
    def next_steps(self) -> Steps:
        """What to do next: a sentence and a command to paste."""
        where = f"{self.files.where} {self._hosts}"
        spread = (
            "Put its root on the hosts that do not trust it already",
            f"certkit distribute {where}",
        )
        if self.taken.status != "prepared":
            serve = ("Put it into service", f"certkit registry deploy {where}")
            return [] if self.taken.status == "unchanged" else [serve, spread]
        serve = ("Put it into service", f"certkit registry deploy {where} --next")
        if not self.taken.new_root:
            return [serve]
        # Hosts have to trust both before the new one is served, and need the old one no more after.
        first = ("Its root is new: let hosts trust both, before it is served", spread[1])
        return [first, serve, ("Then take the old root off the hosts", spread[1])]

    def to_json(self) -> dict[str, Any]:
        """The document for ``-o json``."""
        certificate, key = self._paths
        return {
            "schema": self._schema,
            "status": self.taken.status,
            **self.files.request.to_json(),
            "home": str(self.taken.home.path),
            "directory": str(self.files.directory),
            "files": [
                {"path": str(self.files.path(name)), "mode": f"{mode:04o}"}
                for name, mode in MODES.items()
                if self.files.path(name).exists()
            ],
            "certificate": certificate,
            "key": key,
            "authority": None if self._root is None else self._root.to_json(),
            "server": self._server.to_json(),
            "intermediates": len(self.taken.accepted.chain) - 1,
            "new_root": self.taken.new_root,
            "warnings": list(self.warnings),
            "next": [command for _, command in self.next_steps],
        }

    @property
    def _paths(self) -> tuple[str, str]:
        waits = self.files.path(NEXT).exists() and self.taken.accepted.leaf != self.files.leaf
        names = (NEXT, NEXT_KEY) if waits else (SERVER, SERVER_KEY)
        return str(self.files.path(names[0])), str(self.files.path(names[1]))


class RequestReport:
    """The words and the JSON of a request.

    Args:
        requested: What was made.
        schema: The document's: `INIT_SCHEMA` or `RENEW_SCHEMA`.
    """

    warnings: tuple[str, ...] = ()

    def __init__(self, requested: Requested, schema: str) -> None:
        self.requested = requested
        self.files = requested.files
        self._schema = schema

    @property
    def headline(self) -> str:
        """One sentence."""
        registry = self.files.reference
        if self.requested.status == "created":
            return f"Made a key and a certificate request for {registry}."
        return f"The request for {registry} waits for its answer; nothing to do here."

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The request, for people."""
        request = self.requested.request
        return [
            ("names", ", ".join(name.display for name in request.names)),
            ("key type", request.key_type.label),
            ("request", str(self.files.path(REQUEST))),
            ("private key", f"{self.files.path(REQUEST_KEY)}, never leaves this machine"),
        ]

    @property
    def next_steps(self) -> Steps:
        """What to do next: a sentence and a command to paste."""
        where = self.files.where
        return [
            (
                f"Send {self.files.path(REQUEST)} to the authority; when it answers, with the "
                "certificate and those of the authorities above it",
                f"certkit import-signed signed.crt --chain chain.crt {where}",
            ),
        ]

    def to_json(self) -> dict[str, Any]:
        """The document for ``-o json``."""
        status = "requested" if self.requested.status == "created" else "unchanged"
        return {
            "schema": self._schema,
            "status": status,
            **self.requested.request.to_json(),
            "home": str(self.requested.home.path),
            "directory": str(self.files.directory),
            "request": str(self.files.path(REQUEST)),
            "key": str(self.files.path(REQUEST_KEY)),
            "names": [name.text for name in self.requested.request.names],
            "warnings": [],
            "next": [command for _, command in self.next_steps],
        }


class DueReport:
    """The words and the JSON of a renewal that somebody else has to sign.

    Args:
        files: The registry.
        now: The time that remaining days refer to.
    """

    warnings: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()

    def __init__(self, files: RegistryFiles, now: datetime) -> None:
        self._files = files
        self._server = describe_certificate(files.leaf, now)

    @property
    def headline(self) -> str:
        """One sentence."""
        left = self._server.days_left
        ends = f"ends in {left} days" if left >= 0 else "has ended"
        return (
            f"The certificate of {self._files.reference} {ends} ({self._server.not_after}), and "
            "only its authority can sign a new one."
        )

    @property
    def next_steps(self) -> Steps:
        """What to do next: a sentence and a command to paste."""
        where, waits = self._files.where, self._files.path(REQUEST)
        take = f"certkit import-signed signed.crt {where}"
        if waits.exists():
            asked = [(f"Take the authority's answer to the request in {waits}", take)]
        else:
            ask = f"certkit renew {where} --csr"
            asked = [("Make a request for the authority", ask), ("Take its answer", take)]
        return [
            *asked,
            (
                "Or take a new certificate with its key",
                f"certkit import-signed signed.crt --key signed.key {where}",
            ),
        ]

    def to_json(self) -> dict[str, Any]:
        """The document for ``-o json``."""
        request = self._files.path(REQUEST)
        return {
            "schema": RENEW_SCHEMA,
            "status": "due",
            **self._files.request.to_json(),
            "request": str(request) if request.exists() else None,
            "server": self._server.to_json(),
            "warnings": [],
            "next": [command for _, command in self.next_steps],
        }
