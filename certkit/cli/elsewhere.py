"""Certificates that other authorities sign: what `init` and `renew` do then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from certkit.cli import words
from certkit.cli.options import DocumentOutput
from certkit.errors import ExitCode, InputError
from certkit.home.elsewhere.answering import import_pair
from certkit.home.elsewhere.material import ENVIRONMENT, Material
from certkit.home.elsewhere.report import (
    INIT_SCHEMA,
    RENEW_SCHEMA,
    DueReport,
    RequestReport,
    TakenReport,
)
from certkit.home.elsewhere.requesting import init_request, renew_request
from certkit.home.home import Home
from certkit.home.keys.passphrase import PassphraseSources
from certkit.home.registry import RegistryFiles
from certkit.home.renewal.renew import RenewalWish
from certkit.home.renewal.waiting import NextLeaf, find_next
from certkit.home.request import RegistryRequest

if TYPE_CHECKING:
    from rich.console import Console


class Report(Protocol):
    """What is shown of something done."""

    @property
    def headline(self) -> str:
        """One sentence."""

    @property
    def pairs(self) -> Sequence[tuple[str, str]]:
        """Labels and texts."""

    @property
    def warnings(self) -> Sequence[str]:
        """What the user should be told."""

    @property
    def next_steps(self) -> Sequence[tuple[str, str]]:
        """A sentence and a command each."""


def sources(passphrase_file: Path | None) -> PassphraseSources:
    """Where the passphrase of an imported key comes from."""
    ask = words.ask_secret if words.on_terminal() else None
    return PassphraseSources(passphrase_file, ask=ask, environment=ENVIRONMENT)


def init_import(
    path: Path,
    request: RegistryRequest,
    files: tuple[Path, Path, Path | None],
    passphrase_file: Path | None,
    now: datetime,
    inventory: Path | None,
    output: DocumentOutput,
) -> None:
    """Make a registry out of a certificate, a key and a chain from elsewhere, and tell of it.

    Raises:
        InputError: The certificate is refused, or the registry has another one.
        HomeError: The home is unusable.
    """
    certificate, key, chain = files
    given = Material.read(certificate, chain, key, sources(passphrase_file))
    done = import_pair(path, request, given, now)
    report = TakenReport(done, now, INIT_SCHEMA, given.warnings, inventory)
    show(words.console_for(output), report)
    if output is DocumentOutput.JSON:
        words.say_json(report.to_json())


def init_csr(path: Path, request: RegistryRequest, now: datetime, output: DocumentOutput) -> None:
    """Make a registry that has a key and a request, and tell of it.

    Raises:
        InputError: The registry exists and was made with another request.
        HomeError: The home is unusable.
    """
    report = RequestReport(init_request(path, request, now), INIT_SCHEMA)
    show(words.console_for(output), report)
    if output is DocumentOutput.JSON:
        words.say_json(report.to_json())


def ask_again(
    home: Home, files: RegistryFiles, wish: RenewalWish, now: datetime, output: DocumentOutput
) -> None:
    """Make a request for a new certificate, and tell of it.

    Raises:
        InputError: The registry has its own authority, or another request waits.
        HomeError: The home is unusable.
    """
    report = RequestReport(renew_request(home, files, wish, now), RENEW_SCHEMA)
    show(words.console_for(output), report)
    if output is DocumentOutput.JSON:
        words.say_json(report.to_json())


def taken(files: RegistryFiles, wish: RenewalWish) -> NextLeaf | None:
    """The certificate from elsewhere that waits to be served, or None.

    Raises:
        InputError: Something is wished for that only its authority could grant.
        HomeError: It is damaged, or the request waits for its answer.
    """
    files.require_certificate()
    if wish != RenewalWish():
        raise InputError(
            f"only its authority decides what the certificate of {files.reference} holds",
            f"ask it: certkit renew {files.where} --csr",
        )
    return find_next(files)


def remind(files: RegistryFiles, now: datetime, output: DocumentOutput, *, due: bool) -> ExitCode:
    """Tell of a renewal that only another authority can sign.

    Raises:
        InputError: It is not due, but was asked for outright.
    """
    if not due:
        files.require_own_authority("certkit cannot renew it")
    report = DueReport(files, now)
    show(words.console_for(output), report)
    if output is DocumentOutput.JSON:
        words.say_json(report.to_json())
    return ExitCode.ATTENTION


def show(console: Console, report: Report) -> None:
    """Print what was done and what comes next."""
    words.say(console, report.headline, "bold")
    words.say_pairs(console, report.pairs)
    for warning in report.warnings:
        words.say(console, f"warning: {warning}", "yellow")
    if not report.next_steps:
        return
    words.say(console)
    words.say(console, "Next", "bold")
    for number, (sentence, command) in enumerate(report.next_steps, 1):
        words.say(console, f"  {number}. {sentence}:")
        words.say(console, f"     {command}", "cyan")
