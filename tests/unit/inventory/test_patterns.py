from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certkit.errors import InputError
from certkit.inventory import Host, Inventory
from certkit.inventory.patterns import select, split


def _host(name: str, *groups: str, skip: bool = False, **more: object) -> Host:
    return Host(name=name, address=name, user="u", groups=groups, skip=skip, **more)  # type: ignore[arg-type]


HOSTS = (
    _host("web01", "web", "prod"),
    _host("web02", "web", "prod"),
    _host("web03", "web", "test"),
    _host("db01.example.com", "db", "prod"),
    _host("10.0.0.9", "ungrouped"),
    _host("2001:db8::7", "ungrouped"),
    _host("127.0.0.1:2201", "lab"),
    _host("bastion", "ungrouped", skip=True),
)
FLEET = Inventory(hosts=HOSTS)


def _names(limit: str | None = None, exclude: str | None = None) -> list[str]:
    return [host.name for host in FLEET.select(limit, exclude)]


@pytest.mark.parametrize(
    ("limit", "wanted"),
    [
        ("web", ["web01", "web02", "web03"]),
        ("web:&prod", ["web01", "web02"]),
        ("web:&prod:!web02", ["web01"]),
        ("!web02:web", ["web01", "web03"]),
        ("web,db", ["web01", "web02", "web03", "db01.example.com"]),
        ("web:&prod,10.0.0.9", ["web01", "web02"]),
        ("*.example.com", ["db01.example.com"]),
        ("~web0[12]", ["web01", "web02"]),
        ("~(?:web|db):&prod", ["db01.example.com", "web01", "web02"]),
        ("web0[13]", ["web01", "web03"]),  # a glob's set
        ("web[0]", ["web01"]),
        ("web[-1]", ["web03"]),
        ("web[1:2]", ["web02", "web03"]),
        ("web[1:]", ["web02", "web03"]),
        ("web[01:02]", ["web02", "web03"]),  # a slice, where there is such a group, as in Ansible
        ("web0[1:2]", ["web01", "web02"]),  # no such group: a range
        ("web0[1-2]", ["web01", "web02"]),
        ("10.0.0.9", ["10.0.0.9"]),
        ("2001:db8::7", ["2001:db8::7"]),
        ("[2001:db8::7]", ["2001:db8::7"]),
        ("127.0.0.1:2201", ["127.0.0.1:2201"]),
        ("lab", ["127.0.0.1:2201"]),
        ("we*:!~web03", ["web01", "web02"]),
    ],
)
def test_patterns(limit: str, wanted: list[str]) -> None:
    found = _names(limit)
    assert sorted(found) == sorted(wanted)
    order = [host.name for host in HOSTS]
    assert found == sorted(found, key=order.index)


def test_all_leaves_the_skipped_out() -> None:
    assert len(_names()) == len(_names("all")) == len(_names("*")) == len(HOSTS) - 1
    assert len(FLEET.select(with_skipped=True)) == len(HOSTS)


def test_exclude() -> None:
    assert _names("web", "web02") == ["web01", "web03"]
    assert "web01" not in _names(exclude="web")


@pytest.mark.parametrize(
    ("limit", "exclude", "why"),
    [
        ("wbe", None, "matches no host and no group"),
        ("web,dbb", None, "'dbb'"),
        ("web:!wbe", None, "'wbe'"),
        ("web:&nope", None, "'nope'"),
        ("web", "nope", "--exclude 'nope'"),
        ("db:&test", None, "matches no host"),
        ("web", "web", "leave no host"),
        ("web[7]", None, "matches no host"),
        ("web[5:9]", None, "matches no host"),
        ("~web(", None, "bad pattern"),
        ("~a{99999999999999999999}", None, "bad pattern"),
        ("~[0&&]", None, "matches no host"),
        ("", None, "--limit is empty"),
        (" , ", None, "--limit is empty"),
        ("bastion", None, "skipped"),
        ("web0[1:5]", None, "web04"),
        ("@/nowhere", None, "cannot read"),
    ],
)
def test_a_pattern_for_nothing_is_an_error(limit: str, exclude: str | None, why: str) -> None:
    with pytest.raises(InputError) as caught:
        FLEET.select(limit, exclude)
    assert why in caught.value.message


def test_a_slip_is_answered_with_the_name_that_was_meant() -> None:
    with pytest.raises(InputError) as caught:
        FLEET.select("web04")
    assert "web0" in caught.value.hint


def test_hosts_from_a_file(tmp_path: Path) -> None:
    failed = tmp_path / "failed.txt"
    failed.write_text("# of the last run\nweb02\n\ndb01.example.com  # twice\n")
    assert _names(f"@{failed}") == ["web02", "db01.example.com"]
    assert _names(f"web01,@{failed}") == ["web01", "web02", "db01.example.com"]
    assert _names("web", f"@{failed}") == ["web01", "web03"]
    failed.write_text("# nothing\n")
    with pytest.raises(InputError, match="names no host"):
        _names(f"@{failed}")
    failed.write_text("@other\n")
    with pytest.raises(InputError, match="may hold names"):
        _names(f"@{failed}")


def test_second_names_count() -> None:
    one = _host("a", also_known_as=("b",))
    assert select((one,), "b", None) == (one,)


def test_addresses_count_where_no_name_fits() -> None:
    one = Host(name="a", address="10.1.1.1", user="u")
    assert select((one,), "10.1.1.1", None) == (one,)


@given(st.text(alphabet="web:&!,*~[]()0123@-.", max_size=20))
def test_no_pattern_does_anything_but_choose_or_refuse(pattern: str) -> None:
    try:
        chosen = FLEET.select(pattern)
    except InputError as error:
        assert error.message
        return
    assert chosen
    assert set(chosen) <= set(HOSTS)


@given(
    left=st.sampled_from(["web", "db", "prod", "test", "all"]),
    right=st.sampled_from(["web", "db", "prod", "test"]),
)
def test_the_three_operations_are_those_of_sets(left: str, right: str) -> None:
    def of(group: str) -> set[str]:
        return {h.name for h in HOSTS if not h.skip and group in (*h.groups, "all")}

    for sign, wanted in (
        (",", of(left) | of(right)),
        (",&", of(left) & of(right)),
        (",!", of(left) - of(right)),
    ):
        if wanted:
            assert set(_names(f"{left}{sign}{right}")) == wanted


def test_splitting() -> None:
    assert split("a:b,c") == ["a", "b", "c"]
    assert split("web[0:4]:&x") == ["web[0:4]", "&x"]
    assert split("a:~b(?:c),d") == ["a", "~b(?:c)", "d"]
    assert split("a:@/x:y,b") == ["a", "@/x:y", "b"]
    assert split("!fd00::1,a") == ["!fd00::1", "a"]
