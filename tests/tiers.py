"""What a tier of tests needs from the machine it runs on, said in one place.

On a developer's machine a tier that cannot run is skipped, with its reason. Where it must run, a
build server for instance, ``CERTKIT_REQUIRE=ssh,fleet,browser`` turns the same reason into a
failure: a suite that silently skips everything would look exactly like one that passes.
"""

from __future__ import annotations

import os

import pytest


def required(tier: str) -> bool:
    """Whether this run was told that the tier has to run."""
    asked_for = os.environ.get("CERTKIT_REQUIRE", "")
    return tier in [name.strip() for name in asked_for.split(",")]


def need(tier: str, reason: str | None) -> None:
    """Go on when there is no reason not to; otherwise skip, or fail where the tier is required."""
    if reason is None:
        return
    if required(tier):
        pytest.fail(f"CERTKIT_REQUIRE names {tier}, and it cannot run: {reason}", pytrace=False)
    pytest.skip(f"{tier}: {reason}")
