"""``certkit renew``: a new certificate from the same authority."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from certkit.cli.flags import DEFAULT_INVENTORY, Flags, FleetOutput
from certkit.cli.grouped import Only, grouped
from certkit.cli.options import DocumentOutput, FromOption, OutputOption, PassphraseFileOption

if TYPE_CHECKING:
    from rich.console import Console

    from certkit.home.registry import RegistryFiles
    from certkit.home.renewal.report import RenewReport


@grouped
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
            "nothing and exit with 0. Exits with 4 when only another authority can do it.",
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
    witnesses: FromOption = None,
    discard: Annotated[
        bool, typer.Option("--discard", help="Throw the waiting certificate away.")
    ] = False,
    deploy: Annotated[
        bool,
        typer.Option(
            "--deploy",
            help="Put it into service too, as `certkit registry deploy --next` does; it becomes "
            "the current one when it is served.",
        ),
    ] = False,
    csr: Annotated[
        bool,
        typer.Option(
            "--csr",
            help="For a certificate from another authority: make a request for a new one, to be "
            "taken with `certkit import-signed`.",
        ),
    ] = False,
    passphrase_file: PassphraseFileOption = None,
    output: OutputOption = DocumentOutput.TABLE,
    *,
    flags: Annotated[
        Flags,
        Only(
            "home",
            "inventory",
            "registry_host",
            "user",
            "identity_file",
            "known_hosts",
            "host_key",
            "password_file",
            "become_password_file",
            "key_passphrase_file",
        ),
    ],
) -> None:
    """Make a new certificate for a registry, from the same authority. Hosts need nothing.

    It lies beside the old one until it is in service: --deploy puts it there; or put it there
    yourself, then run this with --served. Run again meanwhile, it returns the one that is waiting.
    Where another authority signs, --csr makes a request, and `certkit import-signed` takes the
    answer; --deploy, --served and --discard are for that one as well.
    The options from --inventory to --key-passphrase-file are for --deploy, and for --served where
    this machine cannot see the registry by its name.
    """
    from datetime import datetime, timezone

    from certkit.cli import elsewhere, words
    from certkit.cli.again import Again
    from certkit.durations import parse_duration
    from certkit.errors import InputError
    from certkit.home.elsewhere.requesting import discard_request
    from certkit.home.home import Home
    from certkit.home.keys.passphrase import PassphraseSources
    from certkit.home.place import home_path
    from certkit.home.renewal import promotion
    from certkit.home.renewal.renew import RenewalWish, is_due, prepare, refuse_useless
    from certkit.home.renewal.report import RenewReport, promoted_json, promoted_words, status_json
    from certkit.home.request import Origin

    wish = RenewalWish.parse(
        sans=san or (), aliases=alias or (), key_type=key_type, days=days, reuse_key=reuse_key
    )
    if witnesses is not None and not served:
        raise InputError("--from says where --served looks from", "give it with --served")
    if deploy and (served or discard):
        raise InputError("--deploy puts it into service, and sees for itself", "give it alone")
    if (served or discard) and (wish != RenewalWish() or if_due or (served and discard)):
        raise InputError("--served and --discard stand alone", "give one of them, and no wishes")
    window = parse_duration(if_due, "--if-due") if if_due else None
    opened = Home.open(home_path(flags.home))
    files = opened.sole_registry() if registry is None else opened.registry(registry)
    console = words.console_for(output)
    now = datetime.now(timezone.utc)
    if csr:
        if deploy or served or discard or if_due:
            raise InputError("--csr makes a request and nothing else", "give it with wishes only")
        elsewhere.ask_again(opened, files, wish, now, output)
        return
    if discard:
        gone = promotion.discard(opened, files) | discard_request(opened, files)
        words.say(console, "Thrown away." if gone else "No new certificate is waiting.")
        if output is DocumentOutput.JSON:
            words.say_json(status_json(files, "discarded" if gone else "nothing"))
        return
    if served:
        seen = _seen(replace(flags, registry=files.reference.text), files, witnesses)
        done = promotion.promote(opened, files, seen, now)
        again = Again.of(vars(flags))
        for line in promoted_words(done):
            words.say(console, again.completed(line))
        if output is DocumentOutput.JSON:
            words.say_json(promoted_json(done))
        return
    if window is not None:
        if not is_due(files, window, now):
            if output is DocumentOutput.JSON:
                words.say_json(status_json(files, "not_due"))
            return
        refuse_useless(files)
    made = None
    if files.request.origin is not Origin.OWN:
        made = elsewhere.taken(files, wish)
        if made is None:
            code = elsewhere.remind(files, now, output, due=window is not None)
            raise typer.Exit(code.value)
    session = None
    if deploy:
        from certkit.cli.next_steps import tell_of, then_look
        from certkit.cli.session import Session
        from certkit.operations import serving

        # Before anything is made: an inventory that cannot be used makes no certificate.
        session = Session(
            replace(flags, registry=files.reference.text, output=FleetOutput(output.value))
        )
        serving.required(session)
    ask = words.ask_secret if words.on_terminal() else None
    made = made or prepare(opened, files, wish, PassphraseSources(passphrase_file, ask=ask), now)
    report = RenewReport(made, now, flags.inventory)
    _show(console, report, last=session is None)
    if session is not None:
        put = serving.serve(session, waiting=True)
        session.show(put.report, then_look(session, put))
        tell_of(session, put)
        raise typer.Exit(put.exit_code.value)
    if output is DocumentOutput.JSON:
        words.say_json(report.to_json())


def _seen(flags: Flags, files: RegistryFiles, witnesses: str | None) -> str:
    """Look at what is served, with the inventory's help where only hosts know the name."""
    from certkit.cli.session import Session
    from certkit.errors import ErrorKind, HostError
    from certkit.home.inspection.served import fetch_served
    from certkit.operations.serving import in_service
    from certkit.pki.bundle import fingerprint

    if witnesses is None:
        try:
            return fingerprint(fetch_served(files.reference)[0])
        except HostError as error:
            if error.kind is not ErrorKind.DNS or not (
                flags.inventory or DEFAULT_INVENTORY.exists()
            ):
                raise
    return in_service(Session(flags), witnesses)


def _show(console: Console, report: RenewReport, *, last: bool) -> None:
    from certkit.cli.words import say, say_pairs

    say(console, report.headline, "bold")
    say_pairs(console, report.pairs)
    for warning in report.waiting.warnings:
        say(console, f"warning: {warning}", "yellow")
    say(console)
    if not last:
        return
    say(console, "Next", "bold")
    for number, (sentence, command) in enumerate(report.next_steps, 1):
        say(console, f"  {number}. {sentence}:")
        say(console, f"     {command}", "cyan")
