from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certkit.inventory.places import GrammarError
from certkit.inventory.ranges import CAP, expand, has_range


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("web01", ["web01"]),
        ("web[1:3]", ["web1", "web2", "web3"]),
        ("web[08:11]x", ["web08x", "web09x", "web10x", "web11x"]),
        ("web[:2]", ["web0", "web1", "web2"]),
        ("db-[a:c]", ["db-a", "db-b", "db-c"]),
        ("db-[y:B]", ["db-y", "db-z", "db-A", "db-B"]),
        ("n[0:9:4]", ["n0", "n4", "n8"]),
        ("n[a:g:3]", ["na", "nd", "ng"]),
        ("r[1:2]n[1:2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
        ("web[01-03,25]", ["web01", "web02", "web03", "web25"]),
        ("web[a-c,x]", ["weba", "webb", "webc", "webx"]),
        ("[2001:db8::1]", ["[2001:db8::1]"]),
        ("[::1]:2201", ["[::1]:2201"]),
        ("[1:9:2].example.com", [f"{n}.example.com" for n in (1, 3, 5, 7, 9)]),
    ],
)
def test_expansion_as_ansible_and_clush_do_it(text: str, names: list[str]) -> None:
    assert expand(text) == names


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("web[3:1]", "runs backwards"),
        ("web[c:a]", "runs backwards"),
        ("web[01:100]", "different width"),
        ("web[1:3:0]", "step of 0"),
        ("web[1:]", "is not a range"),
        ("web[]", "is not a range"),
        ("web[1:2:3:4]", "is not a range"),
        ("web[a:3]", "mixes letters"),
        ("web[1:2", "unbalanced"),
        ("web1:2]", "unbalanced"),
        ("web[[1:2]]", "unbalanced"),
        ("web[1:9999999999]", "more than"),
        ("web[1:1000]x[1:1000]", "more than"),
        ("web[0:99999999999999999999]", "too many digits"),
        ("x" * 2000 + "[1:2]", "too long"),
    ],
)
def test_bad_ranges_are_refused(text: str, why: str) -> None:
    with pytest.raises(GrammarError, match=why):
        expand(text)


def test_the_cap_itself_is_allowed() -> None:
    assert len(expand(f"n[1:{CAP}]")) == CAP


@given(
    begin=st.integers(0, 500),
    count=st.integers(1, 60),
    step=st.integers(1, 7),
    width=st.integers(0, 5),
)
def test_numbers_come_out_as_counted(begin: int, count: int, step: int, width: int) -> None:
    end = begin + (count - 1) * step
    padded = width > len(str(end))
    first, last = (str(n).zfill(width if padded else 0) for n in (begin, end))
    names = expand(f"a[{first}:{last}:{step}]b")
    wanted = [str(n).zfill(width if padded else 0) for n in range(begin, end + 1, step)]
    assert names == [f"a{n}b" for n in wanted]
    assert len(set(names)) == count


@given(st.text(alphabet=string.ascii_letters + string.digits + ".-_[]:,@", max_size=24))
def test_any_text_gives_names_without_ranges_or_a_refusal(text: str) -> None:
    try:
        names = expand(text)
    except GrammarError as error:
        assert error.message
        return
    assert names
    assert not any(has_range(name) for name in names)
