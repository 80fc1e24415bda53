"""What a run shows while it goes on, on standard error: bars on a terminal, lines with -v."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from certkit.cli.words import say_plain
from certkit.fleet.events import (
    Event,
    HostAdvanced,
    HostFinished,
    HostRetrying,
    PhaseStarted,
    RunStopping,
    WaveStarted,
)
from certkit.fleet.report import FAILURES, HostResult
from certkit.inventory.folding import count, fold_names

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

STYLES = {
    "unchanged": "green",
    "changed": "cyan",
    "would_change": "yellow",
    "failed": "bold red",
    "unreachable": "bold red",
    "rolled_back": "bold magenta",
    "skipped": "dim",
}
_DOING = {
    "place": "placing",
    "check": "checking",
    "restart": "restarting",
    "retire": "retiring insecure settings",
    "verify": "verifying",
    "status": "reading",
    "digest": "pulling by digest",
}
_NARROW = 60


class Screen:
    """Watches a run.

    Args:
        console: Standard error; None to show nothing.
        verbose: From 1 on, a line for each host.
        names: How the phases are called where it is not as usual, such as place in a check.
    """

    def __init__(
        self,
        console: Console | None,
        *,
        verbose: int = 0,
        names: dict[str, str] | None = None,
    ) -> None:
        self._console = console
        self._verbose = verbose
        self._names = {**_DOING, **(names or {})}
        self._lock = threading.RLock()
        self._phase = ""
        self._task: TaskID | None = None
        self._tally: Counter[str] = Counter()
        self._progress = None if console is None else _bars(console)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Keep the bars on the terminal while the block runs; they leave no trace."""
        if self._progress is None:
            yield
            return
        with self._progress:
            yield

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the bars away while a question is asked."""
        with self._lock:
            if self._progress is not None:
                self._progress.stop()
            try:
                yield
            finally:
                if self._progress is not None:
                    self._progress.start()

    def __call__(self, event: Event) -> None:
        """Show one event; called by any thread."""
        with self._lock:
            self._show(event)

    def _show(self, event: Event) -> None:
        if isinstance(event, PhaseStarted):
            self._phase = event.phase
            if self._progress is not None:
                if self._task is not None:
                    self._progress.remove_task(self._task)
                doing = self._names.get(event.phase, event.phase)
                self._task = self._progress.add_task(doing, total=event.hosts, tally="")
        elif isinstance(event, WaveStarted):
            name = "canary" if event.wave == 0 else f"wave {event.wave + 1} of {event.waves}"
            self._say(f"{name}: {_few(event.hosts)}", "dim", at=1)
        elif isinstance(event, HostRetrying):
            said = f"{event.name} {event.message}; again in {event.delay:.0f} s"
            self._say(said, "yellow", at=1)
        elif isinstance(event, RunStopping):
            self._say(f"stopping: {event.reason}", "yellow", at=0)
        elif isinstance(event, HostAdvanced):
            self._advance()
        elif isinstance(event, HostFinished):
            self._tally[event.result.outcome.value] += 1
            self._advance()
            self._line(event.result)

    def _advance(self) -> None:
        if self._progress is not None and self._task is not None:
            tally = "  ".join(
                f"[{STYLES[word]}]{number} {word}[/]"
                for word, number in sorted(self._tally.items())
            )
            self._progress.update(self._task, advance=1, tally=tally)

    def _line(self, result: HostResult) -> None:
        at = 0 if result.outcome in FAILURES and self._progress is not None else 1
        line = f"{result.name} {result.outcome.value} ({result.seconds:.1f} s)"
        if result.error is not None:
            line += f": {result.error.message}"
        self._say(line, STYLES[result.outcome.value], at=at)

    def _say(self, text: str, style: str, *, at: int) -> None:
        """Show a line from a verbosity on; above the bars where there are some."""
        if self._console is not None and self._verbose >= at:
            say_plain(self._console, text, style)


def _bars(console: Console) -> Progress | None:
    """Return bars for a terminal that can draw them, else nothing."""
    if not console.is_terminal or console.is_dumb_terminal:
        return None
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    bar = [] if console.width < _NARROW else [BarColumn(bar_width=None)]
    return Progress(
        TextColumn("{task.description}"),
        *bar,
        MofNCompleteColumn(),
        TextColumn("{task.fields[tally]}"),
        console=console,
        transient=True,
        # Rich would put itself before sys.stderr, to which this console writes: a circle.
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _few(names: tuple[str, ...], most: int = 8) -> str:
    if len(names) <= most:
        return fold_names(names)
    return f"{fold_names(names[:most])} and {count(len(names) - most, 'more host')}"
