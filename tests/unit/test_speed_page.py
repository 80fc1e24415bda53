"""docs/speed.md says what a run found, in words that do not flatter it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import bounds, page, plot

DOCS = Path(__file__).parents[2] / "docs"


def figures() -> dict[str, Any]:
    kept: dict[str, Any] = json.loads((DOCS / "speed.json").read_text())
    return kept


def test_the_page_and_its_plot_are_made_from_the_figures_beside_them() -> None:
    made = page.text_of(figures())
    assert (DOCS / "speed.md").read_text() == made, "run: python -m bench.page"
    assert (DOCS / "speed.svg").read_text() == plot.svg(figures()["suite"])


def test_each_part_names_the_command_that_made_it_and_its_rounds() -> None:
    kept = figures()
    kept["suite"] |= {"command": "python -m bench.suite --rounds 7", "rounds": 7}
    made = page.text_of(kept)
    assert "`python -m bench.suite --rounds 7`" in made
    assert "the least of 7 rounds" in made
    assert "- Ansible + pipelining: 1 round only." in made


@pytest.mark.parametrize(
    ("times", "state"),
    [
        (1.0, "met"),
        (1.05, "exceeded, within 10 %"),
        (1.2, "**not met**"),
    ],
)
def test_growth_above_proportion_is_not_called_met(times: float, state: str) -> None:
    scale = figures()["scale"]
    few, many = scale["known_hosts"][0], scale["known_hosts"][-1]
    many["look"] = few["look"] * many["lines"] / few["lines"] * times
    looking = next(one for one in bounds.of_scale(scale) if "looking up" in one.text)
    assert looking.state == state


def test_no_noise_is_allowed_beside_others() -> None:
    suite = figures()["suite"]
    ours, bare = suite["peers"]["certkit"], suite["peers"]["tuned paramiko"]
    ours["again_wall"] = bare["again_wall"] * 1.21
    wall = next(one for one in bounds.of_suite(suite) if one.text.startswith("again: wall"))
    assert wall.state == "**not met**"
