"""The doctor's rules: facts in, findings out, the true cause first."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certkit.doctor.chain import covers, judge_chain
from certkit.doctor.directory import holds_certificate
from certkit.doctor.explain import explain
from certkit.doctor.finding import CAUSE, Diagnosis, Finding, placed, weigh
from certkit.doctor.here import View, look, resolve
from certkit.doctor.host import Home, HostFacts, judge_host
from certkit.doctor.local import judge_here
from certkit.doctor.proxies import caught, from_environment, shown
from certkit.errors import ErrorKind, ExitCode, HostError
from certkit.fleet.report import Problem, Proof
from certkit.names import RegistryReference
from certkit.pki.constraints import Constraints
from certkit.pki.issue import issue_authority, issue_leaf
from certkit.pki.keys import KeyType, generate_key
from certkit.pki.specs import AuthoritySpec, LeafSpec
from certkit.remote.examined import Answers, Endpoint, Entry, Examination, Reply
from certkit.remote.report import PlaceReport, RuntimeReport
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.state import RuntimeChoice

NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)
REFERENCE = RegistryReference.parse("registry.lab:5000")
DOCKER = "/etc/docker/certs.d"


def make(
    name: str, *, issuer: Any = None, authority: bool = False, names: tuple[str, ...] = ()
) -> tuple[x509.Certificate, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=10))
        .not_valid_after(NOW + timedelta(days=10))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        alternatives = [x509.DNSName(one) for one in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


_KEY = generate_key(KeyType.P256)
CA = (
    issue_authority(
        AuthoritySpec("lab", Constraints.derive([REFERENCE.subject_name])),
        _KEY,
        NOW - timedelta(days=10),
    ),
    _KEY,
)
LEAF = issue_leaf(
    LeafSpec((REFERENCE.subject_name,), 20),
    generate_key(KeyType.P256).public_key(),
    *CA,
    NOW - timedelta(days=10),
).certificate
PEM = CA[0].public_bytes(serialization.Encoding.PEM)
LEAF_PEM = LEAF.public_bytes(serialization.Encoding.PEM)
HOME = Home((CA[0],), LEAF)
DIRECTORY = Entry(".", "d", 0o755, 0)


def codes(findings: list[Finding]) -> list[str]:
    return [one.code for one in sorted(findings, key=lambda one: -one.likelihood)]


# -- clients' messages -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x509: certificate signed by unknown authority (possibly because of)", "not-distributed"),
        ("x509: certificate relies on legacy Common Name field, use SANs instead", "name-missing"),
        ("cannot validate certificate for 10.0.0.1: doesn't contain any IP SANs", "name-missing"),
        ("x509: certificate is valid for a.lab, not b.lab", "name-missing"),
        ("x509: certificate is not valid for any names, but wanted to match x", "name-missing"),
        ("SSL: no alternative certificate subject name matches target host name", "name-missing"),
        ("x509: certificate has expired or is not yet valid: current time X is after Y", "expired"),
        ("certificate has expired or is not yet valid: current time X is before Y", "host-clock"),
        ("error 9 at 0 depth lookup: certificate is not yet valid", "host-clock"),
        ("verify error:num=47:permitted subtree violation", "constraints"),
        ("missing key ca.key for client certificate ca.cert. CA certificates must", "unpaired"),
        ("Missing client certificate domain.cert for key domain.key", "unpaired"),
        ("failed to load X509 key pair: tls: found a certificate rather than a key", "unpaired"),
        ('unable to load CA cert "/etc/docker/certs.d/x/ca.crt"', "pem-der"),
        ("read /etc/docker/certs.d/x/old.crt: is a directory", "not-a-file"),
        ("open /etc/docker/certs.d/registry.lab:5000: permission denied", "closed"),
        ("http: server gave HTTP response to HTTPS client", "plain-http"),
        ("routines:ssl3_get_record:wrong version number", "plain-http"),
        ("proxyconnect tcp: dial tcp 10.0.0.9:3128: connect: connection refused", "proxy"),
        ("dial tcp: lookup registry.lab on 10.0.0.2:53: no such host", "unresolved"),
        ("curl: (6) Could not resolve host: registry.lab", "unresolved"),
        ("dial tcp 10.0.0.1:5000: connect: connection refused", "port-closed"),
        ("net/http: request canceled (Client.Timeout exceeded while waiting)", "unreachable"),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "daemon-down"),
        ("curl: (60) SSL certificate problem: unable to get local issuer", "not-distributed"),
        ("could not be accessed on a registry to record its digest", "not-distributed"),
        ("remote error: tls: certificate required", "client-certificate"),
        ("manifest for r/x not found: manifest unknown", "trusted"),
        ("no basic auth credentials", "trusted"),
        ("invalid reference format: repository name must be lowercase", "reference"),
    ],
)
def test_a_known_message_is_explained(text: str, code: str) -> None:
    [first, *_] = explain(f"Error response from daemon: {text}")
    assert first.code == code
    assert first.causes and first.next


def test_the_message_fills_in_the_next_step() -> None:
    [one] = explain(
        'Get "https://[fd00::1]:5443/v2/": x509: certificate signed by unknown authority'
    )
    assert "certkit doctor [fd00::1]:5443 --host HOST" in one.next
    assert explain("the printer is on fire") == []


# -- proxies -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "no_proxy", "is_caught"),
    [
        ("registry.lab:5000", "", True),
        ("registry.lab:5000", "lab", False),
        ("registry.lab:5000", ".lab", False),
        ("registry.lab:5000", "*.lab", False),
        ("registry.lab:5000", "other.lab, istry.lab", True),
        ("registry.lab:5000", "registry.lab:5000", False),
        ("registry.lab:5000", "registry.lab:5001", True),
        ("registry.lab:5000", "*", False),
        ("lab.example:5000", ".lab.example", True),
        ("10.1.2.3:5000", "10.0.0.0/8", False),
        ("10.1.2.3:5000", "10.1.2.4,10.1", True),
        ("[fd00::1]:5000", "fd00::/8", False),
        ("localhost:5000", "", False),
    ],
)
def test_no_proxy_by_the_rules_of_go(reference: str, no_proxy: str, is_caught: bool) -> None:
    assert caught(RegistryReference.parse(reference), "http://p:3128", no_proxy) is is_caught
    assert not caught(RegistryReference.parse(reference), "", no_proxy)


def test_a_proxys_password_is_not_shown() -> None:
    assert shown("http://ann:secret@proxy:3128/") == "http://***@proxy:3128/"
    assert from_environment("https_proxy=http://p\nNO_PROXY=a,b\nX=1\n") == ("http://p", "a,b")


# -- files by another name ---------------------------------------------------------------------


def test_a_certificate_is_known_whatever_its_file_is_called() -> None:
    assert holds_certificate(PEM)
    assert holds_certificate(CA[0].public_bytes(serialization.Encoding.DER))
    assert holds_certificate(b"\xef\xbb\xbf" + PEM)
    assert not holds_certificate(b"")
    assert not holds_certificate(b"0 is no DER")


# -- the served certificate --------------------------------------------------------------------


def served(chain: x509.Certificate, now: datetime = NOW, clock: datetime = NOW) -> list[str]:
    return codes(judge_chain([chain], HOME.roots, HOME.leaf, REFERENCE, now, clock))


def test_the_served_certificate_is_judged() -> None:
    late, early = NOW + timedelta(days=11), NOW - timedelta(days=11)
    assert served(make("x", issuer=CA)[0]) == ["name-missing", "other-certificate"]
    assert served(LEAF, late, late) == ["expired"]
    assert served(LEAF, early, early) == ["not-yet-valid"]
    assert served(LEAF, NOW, early) == ["host-clock"]
    assert served(make("registry.lab", names=("registry.lab",))[0]) == ["other-authority"]
    # Nobody's authority, but the same subject: the signature decides.
    false = make("lab authority", authority=True)
    assert served(make("x", issuer=false, names=("registry.lab",))[0]) == ["other-authority"]
    assert judge_chain([LEAF], (), None, REFERENCE, NOW, NOW) == []


def test_names_are_compared_as_clients_do() -> None:
    wild, _ = make("x", names=("*.lab",))
    assert covers(wild, REFERENCE)
    assert not covers(wild, RegistryReference.parse("a.b.lab:5000"))
    assert not covers(wild, RegistryReference.parse("10.0.0.1:5000"))


# -- a whole host ------------------------------------------------------------------------------


def host(
    listings: dict[str, list[Entry] | None] | None = None,
    *,
    runtime: str = "docker",
    problem: ErrorKind | None = ErrorKind.TRUST,
    replies: dict[str, str] | None = None,
    general: str = "",
    version: str = "26.1.5",
    verification: str = "",
    clock: datetime = NOW,
    endpoint: Endpoint | None = None,
    daemon: bool | None = True,
) -> HostFacts:
    state = desired_state([REFERENCE], PEM, RuntimeChoice((runtime,)))
    report = RuntimeReport(runtime, version=version, daemon=daemon, verification=verification)
    answers = Answers(
        replies={key: Reply(0, text) for key, text in (replies or {}).items()},
        listings=dict(listings or {}),
    )
    examination = Examination(
        epoch=int(clock.timestamp()),
        endpoints={REFERENCE.text: endpoint or Endpoint(("10.0.0.1",), 0, LEAF_PEM)},
        general=Answers(replies={"proxies": Reply(0, general)}),
        runtimes={(runtime, ""): answers},
    )
    facts = HostFacts("web-1", state, PlaceReport((report,), 0), examination, NOW)
    said = None if problem is None else Problem(problem, "docker: no")
    facts.proofs[runtime, "", REFERENCE.text] = Proof(
        REFERENCE.text, "ok", "ok", problem is None, problem=said
    )
    return facts


def judged(facts: HostFacts) -> list[Finding]:
    view = View(("10.0.0.1",), (LEAF,))
    findings, seen = judge_host(facts, [REFERENCE], {REFERENCE.text: view}, HOME)
    assert seen
    return sorted(findings, key=lambda one: -one.likelihood)


def trusted(base: str = DOCKER, *more: Entry, content: bytes = PEM) -> dict[str, Any]:
    own = Entry("ca.crt", "-", 0o644, 0, content)
    return {
        base: [DIRECTORY, Entry(REFERENCE.text, "d", 0o755, 0), *more],
        f"{base}/{REFERENCE.text}": [DIRECTORY, own],
    }


def test_a_host_as_certkit_made_it() -> None:
    assert judged(host(trusted(), problem=None)) == []


def test_nothing_that_works_is_called_a_cause() -> None:
    old = Entry("registry.lab_5000_", "d", 0o755, 0)
    found = judged(host(trusted(DOCKER, old), problem=None, version="28.0.1"))
    assert codes(found) == ["shadowed"]
    assert found[0].likelihood < CAUSE
    assert judged(host(trusted(DOCKER, old), version="28.0.1"))[0].likelihood >= CAUSE


def test_what_the_client_says_decides_between_two() -> None:
    refused = Endpoint(("10.0.0.1",), 1, b"", "connect:errno=111")
    found = judged(host({DOCKER: None}, problem=ErrorKind.NETWORK, endpoint=refused))
    assert [one.code for one in found[:2]] == ["port-closed", "not-distributed"]
    assert found[1].likelihood < CAUSE


def test_other_flavours() -> None:
    snap = "/var/snap/docker/current/etc/docker/certs.d"
    facts = host({**trusted(), snap: None, f"{snap}/{REFERENCE.text}": None}, runtime="docker-snap")
    assert judged(facts)[0].code == "wrong-place"
    home = "~/.config/containers/certs.d"
    listings = {
        **trusted("/etc/containers/certs.d"),
        home: [DIRECTORY],
        f"{home}/{REFERENCE.text}": [DIRECTORY],
    }
    facts = host(listings, runtime="podman", daemon=None)
    assert [one.code for one in judged(facts)[:2]] == ["shadowed", "empty-directory"]
    closed = trusted("/etc/containers/certs.d")
    closed[f"/etc/containers/certs.d/{REFERENCE.text}"][1] = Entry("ca.crt", "-", 0o600, 0, PEM)
    assert judged(host(closed, runtime="podman", daemon=None))[0].code == "closed"
    insecure = json.dumps({"registries": {REFERENCE.text: {"Insecure": True}}})
    listings = trusted("/etc/containers/certs.d")
    facts = host(listings, runtime="podman", daemon=None, verification=insecure)
    assert judged(facts)[0].code == "insecure"
    facts = host(
        listings,
        runtime="podman",
        daemon=None,
        problem=ErrorKind.NETWORK,
        general="HTTPS_PROXY=http://p:1",
    )
    assert judged(facts)[0].code == "proxy"


def test_the_hosts_clock() -> None:
    early = NOW - timedelta(days=20)
    found = judged(host(trusted(), problem=ErrorKind.CLOCK, clock=early))
    assert [one.code for one in found] == ["host-clock", "clock"]
    assert "20 days behind" in found[1].what
    off = judged(host(trusted(), problem=None, clock=NOW + timedelta(hours=2)))
    assert [one.code for one in off] == ["clock"]


def test_builders_and_builds() -> None:
    config = f'builder buildx_buildkit_ok0\n[registry."{REFERENCE.text}"]\n  ca = ["x"]\n'
    replies = {
        "builders": config + "builder buildx_buildkit_mine0\n",
        "registered since start": "yes\n",
        "info": "{}",
    }
    found = judged(host(trusted(), problem=None, replies=replies, version="20.10.24"))
    assert [one.code for one in found] == ["builder", "build-restart"]
    assert "docker buildx rm mine;" in found[0].cure
    assert not judged(host(trusted(), problem=None, replies={"info": "no", "builders": ""}))


def test_the_registrys_own_key_on_a_host() -> None:
    listings = trusted()
    listings[f"{DOCKER}/{REFERENCE.text}"] += [
        Entry("registry.cert", "-", 0o644, 0, LEAF_PEM),
        Entry("registry.key", "-", 0o600, 0, "secret"),
    ]
    [one] = judged(host(listings, problem=None))
    assert one.code == "server-key"
    assert "certkit renew" in one.cure


def test_a_hosts_words_cannot_break_out_of_a_cure() -> None:
    listings = trusted()
    evil = Entry("a'; reboot; '.key", "-", 0o600, 0, "secret")
    listings[f"{DOCKER}/{REFERENCE.text}"].append(evil)
    [one] = [one for one in judged(host(listings)) if one.code == "unpaired"]
    assert one.cure == f"""rm '{DOCKER}/{REFERENCE.text}/a'"'"'; reboot; '"'"'.key'"""


def test_another_server_under_the_same_name() -> None:
    other = make("registry.lab", names=("registry.lab",))[0]
    pem = other.public_bytes(serialization.Encoding.PEM)
    found = judged(host(trusted(), endpoint=Endpoint(("10.9.9.9",), 0, pem)))
    assert [one.code for one in found[:2]] == ["other-server", "other-authority"]


def test_what_no_rule_explains_is_told_in_the_clients_words() -> None:
    [one] = judged(host(trusted(), problem=ErrorKind.DAEMON))
    assert one.proof == "docker: no"
    assert (one.code, one.likelihood) == ("client-says", CAUSE)


# -- the whole diagnosis -----------------------------------------------------------------------


def test_the_same_finding_on_many_hosts_stands_once() -> None:
    one = Finding("plain-http", 94, "w", "p", "c")
    diagnosis = Diagnosis("r")
    for name in ("this machine", "a", "b"):
        diagnosis.findings += placed([one], name, "r")
    assert [(each.code, each.where) for each in diagnosis.ordered] == [
        ("plain-http", ("this machine", "a", "b"))
    ]
    assert diagnosis.exit_code is ExitCode.ATTENTION
    diagnosis.unexamined.append(("c", HostError(ErrorKind.AUTH, "no")))
    assert diagnosis.exit_code is ExitCode.FAILED
    assert "1 could not be examined" in diagnosis.verdict
    assert json.loads(json.dumps(diagnosis.to_json()))["findings"][0]["where"][0] == "this machine"


def test_weighing() -> None:
    one = Finding("x", 90, "", "", "", frozenset({ErrorKind.TRUST}))
    assert weigh([one], ErrorKind.TRUST, works=False)[0].likelihood == 90
    assert weigh([one], ErrorKind.DAEMON, works=False)[0].likelihood == 90
    assert weigh([one], ErrorKind.NETWORK, works=False)[0].likelihood < CAUSE
    assert weigh([one], None, works=True)[0].likelihood < CAUSE


def test_what_this_machine_sees() -> None:
    reference = RegistryReference.parse("127.0.0.1:1")
    view = look(reference, {"HTTPS_PROXY": "http://p"})
    assert view.error is not None and view.error.kind is ErrorKind.REFUSED
    findings, seen = judge_here({reference.text: view}, [reference], HOME, NOW)
    assert codes(findings) == ["port-closed", "loopback"]
    assert seen[0].text == "127.0.0.1"
    assert resolve("registry.invalid") == ()
