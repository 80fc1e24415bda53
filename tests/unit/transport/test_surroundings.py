"""What the process as a whole is set to before it opens connections."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from certkit.transport.surroundings import switch_seldom


@pytest.fixture(autouse=True)
def interval() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize(("before", "after"), [(0.005, 0.05), (0.2, 0.2)])
def test_threads_ask_for_the_interpreter_seldom(before: float, after: float) -> None:
    sys.setswitchinterval(before)
    switch_seldom()
    assert sys.getswitchinterval() == pytest.approx(after, rel=1e-3)
