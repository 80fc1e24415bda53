"""How often a fault is tried: seldom in `make test`, as often as asked for in a long run.

CERTKIT_FAULT_ROUNDS=300 CERTKIT_FAULT_SEED=7 pytest tests/faults/test_kills.py
"""

from __future__ import annotations

import os
import random


def rounds(usual: int) -> int:
    """How many rounds to play."""
    return int(os.environ.get("CERTKIT_FAULT_ROUNDS", usual))


def chance(name: str) -> random.Random:
    """The same numbers in every run for a test, unless another seed is asked for."""
    return random.Random(f"{name} {os.environ.get('CERTKIT_FAULT_SEED', '1')}")


def patience(seconds: float) -> float:
    """A time limit for a whole test that is played `rounds` times."""
    return seconds * max(1, rounds(1) // 3)
