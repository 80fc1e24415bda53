"""Options that several commands share, spelled once."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class FleetOutput(str, Enum):
    """What ``-o`` takes where a command works on many hosts."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    JUNIT = "junit"


class RestartChoice(str, Enum):
    """What ``--restart`` takes; the same words as in the inventory."""

    CHANGED = "changed"
    SAFE = "safe"
    ALWAYS = "always"
    NEVER = "never"


class HostKeyChoice(str, Enum):
    """What ``--host-key`` takes."""

    STRICT = "strict"
    ACCEPT_NEW = "accept-new"


class DocumentOutput(str, Enum):
    """What ``-o`` takes where a command prints one document."""

    TABLE = "table"
    JSON = "json"


HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        envvar="CERTKIT_HOME",
        help="Where certkit keeps authorities and keys; default: the user's data directory.",
        show_default=False,
    ),
]

InventoryOption = Annotated[
    Path | None,
    typer.Option(
        "--inventory",
        "-i",
        metavar="FILE",
        envvar="CERTKIT_INVENTORY",
        help="The hosts; default: hosts.yaml here.",
        show_default=False,
    ),
]

OutputOption = Annotated[
    DocumentOutput,
    typer.Option("--output", "-o", help="Words, or one JSON document on standard output."),
]

PassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="Read the passphrase of the authority's key from this file (mode 0600). "
        "CERTKIT_CA_PASSPHRASE works as well.",
        show_default=False,
    ),
]

RegistryArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="REGISTRY",
        help="The registry; default: the inventory's, else the only one of the home.",
        show_default=False,
    ),
]

LimitOption = Annotated[
    str | None,
    typer.Option(
        "--limit",
        metavar="PATTERN",
        help="Only these hosts: names, groups, globs, ~regex, web[0:4], @file; joined by a comma, "
        "& intersects, ! excludes.",
        show_default=False,
    ),
]

ExcludeOption = Annotated[
    str | None,
    typer.Option("--exclude", metavar="PATTERN", help="Not these hosts.", show_default=False),
]

FleetOutputOption = Annotated[
    FleetOutput,
    typer.Option(
        "--output",
        "-o",
        help="A table; one JSON document; a JSON line for each host as it finishes; JUnit XML.",
    ),
]

ParallelOption = Annotated[
    int | None,
    typer.Option(
        "--parallel",
        metavar="N",
        min=1,
        max=1024,
        help="Hosts worked on at the same time; default: the inventory's, else 64.",
        show_default=False,
    ),
]

TimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="S",
        min=1,
        help="Seconds for the work on one host, retries included, restarts excluded; default: the "
        "inventory's, else 180.",
        show_default=False,
    ),
]

RunTimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--run-timeout",
        metavar="S",
        min=1,
        help="Seconds after which no new host is started.",
        show_default=False,
    ),
]

RetriesOption = Annotated[
    int,
    typer.Option(
        "--retries",
        metavar="N",
        min=0,
        max=20,
        help="How often a host is tried again after a failure that may pass.",
    ),
]

VerboseOption = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        metavar="",
        help="A line for each host; -vv tracebacks; -vvv the SSH log.",
        show_default=False,
    ),
]

QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress, and no words where all went well.")
]

UserOption = Annotated[
    str | None,
    typer.Option("--user", metavar="NAME", help="Login name.", show_default=False),
]

PortOption = Annotated[
    int | None,
    typer.Option("--port", metavar="N", min=1, max=65535, help="SSH port.", show_default=False),
]

IdentityOption = Annotated[
    Path | None,
    typer.Option(
        "--identity-file", metavar="FILE", help="Private key to log in with.", show_default=False
    ),
]

KnownHostsOption = Annotated[
    Path | None,
    typer.Option(
        "--known-hosts",
        metavar="FILE",
        help="Host keys to trust, in place of the user's and the system's files.",
        show_default=False,
    ),
]

HostKeyOption = Annotated[
    HostKeyChoice,
    typer.Option(
        "--host-key",
        help="What to do with an unknown host key. A changed one is refused in any case.",
    ),
]

AskPassOption = Annotated[
    bool, typer.Option("--ask-pass", "-k", help="Ask once for the SSH password.")
]

PasswordFileOption = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        help="Read the SSH password from this file (mode 0600).",
        show_default=False,
    ),
]

AskBecomePassOption = Annotated[
    bool, typer.Option("--ask-become-pass", "-K", help="Ask once for the sudo password.")
]

BecomePasswordFileOption = Annotated[
    Path | None,
    typer.Option(
        "--become-password-file",
        metavar="FILE",
        help="Read the sudo password from this file (mode 0600). CERTKIT_BECOME_PASSWORD works "
        "as well.",
        show_default=False,
    ),
]

KeyPassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        "--key-passphrase-file",
        metavar="FILE",
        help="Read the passphrase of the private key from this file (mode 0600). "
        "CERTKIT_KEY_PASSPHRASE works as well.",
        show_default=False,
    ),
]
