"""``certkit inventory``: what was understood of the hosts, before anything connects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from certkit.cli.flags import DEFAULT_INVENTORY, Flags
from certkit.cli.grouped import Only, grouped
from certkit.cli.options import DocumentOutput, OutputOption
from certkit.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from certkit.inventory import Host, Inventory

HostOption = Annotated[
    str | None,
    typer.Option("--host", metavar="NAME", help="Only this host.", show_default=False),
]

ExplainOption = Annotated[
    bool, typer.Option("--explain", help="With --host: where each of its values comes from.")
]


@grouped
def inventory(
    *,
    host: HostOption = None,
    explain: ExplainOption = False,
    output: OutputOption = DocumentOutput.TABLE,
    flags: Annotated[Flags, Only("inventory", "limit", "exclude", "user", "port", "identity_file")],
) -> None:
    """List the hosts as certkit understands them; nothing is connected to."""
    if explain and host is None:
        raise InputError("--explain is about one host", "name it: --host NAME")
    if host is not None and (flags.limit is not None or flags.exclude is not None):
        raise InputError("--host and --limit or --exclude exclude each other", "keep one")
    from certkit.cli.words import console_for, say_json
    from certkit.fleet.targets import check_runtimes
    from certkit.inventory import Overrides, load
    from certkit.inventory.describe import document, missing_identities

    found = load(
        flags.inventory or DEFAULT_INVENTORY,
        overrides=Overrides(flags.user, flags.port, flags.identity_file),
    )
    chosen: Sequence[Host]
    chosen = [_one(found, host)] if host is not None else _listed(found, flags.limit, flags.exclude)
    check_runtimes(chosen)
    found = found._replace(warnings=(*found.warnings, *missing_identities(chosen)))
    _warn(found)
    if output is DocumentOutput.JSON:
        say_json(document(found, chosen))
        return
    console = console_for(output)
    if explain:
        _explain(console, chosen[0])
    else:
        _table(console, found, chosen)


def _one(found: Inventory, name: str) -> Host:
    from certkit.inventory.places import shown, suggest

    for host in found.hosts:
        if name == host.name or name in host.also_known_as:
            return host
    hint = suggest(name, (host.name for host in found.hosts)) or "list them: certkit inventory"
    raise InputError(f"the inventory has no host '{shown(name)}'", hint)


def _listed(found: Inventory, limit: str | None, exclude: str | None) -> Sequence[Host]:
    return found.select(limit, exclude, with_skipped=True)


def _warn(found: Inventory) -> None:
    from certkit.cli.words import error_console, say

    for warning in found.warnings:
        say(error_console(), f"warning: {warning}", "yellow")


def _explain(console: Console, host: Host) -> None:
    from certkit.inventory.describe import explain

    rows = explain(host)
    _columns(console, ("VALUE OF", "IS", "FROM"), [(r.field, r.value, r.origin) for r in rows])


def _table(console: Console, found: Inventory, hosts: Sequence[Host]) -> None:
    from certkit.cli.words import say

    rows = [
        (
            host.name,
            "this machine" if host.connection == "local" else host.endpoint,
            host.user,
            " > ".join(hop.name for hop in host.jump) or "-",
            host.become.method,
            ",".join(host.runtimes),
            ",".join(group for group in host.groups if group != "ungrouped") or "-",
            "skipped" if host.skip else "",
        )
        for host in hosts
    ]
    heads = ("HOST", "ADDRESS", "USER", "JUMP", "BECOME", "RUNTIMES", "GROUPS", "")
    _columns(console, heads, rows)
    active = sum(not host.skip for host in hosts)
    registry = f", registry {found.registry}" if found.registry else ""
    say(console)
    say(console, f"{active} hosts from {found.path} ({found.format}){registry}", "dim")


def _columns(console: Console, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from certkit.cli.words import is_narrow, say

    if is_narrow(console):
        for first, *others in rows:
            say(console, first, "bold")
            for head, cell in zip(heads[1:], others, strict=True):
                if cell not in ("", "-"):
                    say(console, f"  {head.lower()} {cell}" if head else f"  {cell}")
        return
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for number, row in enumerate((heads, *rows)):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        say(console, line.rstrip(), "" if number else "bold")
