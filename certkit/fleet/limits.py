"""What the operating system grants this process."""

from __future__ import annotations

import resource

# What is left for files, the terminal, bastions and agents beside one descriptor a connection.
_RESERVED = 64
_KEPT_AT_MOST = 256


def raise_open_files() -> int:
    """Raise the soft limit of open files to the hard one; return the limit that holds.

    A soft limit of 1024, or of 256 on some systems, is met by a few hundred connections
    (ansible/ansible#29646).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
        except (ValueError, OSError):
            # Some systems report a hard limit above what they grant; the old one still holds.
            return soft
    return soft if soft != resource.RLIM_INFINITY else wanted


def connections_kept(open_files: int, parallel: int) -> int:
    """How many idle connections may wait for their restart under a limit of open files."""
    return max(0, min(_KEPT_AT_MOST, open_files - _RESERVED - 2 * parallel))
