"""Fixtures of every tier that talks to a real sshd; a conftest imports what it wants."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from certkit.transport.connection import Connector
from certkit.transport.connector import open_connector
from certkit.transport.options import ConnectorOptions
from tests.ssh.sshd import Sshd, sshd_running


@pytest.fixture(scope="session")
def sshd() -> Iterator[Sshd]:
    """One server for all tests that do not change it."""
    with sshd_running() as running:
        yield running


@pytest.fixture
def start_sshd() -> Iterator[Callable[..., Sshd]]:
    """Starts servers of a test's own; see `sshd_running` for the arguments."""
    with ExitStack() as stack:

        def start(*args: object, **kwargs: object) -> Sshd:
            context: AbstractContextManager[Sshd] = sshd_running(*args, **kwargs)  # type: ignore[arg-type]
            return stack.enter_context(context)

        yield start


@pytest.fixture
def connector() -> Iterator[Connector]:
    opened = open_connector(ConnectorOptions(start_spread=0))
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def nothing_left(sshd: Sshd) -> Iterator[None]:
    """Every test leaves as many threads and file descriptors as it found."""
    threads, files = set(threading.enumerate()), _open_files()
    yield
    deadline = time.monotonic() + 20
    while set(threading.enumerate()) - threads or _open_files() > files:
        assert time.monotonic() < deadline, (set(threading.enumerate()) - threads, _open_files())
        time.sleep(0.01)


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
