"""What keeps a runtime from verifying a registry, and whether certkit can take it away. Pure."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from certkit.errors import ErrorKind
from certkit.fleet.drift.findings import RETIRE
from certkit.fleet.report import Problem
from certkit.names import RegistryReference
from certkit.remote.report import RuntimeReport, SettingsReport
from certkit.runtimes.answers import insecure_indexes, lies_in, unproven
from certkit.runtimes.daemon_json import Edit, UnfitError, is_network, means, without

MOST = 64 * 1024
"""Bytes of a file that certkit edits; a larger one is nobody's daemon.json."""

_ODD = {
    "link": "is a symlink, and certkit does not write through one",
    "other": "is no file",
    "unreadable": "cannot be read by the login",
    "relative": "is not named by an absolute path",
}


@dataclass(frozen=True)
class Retirement:
    """What one runtime's settings lose.

    Attributes:
        path: The file.
        references: What the daemon verifies from then on; to be proven first.
        entries: What goes, as written; empty where the daemon only has to reload.
        before: The file as it was told; never shown.
        after: The file as it should be.
        notes: What stays, and still matters.
    """

    path: str
    references: tuple[RegistryReference, ...]
    entries: tuple[str, ...]
    before: bytes = field(repr=False)
    after: bytes = field(repr=False)
    notes: tuple[str, ...] = ()


def retirement(
    report: RuntimeReport, references: Sequence[RegistryReference]
) -> Retirement | Problem | None:
    """Say what is to be done about a runtime that does not verify a registry.

    Args:
        report: The runtime, told with its settings.
        references: The registry, then its aliases.

    Returns:
        What goes; or why nothing can, although the registry is listed; or None where it is not.
    """
    if report.settings is None:
        return _elsewhere(report, references)
    settings = report.settings
    indexes = insecure_indexes(report.verification)
    listed = tuple(one for one in references if one.text in indexes)
    texts = {one.text for one in references}
    flagged = [entry for entry in settings.flags if means(entry, texts)]
    if flagged:
        return _command_line(report.name, flagged[0])
    try:
        edit = _edit(settings, texts)
    except UnfitError as error:
        return _unfit(settings, str(error), texts) if listed or _mentions(settings, texts) else None
    if not edit.removed and not listed and not settings.unfinished:
        return None
    if not edit.listed:
        return _without_list(report.name, settings.path, listed) if listed else None
    if not settings.running:
        return Problem(
            ErrorKind.DAEMON,
            f"{settings.path} lists {_names(edit.removed)} as insecure, and {report.name} does not "
            "run, so nothing can be proven",
            f"start it, then {RETIRE}",
        )
    named = tuple(one for one in references if any(means(e, {one.text}) for e in edit.removed))
    return Retirement(
        path=settings.path,
        references=tuple(dict.fromkeys((*listed, *named))) or tuple(references),
        entries=edit.removed,
        before=settings.content,
        after=edit.content,
    )


def network_notes(
    report: RuntimeReport, references: Iterable[RegistryReference], addresses: Iterable[str] = ()
) -> tuple[str, ...]:
    """Name the networks that a daemon does not verify in, and what is known to lie in them.

    Args:
        report: The runtime.
        references: The registry, then its aliases.
        addresses: Those that the host resolves their names to.
    """
    own = [one.host for one in references if one.is_ip]
    covered = list(dict.fromkeys((*own, *addresses)))
    notes = []
    for network in _networks(report):
        inside = [one for one in covered if lies_in(one, network)]
        what = f": {', '.join(inside)} lies in it" if inside else ""
        notes.append(
            f"{network} stays in insecure-registries: no registry with an address in it is "
            f"verified{what}"
        )
    return tuple(notes)


def _networks(report: RuntimeReport) -> tuple[str, ...]:
    """The networks of the daemon, without loopback, which Docker adds by itself."""
    try:
        listed = json.loads(report.verification)["InsecureRegistryCIDRs"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return ()
    return tuple(
        text
        for text in (listed if isinstance(listed, list) else ())
        if isinstance(text, str) and is_network(text) and not _loopback(text)
    )


def _loopback(network: str) -> bool:
    return ipaddress.ip_network(network, strict=False).is_loopback


def _edit(settings: SettingsReport, texts: set[str]) -> Edit:
    if settings.kind == "missing":
        return Edit(b"", (), (), listed=False)
    if settings.kind != "file":
        raise UnfitError(_ODD[settings.kind])
    if len(settings.content) >= MOST:
        raise UnfitError(f"is larger than {MOST // 1024} KiB")
    return without(settings.content, texts)


def _mentions(settings: SettingsReport, texts: Iterable[str]) -> bool:
    return any(text.encode() in settings.content for text in texts)


def _elsewhere(
    report: RuntimeReport, references: Sequence[RegistryReference]
) -> Retirement | Problem | None:
    """Podman's setting: certkit edits no registries.conf."""
    for reference in references:
        if report.name == "podman" and unproven(report.name, reference, report.verification):
            return Problem(
                ErrorKind.CONFLICT,
                f"podman has insecure = true for {reference.text} in its registries.conf, which "
                "certkit does not edit",
                "take it out of /etc/containers/registries.conf or registries.conf.d by hand",
            )
    return None


def _command_line(name: str, entry: str) -> Problem:
    return Problem(
        ErrorKind.CONFLICT,
        f"{name} was started with --insecure-registry {entry}, which no file of settings undoes",
        "take it out of the unit or its drop-in (systemctl cat docker), of /etc/default/docker or "
        "/etc/sysconfig/docker, then restart the daemon",
    )


def _unfit(settings: SettingsReport, why: str, texts: Iterable[str]) -> Problem:
    return Problem(
        ErrorKind.CONFLICT,
        f"{settings.path} {why}, and was left alone",
        f"take {_names(sorted(texts))} out of insecure-registries there by hand (leave []), then "
        "systemctl reload docker",
    )


def _without_list(name: str, path: str, listed: Sequence[RegistryReference]) -> Problem:
    return Problem(
        ErrorKind.CONFLICT,
        f"{name} lists {_names([one.text for one in listed])} as insecure since it was started, "
        f"and {path} has no such list any more",
        f'restart the daemon, or write "insecure-registries": [] into {path} and reload it',
    )


def _names(entries: Sequence[str]) -> str:
    return ", ".join(entries)
