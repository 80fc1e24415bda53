"""The shape of what ``certkit inspect`` shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from cryptography import x509

from certkit.pki.describe import describe_certificate

SCHEMA = "certkit.inspect/1"

Kind = Literal["certificate", "bundle", "key", "registry", "home", "live"]
Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Section:
    """A heading with label and text pairs below it."""

    heading: str
    pairs: Pairs


@dataclass(frozen=True)
class Inspection:
    """Something looked at, as data and in words.

    Attributes:
        kind: What it is.
        sections: The words.
        values: The JSON, without schema and kind.
        attention: Whether somebody should act: expired, or not what the home says.
    """

    kind: Kind
    sections: tuple[Section, ...]
    values: dict[str, Any]
    attention: bool = False

    def to_json(self) -> dict[str, Any]:
        """The document for ``-o json``."""
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "attention": self.attention,
            **self.values,
        }


def describe_all(
    certificates: tuple[x509.Certificate, ...], now: datetime, heading: str = "certificate"
) -> tuple[list[Section], list[dict[str, Any]], bool]:
    """Describe certificates: sections, JSON, and whether one of them is not valid now."""
    described = [describe_certificate(certificate, now) for certificate in certificates]
    total = len(described)
    sections = [
        Section(heading if total == 1 else f"{heading} {number} of {total}", item.words())
        for number, item in enumerate(described, 1)
    ]
    attention = any(item.state != "valid" for item in described)
    return sections, [item.to_json() for item in described], attention


def section(heading: str, pairs: Pairs) -> Section:
    """A section without the pairs that have no text."""
    return Section(heading, [(label, text) for label, text in pairs if text])
