"""Lengths of time as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from certkit.durations import parse_duration
from certkit.errors import InputError


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("30d", timedelta(days=30)),
        ("12h", timedelta(hours=12)),
        ("1d12h", timedelta(hours=36)),
        ("2w", timedelta(days=14)),
        ("90m", timedelta(minutes=90)),
        ("0d", timedelta()),
    ],
)
def test_understood(text: str, length: timedelta) -> None:
    assert parse_duration(text, "--if-due") == length


@pytest.mark.parametrize("text", ["", "30", "d", "30 d", "-3d", "30y", "1d x", "9" * 20 + "d"])
def test_refused_with_the_option(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_duration(text, "--if-due")
    assert "--if-due" in caught.value.message + caught.value.hint
