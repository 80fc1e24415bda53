"""A registry goes out of a daemon.json; every other byte stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certkit.runtimes.daemon_json import KEY, UnfitError, is_network, means, without

NAME = "registry.lab:5000"
OTHER = "other.lab:5000"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f'{{"{KEY}": ["{NAME}"]}}', f'{{"{KEY}": []}}'),
        (f'{{"{KEY}":["{NAME}","{OTHER}"]}}', f'{{"{KEY}":["{OTHER}"]}}'),
        (f'{{"{KEY}": ["{OTHER}", "{NAME}"] }}\n', f'{{"{KEY}": ["{OTHER}"] }}\n'),
        (f'{{"{KEY}": ["a", "{NAME}", "b"]}}', f'{{"{KEY}": ["a", "b"]}}'),
        (f'{{"{KEY}": ["{NAME}", "a", "{NAME}"]}}', f'{{"{KEY}": ["a"]}}'),
        (
            f'{{\r\n\t"a": 1,\r\n\t"{KEY}": [\r\n\t\t"{NAME}",\r\n\t\t"{OTHER}"\r\n\t]\r\n}}\r\n',
            f'{{\r\n\t"a": 1,\r\n\t"{KEY}": [\r\n\t\t"{OTHER}"\r\n\t]\r\n}}\r\n',
        ),
        (f'{{"{KEY}": [\n  "{NAME}"\n], "é": 1e3}}', f'{{"{KEY}": [], "é": 1e3}}'),
        (f'{{"{KEY}": ["HTTPS://{NAME}"]}}', f'{{"{KEY}": []}}'),
        ('{"insecure\\u002dregistries": ["regi\\u0073try.lab:5000"]}', None),
    ],
)
def test_only_the_entry_goes(before: str, after: str | None) -> None:
    edit = without(before.encode(), {NAME})
    assert edit.removed and edit.listed
    assert edit.content.decode() == (after or '{"insecure\\u002dregistries": []}')


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "{}",
        '{"debug": true}',
        f'{{"{KEY}": null}}',
        f'{{"{KEY}": []}}',
        f'{{"{KEY}": ["{OTHER}", "registry.lab", "registry.lab:443", "REGISTRY.lab:5000"]}}',
        f'{{"{KEY}": ["ftp://{NAME}", "{NAME}/", " {NAME}"]}}',
        f'{{"log-opts": {{"{KEY}": ["{NAME}"]}}}}',
    ],
)
def test_what_does_not_name_the_registry_stays(text: str) -> None:
    edit = without(text.encode(), {NAME})
    assert (edit.content, edit.removed) == (text.encode(), ())


def test_a_network_stays_and_is_named() -> None:
    text = f'{{"{KEY}": ["10.0.0.0/8", "10.0.0.7:5000", "{OTHER}", "fd00::/8"]}}'
    edit = without(text.encode(), {"10.0.0.7:5000"})
    assert edit.content.decode() == f'{{"{KEY}": ["10.0.0.0/8", "{OTHER}", "fd00::/8"]}}'
    assert edit.networks == ("10.0.0.0/8", "fd00::/8")
    assert is_network("10.0.0.7/32") and not is_network("10.0.0.7:5000")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"a": 1}'.encode("utf-16"), "byte order mark"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b'{"a": 1,}', "line 1"),
        (b"{'a': 1}", "not valid JSON"),
        (b'{"a": 1} x', "not valid JSON"),
        (b'{"a": NaN}', "not valid JSON"),
        (b'{\n// note\n"a": 1}', "line 2"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b"[]", "no JSON object"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": {"b": 1, "b": 2}}', "twice"),
        (f'{{"{KEY}": ["{NAME}"], "{KEY}": []}}'.encode(), "twice"),
        (f'{{"{KEY}": "{NAME}"}}'.encode(), "no list of texts"),
        (f'{{"{KEY}": ["{NAME}", 5]}}'.encode(), "no list of texts"),
        (f'{{"{KEY}": {{"{NAME}": 1}}}}'.encode(), "no list of texts"),
    ],
)
def test_what_cannot_be_edited_without_a_doubt_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(UnfitError, match=why):
        without(content, {NAME})


def test_the_words_of_a_broken_file_are_not_repeated() -> None:
    with pytest.raises(UnfitError) as caught:
        without(b'{"proxies": {"http-proxy": "http://ann:hunter2@proxy"', {NAME})
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(without(b'{"p": "hunter2"}', {NAME}))


_entries = st.lists(
    st.sampled_from([NAME, f"http://{NAME}", f"Https://{NAME}", OTHER, "10.0.0.0/8", "a,b]", '"\\'])
    | st.text(st.characters(codec="utf-8"), max_size=8),
    max_size=6,
)
# Whatever may stand around the list: among it texts that look like it, and the key further down.
_AROUND = [
    *(None, True, 0, -1.5e300, "", '\u2028 \\ "', f'"{KEY}": ["{NAME}"]', [], {}),
    *([[NAME], []], {KEY: [NAME]}, {"a": {"b": [1, {"c": "]"}]}}, [{"": "}"}]),
]
_settings = st.dictionaries(
    st.sampled_from(["", "debug", "log-opts", 'a"b', "\\", "\u00e9", "insecure", "z,"]),
    st.sampled_from(_AROUND),
    max_size=3,
)


@given(
    before=_settings,
    after=_settings,
    entries=_entries,
    indent=st.sampled_from([None, 0, 1, 4, "\t"]),
    gap=st.sampled_from(["", " ", "\n", "\r\n\t"]),
    plain=st.booleans(),
)
def test_parsed_it_lacks_the_entries_and_the_rest_is_the_same_bytes(
    before: dict[str, Any],
    after: dict[str, Any],
    entries: list[str],
    indent: Any,
    gap: str,
    plain: bool,
) -> None:
    after = {key: value for key, value in after.items() if key not in before}
    whole = {**before, KEY: entries, **after}
    text = gap + json.dumps(whole, indent=indent, ensure_ascii=plain) + gap
    content = text.encode()
    edit = without(content, {NAME})
    kept = [entry for entry in entries if not means(entry, {NAME})]
    assert json.loads(edit.content) == {**whole, KEY: kept}
    assert list(json.loads(edit.content)) == list(whole)
    assert edit.removed == tuple(entry for entry in entries if means(entry, {NAME}))
    if not edit.removed:
        assert edit.content == content
        return
    old = json.dumps({**before, KEY: 0}, indent=indent, ensure_ascii=plain)
    head = gap + old[: old.rindex("0")]
    assert edit.content.decode().startswith(head) and text.startswith(head)
    follows = json.dumps({KEY: 0, **after}, indent=indent, ensure_ascii=plain)
    tail = follows[follows.index("0") + 1 :] + gap
    assert edit.content.decode().endswith(tail) and text.endswith(tail)


@given(
    st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_bytes_are_taken_or_refused(content: bytes) -> None:
    try:
        edit = without(content, {NAME})
    except UnfitError:
        return
    assert edit.content == content
