"""A stand-in for sudo, which takes its options and keeps its rules of asking."""

from __future__ import annotations

from pathlib import Path

_SUDO = """#!/bin/sh
record=RECORD
prompt=no
while [ $# -gt 0 ]; do
  case "$1" in
    -n) prompt=never; shift;;
    -S) prompt=stdin; shift;;
    -p|-u) shift 2;;
    --) shift; break;;
    *) break;;
  esac
done
BEHAVIOUR
exec "$@"
"""
# Reads one byte at a time as sudo does, so that nothing behind the password is taken.
_ASKS = """
[ $prompt = never ] && { echo "sudo: a password is required" >&2; exit 1; }
tries=0
while :; do
  IFS= read -r line || { echo "sudo: no password was provided" >&2; exit 1; }
  echo "$line" >>$record
  [ "$line" = 'PASSWORD' ] && break
  echo "Sorry, try again." >&2
  tries=$((tries+1)); [ $tries = 3 ] && { echo "sudo: 3 incorrect attempts" >&2; exit 1; }
done
"""


def asking(password: str) -> str:
    """What sudo does where it wants a password: a behaviour for `write_sudo`."""
    return _ASKS.replace("PASSWORD", password)


def write_sudo(path: Path, behaviour: str = "", record: str = "/dev/null") -> None:
    """Write a sudo that anybody can run.

    Args:
        path: What it is called.
        behaviour: What it does, in sh, before it runs the command as whoever runs it; ``$prompt``
            is ``never`` or ``stdin`` as it was asked to.
        record: A file that takes every password that it is given.
    """
    path.write_text(_SUDO.replace("BEHAVIOUR", behaviour).replace("RECORD", record))
    path.chmod(0o755)
