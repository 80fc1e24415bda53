"""``certkit init``: make a registry's authority and certificate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from certkit.cli.options import (
    DocumentOutput,
    HomeOption,
    InventoryOption,
    OutputOption,
    PassphraseFileOption,
)

if TYPE_CHECKING:
    from rich.console import Console

    from certkit.home.report import InitReport


def init(
    registry: Annotated[
        str | None,
        typer.Argument(
            metavar="REGISTRY",
            help="HOST[:PORT] as image names write it; default: the inventory's registry, else "
            "this machine's name and port 5000.",
            show_default=False,
        ),
    ] = None,
    san: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Another name in the certificate: DNS, *.zone, IPv4 or IPv6. Repeatable.",
            show_default=False,
        ),
    ] = None,
    alias: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST[:PORT]",
            help="Another way people write the registry in image names. Repeatable.",
            show_default=False,
        ),
    ] = None,
    permit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ZONE|NETWORK",
            help="Let the authority sign more than the names given: example.com, 10.0.0.0/24. "
            "Repeatable. Later it takes a new authority.",
            show_default=False,
        ),
    ] = None,
    key_type: Annotated[
        str,
        typer.Option(
            metavar="TYPE",
            help="p256, p384, rsa3072 or rsa4096; the authority gets P-384 or RSA-4096.",
        ),
    ] = "p256",
    days: Annotated[
        int, typer.Option(metavar="DAYS", help="Life of the certificate; at most 825.")
    ] = 397,
    ca_days: Annotated[int, typer.Option(metavar="DAYS", help="Life of the authority.")] = 3650,
    passphrase_file: PassphraseFileOption = None,
    no_passphrase: Annotated[
        bool,
        typer.Option("--no-passphrase", help="Leave the authority's key plain, without asking."),
    ] = False,
    home: HomeOption = None,
    inventory: InventoryOption = None,
    output: OutputOption = DocumentOutput.TABLE,
) -> None:
    """Make a certificate authority for a registry, and the registry's certificate.

    The authority can sign for the names given here and for nothing else. Run again with the same
    request it changes nothing; with a different one it shows the difference and exits with 2.
    """
    from datetime import datetime, timezone

    from certkit.cli import words
    from certkit.home.choose import choose_registry
    from certkit.home.home import home_path
    from certkit.home.initialise import initialise
    from certkit.home.passphrase import PassphraseSources
    from certkit.home.report import InitReport
    from certkit.home.request import RegistryRequest

    console = words.console_for(output)
    terminal = words.on_terminal()
    chosen, said = choose_registry(
        registry, lambda: _inventory_registry(inventory), words.ask_text if terminal else None
    )
    if said:
        words.say(console, said)
    request = RegistryRequest.parse(
        chosen,
        aliases=alias or (),
        sans=san or (),
        permits=permit or (),
        key_type=key_type,
        days=days,
        ca_days=ca_days,
    )
    passphrases = PassphraseSources(
        passphrase_file, no_passphrase, words.ask_secret if terminal else None
    )
    now = datetime.now(timezone.utc)
    report = InitReport(initialise(home_path(home), request, passphrases, now), now)
    _show(console, report)
    if output is DocumentOutput.JSON:
        words.say_json(report.to_json())


def _inventory_registry(given: Path | None) -> str | None:
    path = given or Path("hosts.yaml")
    if given is None and not path.exists():
        return None
    from certkit.inventory import registry_of

    return registry_of(path)


def _show(console: Console, report: InitReport) -> None:
    from certkit.cli.words import say, say_pairs

    say(console, report.headline, "bold")
    for heading, pairs in (
        ("Authority", report.authority_pairs),
        ("Certificate", report.server_pairs),
        (f"Files in {report.files.directory} (0700)", report.file_pairs),
    ):
        say(console)
        say(console, heading, "bold")
        say_pairs(console, pairs)
    if report.done.warnings:
        say(console)
    for warning in report.done.warnings:
        say(console, f"warning: {warning}", "yellow")
    if report.done.status == "unchanged":
        return
    say(console)
    say(console, "Next", "bold")
    for number, (sentence, command) in enumerate(report.next_steps, 1):
        say(console, f"  {number}. {sentence}:")
        say(console, f"     {command}", "cyan")
