"""Where else the trust may lie than where a client looks for it, to the byte. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from shlex import quote

from certkit.fleet.drift.findings import Finding, put_aside
from certkit.names import RegistryReference
from certkit.remote.survey import Place, RuntimeSurvey

_SCHEME = re.compile(r"^https?[:_]/*")
_PORT = re.compile(r"\.?[:_-]?(\d*)_?\.?")


def nearly(reference: RegistryReference, name: str) -> bool | None:
    """Tell whether a directory's name is a registry's, written in another way.

    Args:
        reference: The registry.
        name: Of a directory, other than `reference` itself.

    Returns:
        True for the same host and port: other case, a pasted ``http://``, a dot at the end, the
        colon as something else, IPv6 without its brackets. False where only the port is left out
        or added, since that may be another registry. None for any other name.
    """
    bare = _SCHEME.sub("", name.strip().lower()).translate({ord("["): None, ord("]"): None})
    if not bare.startswith(reference.host):
        return None
    rest = _PORT.fullmatch(bare[len(reference.host) :])
    if rest is None:
        return None
    digits = rest.group(1)
    if digits == str(reference.port or ""):
        return True
    return False if not digits or reference.port is None else None


def nearby(
    place: Place,
    survey: RuntimeSurvey,
    reference: RegistryReference,
    others: Iterable[RegistryReference],
) -> Iterable[Finding]:
    """Find directories that were meant to be a registry's, and are not read for it.

    Args:
        place: Where the registry's trust should be.
        survey: The runtime's.
        reference: Whose place it is.
        others: All names of the registry, whose directories are in order.
    """
    base, wanted, _ = place.path.rsplit("/", 2)
    right = f"{base}/{wanted}"
    known = {wanted, *(other.text for other in others)}
    there = any(directory.path == right for directory in place.directories)
    missing = not any(entry.name == "ca.crt" for entry in place.entries)
    for name in survey.neighbours.get(base, ()):
        path = f"{base}/{name}"
        if name in known or (path in survey.shadows and not missing):
            continue
        same = nearly(reference, name)
        cure = put_aside(path) if there else f"mv {quote(path)} {quote(right)}"
        if same or (missing and same is False):
            yield Finding(
                "near_name",
                path,
                f"{path} is another name than {wanted}, which clients look for byte for byte",
                cure,
                f"there is {path!r}" + ("" if there else f", and no {right!r}"),
            )
        elif same is False:
            yield Finding("similar_name", path, f"{path} is not read for {wanted}")
    for path in survey.elsewhere if missing else ():
        if path.rpartition("/")[2] == wanted:
            yield Finding(
                "wrong_place",
                path,
                f"{survey.name} does not read {path}",
                f"mkdir -p {quote(right)} && cp {quote(path)}/*.crt {quote(right)}",
                f"there is {path}, and nothing in {right}",
            )
