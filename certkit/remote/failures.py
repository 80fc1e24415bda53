"""The failures and notes that the remote program reports by code, in words with a cure."""

from __future__ import annotations

from certkit.errors import ErrorKind, HostError
from certkit.remote.framing import clean

_RUN_AGAIN = "nothing was changed; free the cause and run the same command again"

# code: kind, message, hint. {0} is the subject (mostly a path), {1} the detail.
_FAILURES: dict[str, tuple[ErrorKind, str, str]] = {
    "disk_full": (ErrorKind.DISK_FULL, "no space left for {0}", "free some space and run again"),
    "read_only": (
        ErrorKind.READ_ONLY,
        "{0} is on a read-only file system",
        "remount it, or place the trust in the image this host boots from",
    ),
    "permission": (
        ErrorKind.PERMISSION,
        "no permission to write {0}",
        "use become: {{method: sudo}}; for root, look at lsattr (chattr +i) and the mount",
    ),
    "conflict": (ErrorKind.CONFLICT, "{0} is in the way: {1}", "look at it, move it away"),
    "symlink": (
        ErrorKind.CONFLICT,
        "{0} is a symlink, and certkit does not write through one",
        "replace it by a directory or file, or set certs_dir to where it points",
    ),
    "not_directory": (
        ErrorKind.CONFLICT,
        "{0} should be a directory and is a file",
        "move it away, or set certs_dir",
    ),
    "not_file": (
        ErrorKind.CONFLICT,
        "{0} should be a file and is something else",
        "move it away",
    ),
    "locked": (
        ErrorKind.CONFLICT,
        "another certkit is at work on this host: {1}",
        "wait for it; should it be gone without a trace, remove {0}",
    ),
    "state": (
        ErrorKind.CONFLICT,
        "{0}, where certkit keeps what it put on this host and what was there before, is {1}",
        "see who made it so and what is in it; then make it its owner's alone, or move it away",
    ),
    "no_user": (ErrorKind.CONFLICT, "there is no user or group {0}", "correct the inventory"),
    "not_user": (
        ErrorKind.PERMISSION,
        "the runtime of {0} can be reached by that user and by root only",
        "log in as that user, or use become: {{method: sudo}}",
    ),
    "no_nesting": (
        ErrorKind.PERMISSION,
        "the host could not run commands as {0}",
        "try runuser -u {0} -- true (or su) there, as root",
    ),
    "absent": (
        ErrorKind.DAEMON,
        "{0} was named for this host, but it is not there",
        "install it, or correct the inventory's runtime",
    ),
    "not_root": (
        ErrorKind.PERMISSION,
        "only root can restart {0}",
        "use become: {{method: sudo}}",
    ),
    "no_manager": (
        ErrorKind.DAEMON,
        "no service manager on this host knows {0}",
        "give the inventory a restart_command",
    ),
    "meanwhile": (
        ErrorKind.CONFLICT,
        "{0} was changed by somebody else at the same moment, and is left as it is",
        "run the same command again",
    ),
    "no_process": (
        ErrorKind.DAEMON,
        "the process of {0} was not found, so its settings were left alone",
        "start it by its service manager; its process writes its number to its pidfile",
    ),
    "internal": (ErrorKind.INTERNAL, "{0}: {1}", "please report this"),
}

_NOTES: dict[str, str] = {
    "shadow": "{0} exists and is read in place of certkit's file",
    "hides": "{0} is not read for this registry any more: its own directory comes first",
    "left_over": "{0} is certkit's, for a name or directory that has left the inventory: it goes",
    "left": "{0} was not put there by certkit, and is left",
    "unpaired": "{0} has no partner (X.cert needs X.key): clients refuse the whole directory",
    "unprivileged": "{0} was left alone: it needs root, and this login has a runtime of its own",
}


def failure(code: str, subject: str, detail: str) -> HostError:
    """Return the error for a failure code of the program.

    Args:
        code: As ``fail`` in ``common.sh`` has it.
        subject: What it is about, mostly a path; cleaned.
        detail: What a tool said; cleaned.
    """
    if code not in _FAILURES:
        code, subject, detail = "internal", clean(code), f"{subject} {detail}"
    kind, message, hint = _FAILURES[code]
    # Bounded, because a host may send as much as it likes.
    subject, detail = " ".join(subject.split())[:500], " ".join(detail.split())[:300]
    return HostError(
        kind,
        message.format(subject, detail or "no reason was given"),
        hint.format(subject, detail),
        retryable=code == "locked",
    )


def note(code: str, subject: str) -> str:
    """Return the line for a note code of the program."""
    return _NOTES.get(code, "{0}").format(subject)
