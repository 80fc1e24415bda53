"""Where the home is, and how a command that is to be pasted names it and the inventory."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import platformdirs

from certkit.errors import HomeError

ENVIRONMENT = "CERTKIT_HOME"


def home_path(option: Path | None = None) -> Path:
    """Where the home is: ``--home``, else ``CERTKIT_HOME``, else the user's data directory.

    Args:
        option: What ``--home`` gave.

    Returns:
        An absolute path without symbolic links; it need not exist.

    Raises:
        HomeError: It names the home of a user who is not there, or is a loop of links.
    """
    path = option or Path(
        os.environ.get(ENVIRONMENT) or platformdirs.user_data_dir("certkit", appauthor=False)
    )
    try:
        return path.expanduser().resolve()
    except (OSError, RuntimeError) as error:
        raise HomeError(
            f"{path} is not a usable path: {error}", "write it out, or name another with --home"
        ) from error


def inventory_option(path: Path | None) -> str:
    """``-i FILE`` for commands to paste: what was given, else the example that all pages have."""
    return f"-i {shlex.quote(str(path or 'hosts.yaml'))}"


def home_option(path: Path) -> str:
    """`` --home DIR`` where commands to paste need it, else nothing."""
    try:
        needed = path != home_path()
    except HomeError:
        needed = True
    return f" --home {shlex.quote(str(path))}" if needed else ""
