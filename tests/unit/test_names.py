"""Registry references and subject names: what is accepted, what is refused, in which words."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certkit.errors import ExitCode, InputError
from certkit.names import RegistryReference, SubjectName


@pytest.mark.parametrize(
    ("text", "written", "endpoint", "slug"),
    [
        ("registry.lab:5000", "registry.lab:5000", ("registry.lab", 5000), "registry.lab_5000"),
        ("registry.lab", "registry.lab", ("registry.lab", 443), "registry.lab_443"),
        ("registry:5000", "registry:5000", ("registry", 5000), "registry_5000"),
        ("http:5000", "http:5000", ("http", 5000), "http_5000"),
        ("10.0.0.20:5000", "10.0.0.20:5000", ("10.0.0.20", 5000), "10.0.0.20_5000"),
        ("[fd00::1]:5000", "[fd00::1]:5000", ("fd00::1", 5000), "fd00__1_5000"),
        ("[FD00:0:0:0:0:0:0:1]", "[fd00::1]", ("fd00::1", 443), "fd00__1_443"),
        ("bücher.example:5000", "xn--bcher-kva.example:5000", ("xn--bcher-kva.example", 5000), ""),
        ("１０。0。0。1:5000", "10.0.0.1:5000", ("10.0.0.1", 5000), "10.0.0.1_5000"),
    ],
)
def test_a_reference_is_normalised(
    text: str, written: str, endpoint: tuple[str, int], slug: str
) -> None:
    reference = RegistryReference.parse(text)
    assert reference.written == reference.text == str(reference) == written
    assert reference.endpoint == endpoint
    assert reference.slug == (slug or f"{endpoint[0]}_{endpoint[1]}")
    assert RegistryReference.parse(written) == reference


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("https://registry.lab:5000/v2/", "scheme", "write registry.lab:5000"),
        ("registry.lab:5000/team/app", "path", "write registry.lab:5000 only"),
        ("registry.lab:0", "bad port", "1 to 65535"),
        ("registry.lab:65536", "bad port", "1 to 65535"),
        ("registry.lab:05000", "bad port", "1 to 65535"),
        ("registry.lab:", "bad port", "1 to 65535"),
        ("registry.lab:٣", "bad port", "1 to 65535"),
        ("registry.lab.:5000", "ends with a dot", "write registry.lab:5000"),
        ("registry.lab.", "ends with a dot", "write registry.lab"),
        ("999.1.2.3", "all numbers", "four numbers"),
        ("1.2.3:5000", "all numbers", "four numbers"),
        ("010.0.0.1:5000", "all numbers", "four numbers"),
        ("0x7f000001:5000", "all numbers", "four numbers"),
        ("REGISTRY.Lab:5000", "capital letters", "write registry.lab:5000"),
        ("my_registry.lab:5000", "underscore", "my-registry.lab"),
        ("", "empty", "registry.lab:5000"),
        (":5000", "no host", "registry.lab:5000"),
        ("registry .lab", "white space", "remove"),
        ("registry.lab\n:5000", "control characters", "remove"),
        ("registry\x1b[31m.lab:5000", "control characters", "remove"),
        ("registry\u202e.lab:5000", "control characters", "remove"),
        ("r\udcff.lab", "not UTF-8", "letters"),
        ("-oProxyCommand=x:5000", "dash", "letter or a digit"),
        ("a.-b.lab:5000", "dash", "remove"),
        ("[fe80::1%eth0]:5000", "zone id", "routable"),
        ("fd00::1", "more than one colon", "[fd00::1]:5000"),
        ("[fd00::1:5000", "brackets", "[fd00::1]:5000"),
        ("[10.0.0.1]:5000", "not a valid IPv6", "fd00::1"),
        ("[::ffff:10.0.0.1]:5000", "IPv4 address", "10.0.0.1"),
        ("registry", "neither a dot nor a port", "registry:5000"),
        ("*.lab.example:5000", "wildcard", "--san *.lab.example"),
        ("a..b:5000", "empty label", "stray dots"),
        ("user@registry.lab:5000", "characters", "letters"),
        ("regi$(id).lab:5000", "characters", "letters"),
        ("xn--zz-:5000", "internationalised", "check"),
        (f"{'a' * 64}.lab:5000", "too long", "63"),
        (f"{'a.' * 127}lab:5000", "too long", "253"),
    ],
)
def test_a_bad_reference_is_refused_with_a_cure(text: str, says: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        RegistryReference.parse(text)
    assert says in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 250


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.1.2.3:5000", True),
        ("[::1]:5000", True),
        ("10.0.0.1:5000", False),
        ("localhost.lab:5000", False),
    ],
)
def test_loopback_is_told(text: str, loopback: bool) -> None:
    assert RegistryReference.parse(text).is_loopback is loopback


@pytest.mark.parametrize(
    ("text", "kind", "normal", "shown"),
    [
        ("Registry.LAB", "dns", "registry.lab", "registry.lab"),
        ("registry.lab.", "dns", "registry.lab", "registry.lab"),
        ("registry", "dns", "registry", "registry"),
        ("*.lab.example", "dns", "*.lab.example", "*.lab.example"),
        ("*.bücher.example", "dns", "*.xn--bcher-kva.example", "*.bücher.example"),
        ("straße.example", "dns", "xn--strae-oqa.example", "straße.example"),
        ("10.0.0.1", "ip", "10.0.0.1", "10.0.0.1"),
        ("FD00::0:1", "ip", "fd00::1", "fd00::1"),
        ("[fd00::1]", "ip", "fd00::1", "fd00::1"),
    ],
)
def test_a_subject_name_is_normalised(text: str, kind: str, normal: str, shown: str) -> None:
    name = SubjectName.parse(text)
    assert (name.kind, name.text, name.display) == (kind, normal, shown)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("*", "*.example.com"),
        ("*.lab", "two labels"),
        ("*.1.2.3.4", "two labels"),
        ("a.*.example", "*.example.com"),
        ("*a.example.com", "*.example.com"),
        ("registry.lab:5000", "write registry.lab"),
        ("[fd00::1]:5000", "write fd00::1"),
        ("10.0.0.0/24", "--permit 10.0.0.0/24"),
        ("https://registry.lab", "write registry.lab"),
        ("a_b.lab", "a-b.lab"),
        ("999.1.2.3", "four numbers"),
        ("fe80::1%eth0", "routable"),
    ],
)
def test_a_bad_subject_name_is_refused_with_a_cure(text: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        SubjectName.parse(text)
    assert hint in caught.value.hint


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for parse in (RegistryReference.parse, SubjectName.parse):
        try:
            parsed = parse(text)
        except InputError as error:
            assert error.message.isprintable()
        else:
            again = parse(str(parsed))
            assert again == parsed
            assert str(parsed).isascii()
            assert "/" not in str(parsed)


_labels = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True).filter(
    lambda label: not label.startswith("xn--")
)
_hosts = st.one_of(
    st.lists(_labels, min_size=2, max_size=4).map(".".join),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6)
    .filter(lambda address: ipaddress.IPv6Address(str(address)).ipv4_mapped is None)
    .map(lambda address: f"[{address}]"),
)


@settings(deadline=None)
@given(_hosts, st.one_of(st.none(), st.integers(1, 65535)))
def test_a_good_reference_stays_as_it_is(host: str, port: int | None) -> None:
    text = host if port is None else f"{host}:{port}"
    reference = RegistryReference.parse(text)
    assert reference.text == text
    assert reference.port == port
    assert reference.slug.replace(":", "") == reference.slug


@settings(deadline=None)
@given(st.lists(st.tuples(_hosts, st.integers(1, 65535)), min_size=2, max_size=6, unique=True))
def test_no_two_endpoints_share_a_directory(endpoints: list[tuple[str, int]]) -> None:
    slugs = {RegistryReference.parse(f"{host}:{port}").slug for host, port in endpoints}
    assert len(slugs) == len(endpoints)
