"""The image that ``certkit verify --image`` pulls, as the operator writes it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from certkit.errors import InputError
from certkit.names import RegistryReference

# The grammar of distribution's reference package, without the registry's name.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"{_COMPONENT}(?:/{_COMPONENT})*(?::\w[\w.-]{{0,127}}|@sha256:[0-9a-f]{{64}})?", re.ASCII
)


def image_of(text: str, references: Sequence[RegistryReference]) -> str:
    """Return the image without its registry; the tag ``latest`` where none is given.

    Args:
        text: ``team/app``, ``team/app:1.2`` or ``team/app@sha256:...``, with or without the
            registry in front.
        references: The registry and its aliases.

    Raises:
        InputError: It is no such reference.
    """
    bare = text
    for reference in references:
        bare = bare.removeprefix(f"{reference.text}/")
    if not _IMAGE.fullmatch(bare):
        raise InputError(
            f"--image {text!r} is not an image of {references[0].text}",
            "write it as REPO, REPO:TAG or REPO@sha256:DIGEST, in lower case",
        )
    named = "@" in bare or ":" in bare.rpartition("/")[2]
    return bare if named else f"{bare}:latest"
