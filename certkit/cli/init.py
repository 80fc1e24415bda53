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
    from certkit.home.request import Origin


def init(
    registry: Annotated[
        str | None,
        typer.Argument(
            metavar="[REGISTRY]",
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
    import_cert: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Make no authority: take this certificate from another one, with --import-key.",
            show_default=False,
        ),
    ] = None,
    import_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The private key of that certificate; --passphrase-file or "
            "CERTKIT_IMPORT_PASSPHRASE opens it.",
            show_default=False,
        ),
    ] = None,
    import_chain: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The certificates of the authorities above it, up to the root, in any order.",
            show_default=False,
        ),
    ] = None,
    csr: Annotated[
        bool,
        typer.Option(
            "--csr",
            help="Make no authority: make a key and a request for another one, to be taken with "
            "`certkit import-signed`.",
        ),
    ] = False,
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

    The authority can sign for the names given here and for nothing else. With --import-cert or
    --csr there is none: the certificate comes from elsewhere. Run again with the same request it
    changes nothing; with a different one it shows the difference and exits with 2.
    """
    from datetime import datetime, timezone

    from certkit.cli import elsewhere, words
    from certkit.errors import InputError
    from certkit.home.choose import choose_registry
    from certkit.home.initialise import initialise
    from certkit.home.keys.passphrase import PassphraseSources
    from certkit.home.place import home_path
    from certkit.home.report import InitReport
    from certkit.home.request import Origin, RegistryRequest

    origin = _origin(import_cert, import_key, import_chain, csr=csr)
    if origin is not Origin.OWN:
        own = {
            "--permit": bool(permit),
            "--days": days != 397,
            "--ca-days": ca_days != 3650,
            "--no-passphrase": no_passphrase,
            "--key-type": key_type != "p256" and not csr,
            "--passphrase-file": passphrase_file is not None and csr,
        }
        for flag in (name for name, given in own.items() if given):
            raise InputError(f"{flag} is for an authority of certkit's own", "leave it out")
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
        origin=origin,
    )
    now, path = datetime.now(timezone.utc), home_path(home)
    if csr:
        elsewhere.init_csr(path, request, now, output)
        return
    if import_cert is not None and import_key is not None:
        files = (import_cert, import_key, import_chain)
        elsewhere.init_import(path, request, files, passphrase_file, now, inventory, output)
        return
    passphrases = PassphraseSources(
        passphrase_file, no_passphrase, words.ask_secret if terminal else None
    )
    report = InitReport(initialise(path, request, passphrases, now), now, inventory)
    _show(console, report)
    if output is DocumentOutput.JSON:
        words.say_json(report.to_json())


def _origin(certificate: Path | None, key: Path | None, chain: Path | None, *, csr: bool) -> Origin:
    """Where the certificate is to come from."""
    from certkit.errors import InputError
    from certkit.home.request import Origin

    if csr and (certificate or key or chain):
        raise InputError(
            "--csr asks for a certificate, and --import-cert has one", "give one of them"
        )
    if certificate and key:
        return Origin.IMPORTED
    if certificate or key or chain:
        raise InputError(
            "--import-cert and --import-key belong together",
            "give both; a certificate without its key cannot be served",
        )
    return Origin.REQUESTED if csr else Origin.OWN


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
