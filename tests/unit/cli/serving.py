"""A registry that serves what a test says, to the commands of this process that look there."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

# Imported while it is patched, this one would keep the patch for all tests that follow.
import certkit.registry.sight  # noqa: F401
from certkit.home.inspection import served


def serve(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Answer every look with the chain in this file."""
    chain = tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    monkeypatch.setattr(served, "fetch_served", lambda reference: chain)
