"""What ``certkit init`` tells: what was made, where, until when, and what to run next."""

from __future__ import annotations

import shlex
from datetime import datetime
from pathlib import Path
from typing import Any

from certkit.home.initialise import Initialised
from certkit.home.place import home_option, inventory_option
from certkit.home.registry import (
    AUTHORITY,
    AUTHORITY_KEY,
    MODES,
    RECORD,
    SERVER,
    SERVER_KEY,
    TRUST,
)
from certkit.pki.bundle import colons
from certkit.pki.describe import describe_certificate

SCHEMA = "certkit.init/1"

REGISTRY_IMAGE = "registry:2"

_ABOUT = {
    AUTHORITY: "the authority's certificate",
    AUTHORITY_KEY: "the authority's key; never leaves this machine",
    SERVER: "what the registry serves",
    SERVER_KEY: "the registry's key",
    TRUST: "what every host gets",
    RECORD: "what this was made with",
}


class InitReport:
    """The words and the JSON of one `initialise`.

    Args:
        done: What it did.
        now: The time that remaining days refer to.
        inventory: As given, for the commands to run next.
    """

    def __init__(self, done: Initialised, now: datetime, inventory: Path | None = None) -> None:
        self.done = done
        self._hosts = inventory_option(inventory)
        self.files = done.files
        self.authority = describe_certificate(done.files.authority, now)
        self.server = describe_certificate(done.files.leaf, now)
        self.protection = done.files.authority_key_protection

    @property
    def headline(self) -> str:
        """One sentence."""
        registry = self.files.reference.text
        return {
            "created": f"Made an authority and a certificate for {registry}.",
            "unchanged": f"{registry} is there already, as asked; nothing to do.",
            "finished": f"{registry} was there in part; what was missing has been made.",
        }[self.done.status]

    @property
    def authority_pairs(self) -> list[tuple[str, str]]:
        """The authority for people."""
        words = dict(self.authority.words())
        key = f"encrypted ({self.protection.scheme})" if self.protection.encrypted else "plain"
        return [
            ("name", self.authority.subject.removeprefix("CN=")),
            ("SHA-256", colons(self.authority.sha256)),
            ("valid until", words["valid until"]),
            ("key", f"{self.authority.key}, {key}"),
            ("may sign", words["may sign"]),
        ]

    @property
    def server_pairs(self) -> list[tuple[str, str]]:
        """The server's certificate for people."""
        words = dict(self.server.words())
        return [
            ("names", words["names"]),
            ("SHA-256", colons(self.server.sha256)),
            ("valid until", words["valid until"]),
            ("key", self.server.key),
        ]

    @property
    def file_pairs(self) -> list[tuple[str, str]]:
        """Each file with its mode and purpose."""
        return [(name, f"{mode:04o}  {_ABOUT[name]}") for name, mode in MODES.items()]

    @property
    def next_steps(self) -> list[tuple[str, str]]:
        """What to do next: a sentence and a command to paste."""
        directory = self.files.directory
        _, port = self.files.reference.endpoint
        # The two files and not the directory: the authority's key is no business of the registry.
        mounts = " ".join(
            f"-v {shlex.quote(f'{directory / name}:/certs/{name}:ro')}"
            for name in (SERVER, SERVER_KEY)
        )
        run = (
            f"docker run -d -p {port}:5000 --restart=always --name registry {mounts} "
            f"-e REGISTRY_HTTP_TLS_CERTIFICATE=/certs/{SERVER} "
            f"-e REGISTRY_HTTP_TLS_KEY=/certs/{SERVER_KEY} {REGISTRY_IMAGE}"
        )
        home = self.done.home
        option = home_option(home.path)
        registry = (
            f" {shlex.quote(str(self.files.reference))}" if len(home.registries()) > 1 else ""
        )
        return [
            (
                f"Start the registry (elsewhere: copy {SERVER} and {SERVER_KEY} there first)",
                run,
            ),
            (
                "Put the trust on every host of an inventory",
                f"certkit distribute{registry}{option} {self._hosts}",
            ),
            (
                "Keep a back-up apart: without the authority's key nothing can be renewed",
                f"certkit backup{option} certkit-{self.files.reference.slug}.age",
            ),
        ]

    def to_json(self) -> dict[str, Any]:
        """The document for ``-o json``."""
        return {
            "schema": SCHEMA,
            "status": self.done.status,
            **self.files.request.to_json(),
            "home": str(self.done.home.path),
            "directory": str(self.files.directory),
            "files": [
                {"path": str(Path(self.files.directory, name)), "mode": f"{mode:04o}"}
                for name, mode in MODES.items()
            ],
            "authority": {
                **self.authority.to_json(),
                "key_encrypted": self.protection.encrypted,
            },
            "server": self.server.to_json(),
            "warnings": list(self.done.warnings),
            "next": [command for _, command in self.next_steps],
        }
