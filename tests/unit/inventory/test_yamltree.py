"""What a YAML document comes down to, with PyYAML's own loader as the judge of plain words."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from certkit.errors import InputError
from certkit.inventory.yamltree import MAX_NESTING, Tree

WORDS = ["", "~", "<<", "=", "null", "yes", "no", "true", "false", "on", "off", "y", "n", "nil"]
NUMBERS = ["0", "-7", "+7", "007", "0x1f", "0b1", "1_000", "22:22", "1.5", ".inf", "2026-11-30"]

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
PREFIX = "tag:yaml.org,2002:"
STR, INT = f"{PREFIX}str", f"{PREFIX}int"
OTHERS = [f"{PREFIX}{kind}" for kind in ("float", "timestamp", "value")]
WHOLE = re.compile("[-+]?(0|[1-9][0-9]*)")


@given(
    st.one_of(
        st.sampled_from([word for w in WORDS for word in (w, w.upper(), w.capitalize())]),
        st.sampled_from(NUMBERS),
        st.text("0123456789+-_:.xe<~nNoOyYtTfF", max_size=5),
    )
)
def test_plain_words_mean_what_yaml_says(word: str) -> None:
    document = f"- {word}\n"
    try:
        (theirs,) = yaml.compose(document, Loader=LOADER).value
    except yaml.YAMLError:
        return
    (ours,) = Tree(document, "hosts.yaml").root.value
    as_written = theirs.tag in OTHERS or (theirs.tag == INT and not WHOLE.fullmatch(word))
    assert ours.tag == (STR if as_written else theirs.tag)
    if isinstance(theirs, yaml.ScalarNode):
        assert ours.value == theirs.value
        assert Tree(f"'{word}'", "hosts.yaml").root.tag == STR


def test_whole_numbers_are_numbers_and_others_stay_as_written() -> None:
    tree = Tree("[0, -7, +7, 007, 0x1f, 1_000, 22:22, 1.5, 2026-11-30]", "hosts.yaml")
    told = [0, -7, 7, "007", "0x1f", "1_000", "22:22", "1.5", "2026-11-30"]
    assert tree.plain(tree.root) == told


def test_quotes_and_tags_decide() -> None:
    tree = Tree("['5', !!int '5', !!str 5, 'no', !!bool 'no', !!str no, !!null '']", "hosts.yaml")
    assert tree.plain(tree.root) == ["5", 5, "5", "no", False, "no", None]


@pytest.mark.parametrize(
    ("begin", "end", "column"),
    [("[", "]", MAX_NESTING), ("{a: ", "}", 4 * MAX_NESTING - 3), ("- ", "", 2 * MAX_NESTING - 1)],
)
def test_depth_has_a_bound_that_is_told_with_its_place(begin: str, end: str, column: int) -> None:
    def nested(levels: int) -> str:
        return begin * levels + "x" + end * levels + "\n"

    Tree(nested(MAX_NESTING - 1), "hosts.yaml")
    for levels in (MAX_NESTING, MAX_NESTING + 1, 100 * MAX_NESTING):
        with pytest.raises(InputError, match="is nested too deeply for an inventory") as caught:
            Tree(nested(levels), "hosts.yaml")
        if levels < 2 * MAX_NESTING:  # beyond, libyaml may look ahead to a bound of its own
            assert caught.value.message.startswith(f"hosts.yaml:1:{column}: ")


def test_depth_is_no_matter_of_length() -> None:
    rows = "".join(f"- {{a: [b, {{c: d}}], e: [{n}]}}\n" for n in range(3000))
    assert len(Tree(rows, "hosts.yaml").root.value) == 3000
