"""The options of the commands for many hosts, in groups; see `certkit.cli.grouped`.

Annotations are not postponed here: as text, every option would be compiled anew at each start.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from certkit.cli.grouped import Without
from certkit.cli.options import HomeOption, InventoryOption, RegistryArgument, RetriesOption

if TYPE_CHECKING:
    from certkit.operations.distributing import Distribution

DEFAULT_INVENTORY = Path("hosts.yaml")


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


@dataclass(frozen=True)
class Flags:
    """The options that the commands for many hosts share, as they were given."""

    registry: RegistryArgument = None
    home: HomeOption = None
    inventory: InventoryOption = None
    limit: Annotated[
        str | None,
        typer.Option(
            "--limit",
            metavar="PATTERN",
            help="Only these hosts: names, groups, globs, ~regex, web[0:4], @file; joined by a "
            "comma, & intersects, ! excludes.",
            show_default=False,
        ),
    ] = None
    exclude: Annotated[
        str | None,
        typer.Option("--exclude", metavar="PATTERN", help="Not these hosts.", show_default=False),
    ] = None
    registry_host: Annotated[
        Path | None,
        typer.Option(
            "--registry-host",
            metavar="FILE",
            help="A YAML file that holds what stands under registry_host: in an inventory, in its "
            "place.",
            show_default=False,
        ),
    ] = None
    output: Annotated[
        FleetOutput,
        typer.Option(
            "--output",
            "-o",
            help="A table; one JSON document; a JSON line for each host as it finishes; JUnit XML.",
        ),
    ] = FleetOutput.TABLE
    parallel: Annotated[
        int | None,
        typer.Option(
            "--parallel",
            metavar="N",
            min=1,
            max=1024,
            help="Hosts worked on at the same time; default: the inventory's, else 64.",
            show_default=False,
        ),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            metavar="S",
            min=1,
            help="Seconds for the work on one host, retries included, restarts excluded; default: "
            "the inventory's, else 180.",
            show_default=False,
        ),
    ] = None
    run_timeout: Annotated[
        float | None,
        typer.Option(
            "--run-timeout",
            metavar="S",
            min=1,
            help="Seconds after which no new host is started.",
            show_default=False,
        ),
    ] = None
    retries: RetriesOption = 2
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="NAME", help="Login name.", show_default=False),
    ] = None
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="N", min=1, max=65535, help="SSH port.", show_default=False),
    ] = None
    identity_file: Annotated[
        Path | None,
        typer.Option(
            "--identity-file",
            metavar="FILE",
            help="Private key to log in with.",
            show_default=False,
        ),
    ] = None
    known_hosts: Annotated[
        Path | None,
        typer.Option(
            "--known-hosts",
            metavar="FILE",
            help="Host keys to trust, in place of the user's and the system's files.",
            show_default=False,
        ),
    ] = None
    host_key: Annotated[
        HostKeyChoice,
        typer.Option(
            "--host-key",
            help="What to do with an unknown host key. A changed one is refused in any case.",
        ),
    ] = HostKeyChoice.STRICT
    ask_pass: Annotated[
        bool, typer.Option("--ask-pass", "-k", help="Ask once for the SSH password.")
    ] = False
    password_file: Annotated[
        Path | None,
        typer.Option(
            "--password-file",
            metavar="FILE",
            help="Read the SSH password from this file (mode 0600).",
            show_default=False,
        ),
    ] = None
    ask_become_pass: Annotated[
        bool, typer.Option("--ask-become-pass", "-K", help="Ask once for the sudo password.")
    ] = False
    become_password_file: Annotated[
        Path | None,
        typer.Option(
            "--become-password-file",
            metavar="FILE",
            help="Read the sudo password from this file (mode 0600). CERTKIT_BECOME_PASSWORD works "
            "as well.",
            show_default=False,
        ),
    ] = None
    key_passphrase_file: Annotated[
        Path | None,
        typer.Option(
            "--key-passphrase-file",
            metavar="FILE",
            help="Read the passphrase of the private key from this file (mode 0600). "
            "CERTKIT_KEY_PASSPHRASE works as well.",
            show_default=False,
        ),
    ] = None
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            metavar="",
            help="A line for each host; -vv tracebacks; -vvv the SSH log.",
            show_default=False,
        ),
    ] = 0
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, and no words where all went well.")
    ] = False


@dataclass(frozen=True)
class SpreadFlags:
    """How trust is distributed, as it was given."""

    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 4 when there is work to do.")
    ] = False
    diff: Annotated[
        bool,
        typer.Option("--diff", help="Show what differs, as certificates: subject, print, expiry."),
    ] = False
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that certkit did not write.")
    ] = False
    restart: Annotated[
        RestartChoice | None,
        typer.Option(
            "--restart",
            help="Which daemons are restarted: those whose trust changed; of these, those where "
            "no running container stops; all; none. Default: the inventory's, else changed.",
            show_default=False,
        ),
    ] = None
    wave: Annotated[
        str | None,
        typer.Option(
            "--wave",
            metavar="N|N%,...",
            help="Hosts restarted together, wave by wave; the last size repeats. The next wave "
            "begins once every daemon of this one answers. Default: the inventory's, else "
            "1,10%,50%.",
            show_default=False,
        ),
    ] = None
    max_fail: Annotated[
        str | None,
        typer.Option(
            "--max-fail",
            metavar="N|N%",
            help="Stop when more hosts than this have failed, unreachable ones included. Default: "
            "the inventory's; else only restarts stop the run: any in the first wave, or more "
            "than 10% later.",
            show_default=False,
        ),
    ] = None
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Restart without asking, although containers stop.")
    ] = False
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Leave out the hosts that the last run has done."),
    ] = False
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Only the hosts that the last run did not finish."),
    ] = False

    @property
    def distribution(self) -> "Distribution":
        """The same, as an operation takes it."""
        from certkit.operations.distributing import Distribution

        return Distribution(
            check=self.check,
            diff=self.diff,
            force=self.force,
            restart=self.restart.value if self.restart else None,
            wave=self.wave,
            max_fail=self.max_fail,
            resume=self.resume,
            retry_failed=self.retry_failed,
        )


FleetFlags = Annotated[Flags, Without("registry_host")]
ServerFlags = Annotated[Flags, Without("limit", "exclude", "parallel", "timeout", "run_timeout")]
