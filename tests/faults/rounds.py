"""How often a fault is tried: seldom in `make test`, many times as often in a long run.

CERTKIT_FAULT_ROUNDS=10 CERTKIT_FAULT_SEED=7 pytest tests/faults/test_kills.py
"""

from __future__ import annotations

import os
import random

from hypothesis import HealthCheck, settings

_FACTOR = int(os.environ.get("CERTKIT_FAULT_ROUNDS", "1"))


def rounds(usual: int) -> int:
    """How many rounds to play: the usual number, times `CERTKIT_FAULT_ROUNDS`."""
    return usual * _FACTOR


def chance(name: str) -> random.Random:
    """The same numbers in every run for a test, unless another seed is asked for."""
    return random.Random(f"{name} {os.environ.get('CERTKIT_FAULT_SEED', '1')}")


def examples(usual: int) -> settings:
    """How hypothesis plays: as `rounds` and `chance` say, and at whatever pace."""
    return settings(
        max_examples=rounds(usual),
        deadline=None,
        derandomize="CERTKIT_FAULT_SEED" not in os.environ,
        suppress_health_check=[HealthCheck.too_slow],
    )


def patience(seconds: float) -> float:
    """The time limit, in seconds, of a whole test that plays `rounds`."""
    return seconds * _FACTOR
