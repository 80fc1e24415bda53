"""The demo as a whole: what it leaves, and that a step which shows something else is a failure."""

from __future__ import annotations

import io
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from certkit.demo import run as running
from certkit.demo.screen import Screen
from certkit.demo.stage import Ran, Stage
from certkit.demo.story import Story


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def screen(stream: io.StringIO) -> Screen:
    return Screen(Console(file=stream, highlight=False, soft_wrap=True, width=80))


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def play_only(monkeypatch: pytest.MonkeyPatch, step: Callable[[Story], str]) -> None:
    steps = property(lambda story: (("A step", lambda: step(story)),))
    monkeypatch.setattr(Story, "steps", steps)


def test_a_command_that_fails_is_a_failed_step(
    screen: Screen, stream: io.StringIO, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stage, "certkit", lambda *_: Ran(3, "", "error: no\n"))
    play_only(monkeypatch, Story.make_certificate)
    assert not running.run(screen)
    assert "FAILED: step 1 (A step): init exits with 3, not 0" in stream.getvalue()
    assert "error: no" in stream.getvalue()
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"hosts": [{}]}', '{"hosts": 1}'])
def test_a_report_that_is_none_is_a_failed_step(
    screen: Screen, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, document: str
) -> None:
    monkeypatch.setattr(Stage, "certkit", lambda *_: Ran(0, document, ""))
    play_only(monkeypatch, Story.distribute)
    assert not running.run(screen)
    assert "FAILED: step 1 (A step): " in stream.getvalue()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_behind(
    screen: Screen, scratch: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def step(story: Story) -> str:
        assert list(scratch.iterdir()) != []
        # Not to the process, whose other threads may get it: the answer would come too late.
        signal.raise_signal(number)
        return "never shown"

    play_only(monkeypatch, step)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        running.run(screen)
    assert list(scratch.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_commands_do_not_see_the_users_own_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CERTKIT_INVENTORY", "/nowhere")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/nowhere")
    with Stage() as stage:
        ran = stage.certkit("init", stage.reference, "--no-passphrase")
        assert ran.status == 0, ran.stderr
        assert stage.home.is_dir()
        assert ran.report


# Five runs of certkit over four hosts take their time on a busy machine.
@pytest.mark.timeout(600)
def test_every_step_shows_what_it_should(screen: Screen, stream: io.StringIO) -> None:
    assert running.run(screen), stream.getvalue()
    assert max(map(len, stream.getvalue().splitlines())) <= 80
