"""What the commands for many hosts share: home, inventory, passwords, connector, report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from certkit.cli.again import Again, T
from certkit.cli.ask import confirm_restarts
from certkit.cli.flags import Flags, FleetOutput, HostKeyChoice
from certkit.cli.given import given_inventory
from certkit.cli.options import DocumentOutput
from certkit.cli.passwords import Passwords, ask_passphrase, collect
from certkit.cli.render import machine
from certkit.cli.render.output import STDERR, STDOUT
from certkit.cli.render.screen import Screen
from certkit.cli.render.summary import show_report, summary_line
from certkit.cli.signals import Interrupts
from certkit.cli.words import console_for, error_console, say, say_plain
from certkit.errors import CertkitError, ExitCode
from certkit.fleet.events import Event, Watcher
from certkit.fleet.job import DEFAULT_PARALLEL, RunOptions
from certkit.fleet.plan import RestartPlan
from certkit.fleet.report import FleetReport
from certkit.fleet.stop import Stop
from certkit.home.home import Home
from certkit.home.place import home_path
from certkit.home.registry import RegistryFiles
from certkit.inventory.inventory import Inventory
from certkit.inventory.model import Host
from certkit.names import RegistryReference
from certkit.pki.bundle import TrustBundle
from certkit.secret import Secret
from certkit.transport.connection import Connector

if TYPE_CHECKING:
    from rich.console import Console

    from certkit.inventory.registry_host import RegistryHost


class Session:
    """One command's run: everything read and checked before anything connects.

    Args:
        flags: As given.
        yes: Daemons are restarted without asking.

    Raises:
        InputError: Bad input; nothing was touched.
        HomeError: The home is unusable.

    Attributes:
        home: The home.
        files: The registry's part of it.
        inventory: As understood.
        hosts: Those selected, passwords filled in.
        references: The registry, then its aliases.
        bundle: What hosts are to trust.
        stop: Stops the run.
        parts: Reports of what is through, where a command has several parts.
    """

    def __init__(self, flags: Flags, *, yes: bool = False) -> None:
        self.flags = flags
        self._yes = yes
        self.stop = Stop()
        self.parts: list[FleetReport] = []
        self._passwords: Passwords = collect(
            ask_login=flags.ask_pass,
            login_file=flags.password_file,
            ask_become=flags.ask_become_pass,
            become_file=flags.become_password_file,
            key_file=flags.key_passphrase_file,
        )
        self.home = Home.open(home_path(flags.home))
        self.inventory = given_inventory(flags)
        named = flags.registry or self.inventory.registry
        self.files = self.home.registry(named) if named else self.home.sole_registry()
        self.references = _references(self.files, self.inventory)
        self.bundle: TrustBundle = self.files.bundle()
        self.hosts: tuple[Host, ...] = self._passwords.fill(
            self.inventory.select(flags.limit, flags.exclude)
        )
        for warning in self.inventory.warnings:
            self.warn(warning)

    @cached_property
    def console(self) -> Console:
        """Standard error."""
        return error_console()

    @property
    def server(self) -> RegistryHost | None:
        """The registry's own machine, passwords filled in, where the inventory names it."""
        found = self.inventory.registry_host
        if found is None:
            return None
        [host] = self._passwords.fill([found.host])
        return replace(found, host=host)

    def chosen(self, pattern: str | None) -> tuple[Host, ...]:
        """Hosts of the inventory beside those of the run, passwords filled in.

        Raises:
            InputError: The pattern is malformed or matches nothing.
        """
        return self._passwords.fill(self.inventory.select(pattern)) if pattern else ()

    @property
    def terminal(self) -> bool:
        """Whether there is somebody to ask."""
        return sys.stdin.isatty() and STDERR.isatty()

    def warn(self, text: str) -> None:
        """Tell of something that does not stop the run."""
        say_plain(self.console, f"warning: {self.again(text)}", "yellow")

    def say(self, text: str) -> None:
        """Tell people one line, unless they want to hear none."""
        if not self.flags.quiet:
            say(self.console, text)

    def again(self, text: str) -> str:
        """Return words with every command in them ready to paste: see `certkit.cli.again`."""
        return self._again.completed(text)

    def told(self, one: T) -> T:
        """Return what is reported, the commands in its cures and hints ready to paste."""
        return self._again.told(one)

    @cached_property
    def _again(self) -> Again:
        chosen = ""
        if not self.flags.registry:
            try:
                self.home.sole_registry()
            except CertkitError:  # the home alone does not say which one it is
                chosen = self.files.reference.text
        return Again.of(vars(self.flags), chosen)

    def ran(self, report: FleetReport) -> None:
        """Show a part of the run where that is a table; one document is made of all at the end."""
        self.parts.append(report)
        if self.flags.output is FleetOutput.TABLE:
            self.show(report, [])

    @contextmanager
    def running(self, phases: dict[str, str] | None = None) -> Iterator[Running]:
        """Open the connector, handle Ctrl-C and show progress while the block runs."""
        from certkit.fleet.limits import connections_kept, raise_open_files
        from certkit.transport.connector import open_connector
        from certkit.transport.options import ConnectorOptions

        flags = self.flags
        parallel = flags.parallel or self.inventory.settings.parallel or DEFAULT_PARALLEL
        bounds = RunOptions(
            parallel=parallel,
            retries=flags.retries,
            host_timeout=flags.timeout,
            run_timeout=flags.run_timeout,
            keep=connections_kept(raise_open_files(), parallel),
        )
        console = None if flags.quiet else self.console
        screen = Screen(console, verbose=flags.verbose, names=phases)

        def passphrase(path: Path) -> Secret | None:
            with screen.paused():
                return ask_passphrase(path)

        connector = open_connector(
            ConnectorOptions(
                known_hosts=flags.known_hosts,
                host_key_policy="strict"
                if flags.host_key is HostKeyChoice.STRICT
                else "accept-new",
                passphrase_prompt=passphrase if self.terminal else None,
                verbose=flags.verbose,
            )
        )
        try:
            interrupts = Interrupts(self.stop, connector.abort)
            with interrupts.installed(), screen.shown():
                yield Running(
                    connector,
                    bounds,
                    screen,
                    self._watcher(screen),
                    lambda plan: self._confirm(plan, screen, interrupts),
                )
        finally:
            connector.close()

    def _watcher(self, screen: Screen) -> Watcher:
        if self.flags.output is not FleetOutput.JSONL:
            return screen

        def watch(event: Event) -> None:
            STDOUT.write(machine.host_line(self.told(event)))
            screen(event)

        return watch

    def _confirm(self, plan: RestartPlan, screen: Screen, interrupts: Interrupts) -> bool:
        """Ask before containers are stopped, where there is somebody to ask.

        Without a terminal the run goes on: the policy that the operator set is the answer.
        """
        if self._yes or not plan.disturbs or not self.terminal:
            return True
        with screen.paused(), interrupts.asking():
            return confirm_restarts(self.console, plan)

    def show(
        self,
        report: FleetReport,
        next_steps: Iterable[str],
        table: Callable[[Console, FleetReport, Iterable[str]], None] = show_report,
        line: Callable[[FleetReport], str] = summary_line,
    ) -> None:
        """Print the report as it was asked for.

        Args:
            report: The run.
            next_steps: Commands worth running now.
            table: How people are shown it.
            line: Its sums in one line.
        """
        output, quiet = self.flags.output, self.flags.quiet
        forms: dict[FleetOutput, Callable[[FleetReport], str]] = {
            FleetOutput.JSON: machine.document,
            FleetOutput.JSONL: machine.summary_line,
            FleetOutput.JUNIT: _junit,
        }
        if output in forms:
            STDOUT.write(forms[output](report))
            if not quiet:
                say(self.console, line(report))
        elif not quiet or report.exit_code is not ExitCode.DONE:
            table(console_for(DocumentOutput.TABLE), report, next_steps)

    def done(self, report: FleetReport) -> typer.Exit:
        """Return the end of the command, with the report's exit code."""
        return typer.Exit(report.exit_code.value)


class Running(NamedTuple):
    """What a run needs while it goes on; see `certkit.operations.run.Running`."""

    connector: Connector
    bounds: RunOptions
    progress: Watcher
    watcher: Watcher
    confirm: Callable[[RestartPlan], bool]


def _junit(report: FleetReport) -> str:
    from certkit.cli.render.junit import junit

    return junit(report)


def _references(files: RegistryFiles, inventory: Inventory) -> tuple[RegistryReference, ...]:
    named = [RegistryReference.parse(alias) for alias in inventory.aliases]
    return tuple(dict.fromkeys((*files.references, *named)))
