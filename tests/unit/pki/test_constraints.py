"""Name constraints: what is derived, and that every verifier enforces it."""

from __future__ import annotations

from pathlib import Path

import pytest

from certkit.errors import CertkitError, InputError
from certkit.names import SubjectName
from certkit.pki.bundle import pem
from certkit.pki.constraints import Constraints, Permit
from certkit.pki.issue import issue_authority, issue_leaf
from certkit.pki.keys import KeyType
from certkit.pki.specs import AuthoritySpec, LeafSpec
from certkit.pki.verify import verify_server
from tests.unit.pki.chains import NOW, key_of, make_chain, parse_names
from tests.unit.pki.linters import certtool, openssl, pkilint


def derive(*names: str, permits: tuple[str, ...] = ()) -> Constraints:
    return Constraints.derive(parse_names(*names), [Permit.parse(text) for text in permits])


@pytest.mark.parametrize(
    ("names", "permits", "permitted", "excluded"),
    [
        (["registry.lab"], (), ("registry.lab",), ("0.0.0.0/0", "::/0")),
        (["registry.lab", "10.0.0.1"], (), ("registry.lab", "10.0.0.1"), ("::/0",)),
        (["registry.lab", "fd00::1"], (), ("registry.lab", "fd00::1"), ("0.0.0.0/0",)),
        (["10.0.0.1", "fd00::1"], (), ("10.0.0.1", "fd00::1"), ("*",)),
        (["10.0.0.1"], (), ("10.0.0.1",), ("*", "::/0")),
        (["r.lab", "10.0.0.1", "fd00::1"], (), ("r.lab", "10.0.0.1", "fd00::1"), ()),
        (["*.apps.lab"], (), ("apps.lab",), ("0.0.0.0/0", "::/0")),
        (["r.lab.example"], ("lab.example",), ("lab.example",), ("0.0.0.0/0", "::/0")),
        (["10.0.0.1"], ("10.0.0.0/24", "10.0.0.9"), ("10.0.0.0/24",), ("*", "::/0")),
        (["r.lab", "rr.lab"], (), ("r.lab", "rr.lab"), ("0.0.0.0/0", "::/0")),
    ],
)
def test_what_is_not_permitted_is_excluded(
    names: list[str], permits: tuple[str, ...], permitted: tuple[str, ...], excluded: tuple[str]
) -> None:
    constraints = derive(*names, permits=permits)
    assert constraints.permitted == permitted
    assert constraints.excluded == excluded


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (".example.com", "--permit example.com"),
        ("*.example.com", "--permit example.com"),
        ("10.0.0.5/24", "--permit 10.0.0.0/24"),
        ("10.0.0.0/33", "10.0.0.0/24"),
        ("example.com/24", "10.0.0.0/24"),
        ("fd00::1/64", "--permit fd00::/64"),
        ("a_b", "a-b"),
    ],
)
def test_a_bad_permit_is_refused_with_a_cure(text: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        Permit.parse(text)
    assert hint in caught.value.hint


CASES = [
    # names at init, permits, names asked for later, allowed
    (["registry.example.internal"], ("example.internal",), ["x.example.internal"], True),
    (["registry.example.internal"], ("example.internal",), ["*.example.internal"], True),
    (["registry.example.internal"], ("example.internal",), ["registry.other.internal"], False),
    (["registry.example.internal"], ("example.internal",), ["badexample.internal"], False),
    (["registry.example.internal"], (), ["*.example.internal"], False),
    (["registry.example.internal"], (), ["sub.registry.example.internal"], True),
    (["registry.example.internal"], (), ["10.0.0.1"], False),
    (["registry.example.internal"], (), ["fd00::1"], False),
    (["10.0.0.1"], (), ["registry.example.internal"], False),
    (["10.0.0.1"], (), ["10.0.0.2"], False),
    (["10.0.0.1"], ("10.0.0.0/24",), ["10.0.0.2"], True),
    (["10.0.0.1"], (), ["fd00::1"], False),
    (["r.lab.example", "10.20.30.1"], ("10.20.30.0/24",), ["r.lab.example", "10.9.9.9"], False),
    (["r.lab.example", "10.20.30.1"], ("10.20.30.0/24",), ["r.lab.example", "fd00::1"], False),
    (["r.lab.example", "10.20.30.1"], ("10.20.30.0/24",), ["r.lab.example", "10.20.30.9"], True),
]


@pytest.mark.parametrize(("first", "permits", "later", "allowed"), CASES)
def test_certkit_and_the_verifiers_agree(
    first: list[str],
    permits: tuple[str, ...],
    later: list[str],
    allowed: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = parse_names(*later)
    key, leaf_key = key_of(KeyType.P384), key_of(KeyType.P256, 1)
    constraints = derive(*first, permits=permits)
    authority = issue_authority(AuthoritySpec("test", constraints), key, NOW)
    assert Constraints.of_certificate(authority) == constraints
    assert all(constraints.allows(name) for name in names) is allowed
    if not allowed:
        with pytest.raises(InputError) as caught:
            issue_leaf(LeafSpec(names), leaf_key.public_key(), authority, key, NOW)
        assert any(name.text in caught.value.message for name in names)
        assert constraints.permitted[0] in caught.value.message
        # And were certkit's own check blind, the self-check and the others are not.
        monkeypatch.setattr(Constraints, "check", lambda self, names: None)
        with pytest.raises(CertkitError, match="does not verify"):
            issue_leaf(LeafSpec(names), leaf_key.public_key(), authority, key, NOW)
        monkeypatch.setattr("certkit.pki.issue.verify_server", lambda *args: None)
    issued = issue_leaf(LeafSpec(names), leaf_key.public_key(), authority, key, NOW)
    ca, leaf = tmp_path / "ca.crt", tmp_path / "leaf.crt"
    ca.write_bytes(pem(authority))
    leaf.write_bytes(pem(issued.certificate))
    for name in names:
        assert (openssl(ca, leaf, name).returncode == 0) is allowed
        assert (certtool(ca, leaf, name).returncode == 0) is allowed
    assert not pkilint(ca)


def test_all_names_are_checked_not_only_the_one_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chain = make_chain("r.lab.example", "10.20.30.1")
    monkeypatch.setattr(Constraints, "check", lambda self, names: None)
    monkeypatch.setattr("certkit.pki.issue.verify_server", lambda *args: None)
    names = parse_names("r.lab.example", "10.9.9.9")
    issued = issue_leaf(
        LeafSpec(names), chain.leaf_key.public_key(), chain.authority, chain.authority_key, NOW
    )
    with pytest.raises(CertkitError):
        verify_server(
            [issued.certificate], [chain.authority], [SubjectName.parse("r.lab.example")], NOW
        )
