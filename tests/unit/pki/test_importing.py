"""The import gate: x509-limbo's root profile and what goes wrong with companies' certificates."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from itertools import permutations
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from certkit.errors import InputError
from certkit.names import SubjectName
from certkit.pki.importing import Accepted, accept
from certkit.pki.verify import verify_server
from tests.unit.pki import foreign
from tests.unit.pki.chains import NOW
from tests.unit.pki.foreign import UNKNOWN, Party, authority, server, usage

REGISTRY = SubjectName.parse("registry.lab")
BASIC, SKI = x509.BasicConstraints, x509.SubjectKeyIdentifier
AKI, KU, EKU = x509.AuthorityKeyIdentifier, x509.KeyUsage, x509.ExtendedKeyUsage


def passed(
    leaf: Party, *others: Party, names: Sequence[SubjectName] = (REGISTRY,), **options: object
) -> Accepted:
    given = [leaf.certificate, *(one.certificate for one in others)]
    wished = options.get("wished", ())
    assert isinstance(wished, tuple)
    return accept(given, leaf.key.public_key(), names, wished, NOW, option="--import-chain")


def under(root: Party) -> tuple[Party, Party]:
    """A server's certificate right below a root."""
    return server(root, number=7), root


def issuer_and_serial(*, key_id: bool) -> x509.AuthorityKeyIdentifier:
    own = SKI.from_public_key(foreign.key("p256", 1).public_key()).digest if key_id else None
    issuer = [x509.DirectoryName(foreign.name("Example Root"))]
    return AKI(own, issuer, 0x1234)


# x509-limbo's ids, built small; what must be refused by everybody, and what only by the strict.
ROOTS: dict[str, tuple[Callable[[], Party], str]] = {
    "rfc5280::root-missing-basic-constraints": (
        lambda: authority(without=(BASIC,)),
        "refused: lacks basicConstraints",
    ),
    "rfc5280::root-inconsistent-ca-extensions": (
        lambda: authority(basic=(BASIC(ca=False, path_length=None), True)),
        "refused: says CA:FALSE",
    ),
    "rfc5280::root-non-critical-basic-constraints": (
        lambda: authority(basic=(BASIC(ca=True, path_length=None), False)),
        "warned: not critical",
    ),
    "rfc5280::ca-empty-subject": (lambda: authority(""), "refused: empty name"),
    "rfc5280::unknown-critical-extension-root": (
        lambda: authority(more=((UNKNOWN, True),)),
        "refused: 1.3.6.1.4.1.55738.1",
    ),
    "rfc5280::ski::root-missing-ski": (
        lambda: authority(without=(SKI,)),
        "warned: no subjectKeyIdentifier",
    ),
    "webpki::aki::root-with-aki-missing-keyidentifier": (
        lambda: authority(aki=issuer_and_serial(key_id=False)),
        "warned: has no key identifier",
    ),
    "webpki::aki::root-with-aki-authoritycertissuer": (
        lambda: authority(aki=issuer_and_serial(key_id=True)),
        "warned: names issuer or serial number",
    ),
    "webpki::aki::root-with-aki-all-fields": (
        lambda: authority(aki=issuer_and_serial(key_id=True)),
        "warned: names issuer or serial number",
    ),
    "webpki::aki::root-with-aki-ski-mismatch": (
        lambda: authority(aki=AKI(b"another one's id", None, None)),
        "warned: is not its own subjectKeyIdentifier",
    ),
    "webpki::eku::root-has-eku": (
        lambda: authority(more=((foreign.SERVER_AUTH, False),)),
        "warned: a root with an extendedKeyUsage",
    ),
    "webpki::forbidden-p192-root": (lambda: authority(kind="p192"), "refused: on a curve"),
    "webpki::forbidden-dsa-root": (lambda: authority(kind="dsa"), "refused: no TLS client"),
    "webpki::forbidden-weak-rsa-key-in-root": (
        lambda: authority(kind="rsa1024"),
        "refused: has 1024 bits",
    ),
    "webpki::forbidden-rsa-not-divisible-by-8-in-root": (
        lambda: authority(kind="rsa2052"),
        "refused: no multiple of 8",
    ),
    "keyUsage without keyCertSign": (
        lambda: authority(key_usage=usage("crl_sign")),
        "refused: lacks keyCertSign",
    ),
    "expired root": (
        lambda: authority(start=NOW - timedelta(days=400)),
        "refused: expired",
    ),
    "root for clients only": (
        lambda: authority(more=((foreign.CLIENT_AUTH, False),)),
        "refused: lacks serverAuth",
    ),
    "no keyUsage": (lambda: authority(without=(KU,)), "warned: has no keyUsage"),
}


@pytest.mark.parametrize("root", ROOTS)
def test_roots_out_of_order(root: str) -> None:
    build, expected = ROOTS[root]
    verdict, _, said = expected.partition(": ")
    leaf, top = under(build())
    if verdict == "refused":
        with pytest.raises(InputError) as refused:
            passed(leaf, top)
        assert said in refused.value.message and refused.value.hint
        return
    accepted = passed(leaf, top)
    assert any(said in warning for warning in accepted.warnings), accepted.warnings
    # Whoever is strict refuses it, and that is said as well where it is so.
    try:
        verify_server(accepted.chain, [top.certificate], [REGISTRY], NOW)
        strict = True
    except Exception:  # noqa: BLE001 - only whether it does
        strict = False
    assert strict != any("strict clients" in warning for warning in accepted.warnings)


LEAVES: dict[str, tuple[Callable[[Party], Party], str]] = {
    "expired": (lambda root: server(root, start=NOW - timedelta(days=400)), "expired on"),
    "not valid yet": (lambda root: server(root, start=NOW + timedelta(days=1)), "not valid before"),
    "another name": (lambda root: server(root, "other.lab"), "it is for other.lab"),
    "a name above": (lambda root: server(root, "lab"), "is not for registry.lab"),
    "a wildcard two levels up": (lambda root: server(root, "*.registry.lab"), "is not for"),
    "a wildcard over a top level": (lambda root: server(root, "*.lab"), "is not for"),
    "a trailing dot": (lambda root: server(root, "registry.lab."), "is not for"),
    "only a common name": (
        lambda root: server(root, without=(x509.SubjectAlternativeName,)),
        "no subject alternative names",
    ),
    "an authority": (
        lambda root: server(root, basic=BASIC(ca=True, path_length=None)),
        "is an authority's certificate",
    ),
    "for clients": (lambda root: server(root, purposes=foreign.CLIENT_AUTH), "lacks serverAuth"),
    "to sign lists": (lambda root: server(root, key_usage=usage("crl_sign")), "digitalSignature"),
    "ed25519": (lambda root: server(root, kind="ed25519"), "Ed25519 key"),
    "weak rsa": (lambda root: server(root, kind="rsa1024"), "has 1024 bits"),
    "p192": (lambda root: server(root, kind="p192"), "on a curve"),
    "unknown critical": (lambda root: server(root, more=((UNKNOWN, True),)), "do not know"),
}


@pytest.mark.parametrize("leaf", LEAVES)
def test_server_certificates_out_of_order(leaf: str) -> None:
    build, said = LEAVES[leaf]
    root = authority()
    with pytest.raises(InputError) as refused:
        passed(build(root), root)
    assert said in refused.value.message and refused.value.hint


@pytest.mark.parametrize("digest", ["md5", "sha1"])
@pytest.mark.parametrize("weak", ["root", "leaf"])
def test_weak_signatures_are_refused(weak: str, digest: str, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed here; CI installs it")

    def openssl(command: str) -> None:
        subprocess.run(["openssl", *command.split()], cwd=tmp_path, check=True, capture_output=True)

    flag = {one: f"-{digest}" if one == weak else "-sha256" for one in ("root", "leaf")}
    key = "-nodes -newkey rsa:2048"
    openssl(f"req -x509 {key} -keyout root.key -out root.crt -subj /CN=Root {flag['root']}")
    openssl(f"req {key} -keyout leaf.key -out leaf.csr -subj /CN=registry.lab")
    (tmp_path / "ext").write_text("subjectAltName=DNS:registry.lab\nextendedKeyUsage=serverAuth\n")
    openssl(
        f"x509 -req -in leaf.csr -CA root.crt -CAkey root.key -CAcreateserial {flag['leaf']} "
        "-extfile ext -out leaf.crt"
    )
    leaf, root = (
        x509.load_pem_x509_certificate((tmp_path / f"{one}.crt").read_bytes())
        for one in ("leaf", "root")
    )
    public = leaf.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    now = datetime.now(timezone.utc)
    with pytest.raises(InputError, match="which clients refuse"):
        accept([leaf, root], public, [REGISTRY], (), now, option="--import-chain")


@pytest.mark.parametrize(
    ("names", "asked"),
    [
        (("registry.lab",), "registry.lab"),
        (("*.corp.example",), "registry.corp.example"),
        (("REGISTRY.lab",), "registry.lab"),
        (("10.0.0.20",), "10.0.0.20"),
        (("fd00::20",), "fd00::20"),
        (("under_score.lab", "registry.lab"), "registry.lab"),
    ],
)
def test_names_that_are_covered(names: tuple[str, ...], asked: str) -> None:
    root = authority()
    accepted = passed(server(root, *names), root, names=[SubjectName.parse(asked)])
    assert accepted.warnings == ()


def test_a_name_that_was_only_wished_for_is_warned_of() -> None:
    leaf, root = under(authority())
    [warning] = passed(leaf, root, wished=(SubjectName.parse("10.0.0.1"),)).warnings
    assert "10.0.0.1" in warning


def three() -> tuple[Party, Party, Party, Party]:
    root = authority("Root", number=1)
    policy = authority("Policy", root, number=2)
    issuing = authority("Issuing", policy, number=3)
    return server(issuing, number=4), issuing, policy, root


def test_any_order_becomes_the_order_that_is_served() -> None:
    parties = three()
    leaf, issuing, policy, root = (one.certificate for one in parties)
    for order in permutations((leaf, issuing, policy, root)):
        found = accept(order, parties[0].key.public_key(), [REGISTRY], (), NOW, option="--chain")
        assert found.chain == (leaf, issuing, policy)
        assert found.root == root
        assert found.warnings == ()


def test_duplicates_and_strangers_are_left_out() -> None:
    leaf, issuing, policy, root = three()
    stranger = authority("Stranger", number=9)
    found = passed(leaf, issuing, issuing, stranger, policy, root)
    assert len(found.chain) == 3
    [warning] = found.warnings
    assert "CN=Stranger is no part of the chain" in warning


def test_without_a_root() -> None:
    leaf, issuing, policy, _ = three()
    found = passed(leaf, issuing, policy)
    assert found.root is None and len(found.chain) == 3
    [warning] = found.warnings
    assert "root above CN=Policy" in warning and "--import-chain" in warning


def test_a_gap_or_nothing_above_is_refused() -> None:
    leaf, _, policy, root = three()
    with pytest.raises(InputError, match="has no issuer among what was given") as refused:
        passed(leaf, policy, root)
    assert "--import-chain" in refused.value.hint
    with pytest.raises(InputError, match="signed itself"):
        passed(server(None))


def test_the_wrong_key() -> None:
    leaf, root = under(authority())
    with pytest.raises(InputError, match="belongs to the ECDSA P-256 key"):
        accept(
            [leaf.certificate, root.certificate],
            foreign.key("p256", 99).public_key(),
            [REGISTRY],
            (),
            NOW,
            option="--import-chain",
        )


def test_an_authority_may_allow_less_below_it() -> None:
    root = authority("Root", number=1, basic=(BASIC(ca=True, path_length=0), True))
    issuing = authority("Issuing", root, number=3)
    with pytest.raises(InputError, match="allows 0 authorities below it"):
        passed(server(issuing, number=4), issuing, root)
    assert passed(server(root, number=4), root).root == root.certificate


def test_name_constraints_are_kept() -> None:
    only = x509.NameConstraints([x509.DNSName("example.com")], None)
    leaf, root = under(authority(more=((only, True),)))
    with pytest.raises(InputError, match="does not verify for"):
        passed(leaf, root)


def test_a_renewed_authority_is_preferred_to_its_expired_self() -> None:
    old = authority("Root", number=1, start=NOW - timedelta(days=900))
    new = authority("Root", number=1)
    leaf = server(new, number=4)
    for order in ((old, new), (new, old)):
        assert passed(leaf, *order).root == new.certificate


def test_a_cross_signed_authority_ends_at_a_root_that_was_given() -> None:
    root, other = authority("Root", number=1), authority("Other", number=2)
    issuing = authority("Issuing", root, number=3)
    crossed = authority("Issuing", other, number=3)
    found = passed(server(issuing, number=4), issuing, crossed, other)
    assert found.chain[1] == crossed.certificate and found.root == other.certificate


def test_a_whole_trust_store_is_no_chain() -> None:
    leaf, root = under(authority())
    many = [authority(f"Root {number}", number=30 + number) for number in range(20)]
    with pytest.raises(InputError, match="are no chain"):
        passed(leaf, root, *many)
