"""Scratch hosts, one for each shell that the program must run under."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# pytest's importlib mode gives test modules no package; the helper is loaded under one fixed name.
_spec = importlib.util.spec_from_file_location("sandbox", Path(__file__).parent / "sandbox.py")
assert _spec and _spec.loader
sandbox = sys.modules.setdefault("sandbox", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(sandbox)


@pytest.fixture(params=[*sandbox.SHELLS, "busybox-userland"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Return a scratch host, once for each shell and once with nothing but busybox."""
    return _make(tmp_path, request.param)


@pytest.fixture
def make_host(tmp_path: Path) -> Callable[[str], Any]:
    """Return a maker of scratch hosts, for tests that need one shell only."""
    return lambda shell="dash": _make(tmp_path, shell)


def _make(tmp_path: Path, kind: str) -> Any:
    if reason := sandbox.why_not():
        pytest.skip(f"needs namespaces for a scratch host: {reason}")
    shell, userland = ("busybox", "busybox") if kind == "busybox-userland" else (kind, "gnu")
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here; CI installs it")
    return sandbox.Sandbox(tmp_path / "host", shell, userland)
