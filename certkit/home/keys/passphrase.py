"""Where the authority's passphrase comes from: a file, the environment, or a question.

Never from the command line, where every user of the machine can read it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from certkit.errors import InputError
from certkit.secret import Secret, read_secret_file, secret_from_environment

ENVIRONMENT = "CERTKIT_CA_PASSPHRASE"
NEW_ENVIRONMENT = "CERTKIT_CA_NEW_PASSPHRASE"

Ask = Callable[[str], str]
"""Shows a question and returns what was typed, without echo."""


@dataclass(frozen=True)
class PassphraseSources:
    """What the user gave; each source is looked at in this order.

    Attributes:
        file: ``--passphrase-file``.
        refused: ``--no-passphrase``: the key is to be plain.
        ask: How to ask, or None when there is no terminal.
        environment: The variable that holds it.
    """

    file: Path | None = None
    refused: bool = False
    ask: Ask | None = None
    environment: str = ENVIRONMENT

    def __post_init__(self) -> None:
        if self.file is not None and self.refused:
            raise InputError(
                "--passphrase-file and --no-passphrase contradict each other", "give one of them"
            )

    @property
    def wants(self) -> bool | None:
        """Whether the key is to be encrypted: yes, no, or None when the user did not say."""
        if self.refused:
            return False
        return True if self.file is not None or self.environment in os.environ else None

    def given(self) -> Secret | None:
        """The passphrase from the file or the environment; None when neither was given.

        Raises:
            InputError: The file is missing, readable by others or empty; the variable is empty.
        """
        if self.refused:
            return None
        if self.file is not None:
            return read_secret_file(self.file, "the passphrase file")
        return secret_from_environment(self.environment)

    def ask_new(self, what: str, *, optional: bool = True) -> Secret | None:
        """Ask twice for the passphrase of a key that is being made or changed.

        Args:
            what: What it protects, for the question.
            optional: Whether an empty answer means a plain key; otherwise it is refused.

        Returns:
            The passphrase, or None for a plain key: refused, answered with nothing, or nobody to
            ask.

        Raises:
            InputError: The two answers differ, or it is empty and must not be.
        """
        if self.refused or self.ask is None:
            return None
        first = self.ask(
            f"Passphrase for {what} (empty: leave it plain): "
            if optional
            else f"New passphrase for {what}: "
        )
        if not first:
            if optional:
                return None
            raise InputError(
                "the passphrase is empty", "give one, or leave the key plain with --no-passphrase"
            )
        if self.ask("The same again: ") != first:
            raise InputError("the two passphrases differ", "run the command again")
        return Secret(first)

    def ask_as_before(self, what: str, *, encrypted: bool) -> Secret | None:
        """The passphrase of a key that takes another one's place, protected as that one is.

        Args:
            what: What it protects, for the question.
            encrypted: Whether the other one has a passphrase.

        Returns:
            The one given; None for a plain key, asked for or like the other one.

        Raises:
            InputError: As for `given` and `ask_new`, and where there is nobody to ask.
        """
        given = self.given()
        if given is not None or self.refused or not encrypted:
            return given
        given = self.ask_new(what, optional=False)
        if given is None:
            raise InputError(
                f"the old key has a passphrase, and {what} was given none",
                f"use --passphrase-file FILE, {self.environment} or --no-passphrase",
            )
        return given

    def existing(self, what: str) -> Secret | None:
        """The passphrase of an encrypted key; None when there is no source for it.

        Raises:
            InputError: As for `given`.
        """
        found = self.given()
        if found is None and self.ask is not None and not self.refused:
            answer = self.ask(f"Passphrase of {what}: ")
            found = Secret(answer) if answer else None
        return found
