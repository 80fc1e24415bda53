"""The work that every peer does on a host: one CA file, put where it is not yet.

Those without a language of their own for it run this as their one exec.
"""

from __future__ import annotations

import shlex

REGISTRY = "registry.bench:5000"
DIRECTORY = f"/etc/docker/certs.d/{REGISTRY}"
TARGET = f"{DIRECTORY}/ca.crt"

# Reads the file on stdin.
PLACE = (
    f"d={shlex.quote(DIRECTORY)}; "
    'mkdir -p "$d" && cat >"$d/.new" && '
    'if cmp -s "$d/.new" "$d/ca.crt"; then rm "$d/.new"; else mv "$d/.new" "$d/ca.crt"; fi'
)
# Reads the file and does nothing.
IGNORE = "cat >/dev/null; echo done"


def place_from_words(text: str) -> str:
    """The same, with the file in the command, for what has no way to a host's stdin."""
    return f"printf %s {shlex.quote(text)} | {{ {PLACE}; }}"
