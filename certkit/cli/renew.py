"""``certkit renew``: a new certificate from the same authority."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from certkit.cli.options import DocumentOutput, HomeOption, OutputOption, PassphraseFileOption

if TYPE_CHECKING:
    from rich.console import Console

    from certkit.home.renewed import RenewReport


def renew(
    registry: Annotated[
        str | None,
        typer.Argument(
            metavar="[REGISTRY]",
            help="The registry; not needed when the home has one only.",
            show_default=False,
        ),
    ] = None,
    if_due: Annotated[
        str | None,
        typer.Option(
            "--if-due",
            metavar="TIME",
            help="Do it only when the certificate ends within this time (30d, 12h); else say "
            "nothing and exit with 0.",
            show_default=False,
        ),
    ] = None,
    san: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Add a name that the authority may sign for. Repeatable.",
            show_default=False,
        ),
    ] = None,
    alias: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST[:PORT]",
            help="Add another way people write the registry in image names. Repeatable.",
            show_default=False,
        ),
    ] = None,
    key_type: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE",
            help="p256, p384, rsa3072 or rsa4096; default: as before.",
            show_default=False,
        ),
    ] = None,
    reuse_key: Annotated[
        bool, typer.Option("--reuse-key", help="Keep the server's key, for clients that pin it.")
    ] = False,
    days: Annotated[
        int | None,
        typer.Option(
            metavar="DAYS",
            help="Life of the certificate; at most 825; default: as before.",
            show_default=False,
        ),
    ] = None,
    served: Annotated[
        bool,
        typer.Option(
            "--served",
            help="The registry serves the new certificate: see for yourself, then make it current.",
        ),
    ] = False,
    discard: Annotated[
        bool, typer.Option("--discard", help="Throw the waiting certificate away.")
    ] = False,
    passphrase_file: PassphraseFileOption = None,
    home: HomeOption = None,
    output: OutputOption = DocumentOutput.TABLE,
) -> None:
    """Make a new certificate for a registry, from the same authority. Hosts need nothing.

    It lies beside the old one until it is in service: put it there, then run this with --served.
    Run again meanwhile, it returns the one that is waiting.
    """
    from datetime import datetime, timezone

    from certkit.cli import words
    from certkit.durations import parse_duration
    from certkit.errors import InputError
    from certkit.home import waiting
    from certkit.home.home import Home, home_path
    from certkit.home.passphrase import PassphraseSources
    from certkit.home.renewal import RenewalWish, is_due, prepare, refuse_useless
    from certkit.home.renewed import RenewReport, promoted_json, promoted_words
    from certkit.home.served import fetch_served
    from certkit.pki.bundle import fingerprint

    wish = RenewalWish.parse(
        sans=san or (), aliases=alias or (), key_type=key_type, days=days, reuse_key=reuse_key
    )
    if (served or discard) and (wish != RenewalWish() or if_due or (served and discard)):
        raise InputError("--served and --discard stand alone", "give one of them, and no wishes")
    window = parse_duration(if_due, "--if-due") if if_due else None
    opened = Home.open(home_path(home))
    files = opened.sole_registry() if registry is None else opened.registry(registry)
    console = words.console_for(output)
    now = datetime.now(timezone.utc)
    if discard:
        gone = waiting.discard(opened, files)
        words.say(console, "Thrown away." if gone else "No new certificate is waiting.")
        return
    if served:
        seen = fingerprint(fetch_served(files.reference)[0])
        done = waiting.promote(opened, files, seen, now)
        for line in promoted_words(opened, done):
            words.say(console, line)
        if output is DocumentOutput.JSON:
            words.say_json(promoted_json(done))
        return
    if window is not None:
        if not is_due(files, window, now):
            return
        refuse_useless(files)
    ask = words.ask_secret if words.on_terminal() else None
    made = prepare(opened, files, wish, PassphraseSources(passphrase_file, ask=ask), now)
    report = RenewReport(opened, made, now)
    _show(console, report)
    if output is DocumentOutput.JSON:
        words.say_json(report.to_json())


def _show(console: Console, report: RenewReport) -> None:
    from certkit.cli.words import say, say_pairs

    say(console, report.headline, "bold")
    say_pairs(console, report.pairs)
    for warning in report.waiting.warnings:
        say(console, f"warning: {warning}", "yellow")
    say(console)
    say(console, "Next", "bold")
    for number, (sentence, command) in enumerate(report.next_steps, 1):
        say(console, f"  {number}. {sentence}:")
        say(console, f"     {command}", "cyan")
