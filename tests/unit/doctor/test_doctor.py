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
from certkit.doctor.finding import CAUSE, Diagnosis, Finding, placed, weigh
from certkit.doctor.here import View, look, resolve
from certkit.doctor.host import Home, HostFacts, judge_host
from certkit.doctor.local import judge_here
from certkit.doctor.proxies import caught, from_environment, shown
from certkit.errors import ErrorKind, ExitCode, HostError
from certkit.fleet.drift.content import public_half
from certkit.fleet.report import Problem, Proof
from certkit.names import RegistryReference
from certkit.pki.constraints import Constraints
from certkit.pki.issue import issue_authority, issue_leaf
from certkit.pki.keys import KeyType, generate_key
from certkit.pki.specs import AuthoritySpec, LeafSpec
from certkit.remote.examined import Answers, Endpoint, Examination, Reply
from certkit.remote.survey import Directory, Entry, HostSurvey, Place, RuntimeSurvey
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
HOME = Home((CA[0],), LEAF, PEM)


def codes(findings: list[Finding]) -> list[str]:
    return [one.code for one in sorted(findings, key=lambda one: -one.likelihood)]


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


# -- the served certificate --------------------------------------------------------------------


def served(chain: x509.Certificate, now: datetime = NOW, clock: datetime = NOW) -> list[str]:
    return codes(judge_chain([chain], HOME.roots, HOME.leaf, REFERENCE, now, clock))


def test_the_served_certificate_is_judged() -> None:
    late, early = NOW + timedelta(days=11), NOW - timedelta(days=11)
    assert served(make("x", issuer=CA)[0]) == ["name_missing", "other_certificate"]
    assert served(LEAF, late, late) == ["expired"]
    assert served(LEAF, early, early) == ["not_yet_valid"]
    assert served(LEAF, NOW, early) == ["host_clock"]
    assert served(make("registry.lab", names=("registry.lab",))[0]) == ["other_authority"]
    # Nobody's authority, but the same subject: the signature decides.
    false = make("lab authority", authority=True)
    assert served(make("x", issuer=false, names=("registry.lab",))[0]) == ["other_authority"]
    assert judge_chain([LEAF], (), None, REFERENCE, NOW, NOW) == []


def test_names_are_compared_as_clients_do() -> None:
    wild, _ = make("x", names=("*.lab",))
    assert covers(wild, REFERENCE)
    assert not covers(wild, RegistryReference.parse("a.b.lab:5000"))
    assert not covers(wild, RegistryReference.parse("10.0.0.1:5000"))


# -- a whole host ------------------------------------------------------------------------------


def host(
    entries: list[Entry] | None = None,
    *,
    runtime: str = "docker",
    problem: ErrorKind | None = ErrorKind.TRUST,
    replies: dict[str, str] | None = None,
    general: str = "",
    clock: datetime = NOW,
    endpoint: Endpoint | None = None,
    **found: Any,
) -> HostFacts:
    state = desired_state([REFERENCE], PEM, RuntimeChoice((runtime, "docker-rootless")))
    [own] = [one for one in state.runtimes if one.name == runtime]
    place = Place(own.files[0].path, entries=[] if entries is None else entries)
    if entries is not None:
        place.directories = [Directory(place.path.rpartition("/")[0], False, 0o755, 0)]
    more = {"version": "26.1.5", "daemon": True, **found}
    answers = Answers(replies={key: Reply(0, text) for key, text in (replies or {}).items()})
    examination = Examination(
        endpoints={REFERENCE.text: endpoint or Endpoint(("10.0.0.1",), 0, LEAF_PEM)},
        general=Answers(replies={"proxies": Reply(0, general)}),
        runtimes={(runtime, ""): answers},
    )
    survey = HostSurvey([RuntimeSurvey(runtime, places=[place], **more)], int(clock.timestamp()))
    facts = HostFacts("web-1", state, survey, examination, NOW)
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


def trusted(*more: Entry, content: bytes = PEM, mode: int = 0o644) -> list[Entry]:
    return [Entry("ca.crt", "file", mode=mode, content=content), *more]


def test_a_host_as_certkit_made_it() -> None:
    assert judged(host(trusted(), problem=None)) == []


def test_nothing_that_works_is_called_a_cause() -> None:
    old = [f"{DOCKER}/registry.lab_5000_"]
    found = judged(host(trusted(), problem=None, version="28.0.1", shadows=old))
    assert codes(found) == ["shadowed"]
    assert found[0].likelihood < CAUSE
    assert judged(host(trusted(), version="28.0.1", shadows=old))[0].likelihood >= CAUSE
    assert judged(host(trusted(), version="20.10.24", shadows=old))[-1].likelihood < CAUSE


def test_what_the_client_says_decides_between_two() -> None:
    refused = Endpoint(("10.0.0.1",), 1, b"", "connect:errno=111")
    found = judged(host(problem=ErrorKind.NETWORK, endpoint=refused))
    assert [one.code for one in found[:2]] == ["port_closed", "missing"]
    assert found[1].likelihood < CAUSE


@pytest.mark.parametrize(
    ("status", "words", "code"),
    [
        (1, "system library:BIO_connect:Connection refused\nconnect:errno=111", "port_closed"),
        (1, "connect:errno=110", "unreachable"),
        (1, "BIO_connect:No route to host:calling connect()", "unreachable"),
        (1, "SSL routines::unexpected eof while reading", "unreachable"),
        (124, "", "unreachable"),
        (1, "BIO_lookup_ex:system lib:Name or service not known\nconnect:errno=22", "unresolved"),
        (1, "SSL routines:ssl3_get_record:wrong version number", "plain_http"),
        (2, "openssl: error: the following arguments are required: -CAfile", "unexamined"),
        (1, "ssl/tls alert handshake failure:SSL alert number 40", "unexamined"),
        (1, "", "unexamined"),
    ],
)
def test_a_handshake_that_failed_is_not_always_a_closed_port(
    status: int, words: str, code: str
) -> None:
    failed = Endpoint(("10.0.0.1",), status, b"", words)
    [one] = judged(host(trusted(), problem=None, endpoint=failed))
    assert one.code == code
    assert " ".join(words.split()) in one.proof
    assert code != "unexamined" or one.likelihood < CAUSE


def test_other_flavours() -> None:
    usual = [f"{DOCKER}/{REFERENCE.text}"]
    found = judged(host(runtime="docker-snap", elsewhere=usual))
    assert [one.code for one in found] == ["wrong_place", "missing"]
    assert "certkit distribute --limit web-1" in found[1].cure
    theirs = [f"/home/ann/.config/containers/certs.d/{REFERENCE.text}"]
    facts = host(trusted(), runtime="podman", daemon=None, shadows=theirs)
    assert judged(facts)[0].code == "shadowed"
    facts = host(trusted(mode=0o600), runtime="podman", daemon=None)
    assert judged(facts)[0].code == "closed_mode"
    insecure = json.dumps({"registries": {REFERENCE.text: {"Insecure": True}}})
    facts = host(trusted(), runtime="podman", daemon=None, verification=insecure)
    assert judged(facts)[0].code == "insecure"
    facts = host(
        trusted(),
        runtime="podman",
        daemon=None,
        problem=ErrorKind.NETWORK,
        general="HTTPS_PROXY=http://p:1",
    )
    assert judged(facts)[0].code == "proxy"
    desktop = {"info": json.dumps({"OperatingSystem": "Docker Desktop"})}
    [found_desktop] = judged(host(trusted(), replies=desktop))
    assert found_desktop.code == "desktop"
    assert f"~/.docker/certs.d/{REFERENCE.text}" in found_desktop.cure


def test_an_insecure_setting_is_retired_by_certkit() -> None:
    listed = json.dumps({"IndexConfigs": {REFERENCE.text: {"Secure": False}}})
    first = judged(host(trusted(), problem=None, verification=listed))[0]
    assert (first.code, first.cure) == (
        "insecure",
        "certkit distribute --limit web-1 --retire-insecure",
    )
    network = json.dumps({"InsecureRegistryCIDRs": ["10.0.0.0/8"]})
    first = judged(host(trusted(), problem=None, verification=network))[0]
    assert first.code == "insecure" and "10.0.0.0/8" in first.proof
    assert "certkit" not in first.cure


def test_a_users_runtime_that_could_not_be_looked_at_is_a_finding() -> None:
    facts = host(trusted(), problem=None)
    no = HostError(ErrorKind.PERMISSION, "the host could not run commands as ann", "try runuser")
    facts.survey.runtimes.append(RuntimeSurvey("docker-rootless", "ann", problem=no))
    [one] = judged(facts)
    assert (one.code, one.runtime, one.cure) == (
        "unexamined",
        "docker-rootless (ann)",
        "try runuser",
    )
    assert "could not run commands as ann" in one.what
    facts.survey.runtimes[-1].problem = None
    facts.survey.runtimes[-1].daemon = True
    facts.examination.problems["ann"] = no
    assert "unexamined" in [one.code for one in judged(facts)]


def test_what_does_not_keep_the_trust_from_being_read_is_no_cause() -> None:
    odd = Entry("old.crt", "file", content=b"\x30\x82")
    found = judged(host(trusted(odd)))
    assert [one.code for one in found] == ["client_says", "der"]
    old = make("another", authority=True)[0].public_bytes(serialization.Encoding.PEM)
    found = judged(host(trusted(content=PEM + old)))
    assert [one.code for one in found] == ["client_says", "foreign"]
    assert judged(host(trusted(content=old)))[0].likelihood >= CAUSE


def test_the_hosts_clock() -> None:
    early = NOW - timedelta(days=20)
    found = judged(host(trusted(), problem=ErrorKind.CLOCK, clock=early))
    assert [one.code for one in found] == ["host_clock", "clock", "expired_authority"]
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
    assert [one.code for one in found] == ["builder", "build_restart"]
    assert "docker buildx rm mine;" in found[0].cure
    assert not judged(host(trusted(), problem=None, replies={"info": "no", "builders": ""}))


def test_the_registrys_own_key_on_a_host() -> None:
    more = [
        Entry("registry.cert", "file", content=LEAF_PEM),
        Entry("registry.key", "private", content=public_half(LEAF)),
    ]
    [one] = judged(host(trusted(*more), problem=None))
    assert one.code == "server_key"
    assert "certkit renew" in one.cure and "registry.cert" in one.cure


def test_a_hosts_words_cannot_break_out_of_a_cure() -> None:
    evil = Entry("a'; reboot; '.key", "private")
    [one] = [one for one in judged(host(trusted(evil))) if one.code == "unpaired"]
    assert one.cure == f"""rm '{DOCKER}/{REFERENCE.text}/a'"'"'; reboot; '"'"'.key'"""


def test_another_server_under_the_same_name() -> None:
    other = make("registry.lab", names=("registry.lab",))[0]
    pem = other.public_bytes(serialization.Encoding.PEM)
    found = judged(host(trusted(), endpoint=Endpoint(("10.9.9.9",), 0, pem)))
    assert [one.code for one in found[:2]] == ["other_server", "other_authority"]


def test_what_no_rule_explains_is_told_in_the_clients_words() -> None:
    [one] = judged(host(trusted(), problem=ErrorKind.DAEMON))
    assert one.proof == "docker: no"
    assert (one.code, one.likelihood) == ("client_says", CAUSE)


# -- the whole diagnosis -----------------------------------------------------------------------


def test_the_same_finding_on_many_hosts_stands_once() -> None:
    one = Finding("plain_http", 94, "w", "p", "c")
    diagnosis = Diagnosis("r")
    for name in ("this machine", "a", "b"):
        diagnosis.findings += placed([one], name, "r")
    assert [(each.code, each.where) for each in diagnosis.ordered] == [
        ("plain_http", ("this machine", "a", "b"))
    ]
    assert diagnosis.exit_code is ExitCode.ATTENTION
    diagnosis.unexamined.append(("c", HostError(ErrorKind.AUTH, "no")))
    assert diagnosis.exit_code is ExitCode.FAILED
    assert "1 could not be examined" in diagnosis.verdict
    assert json.loads(json.dumps(diagnosis.to_json()))["findings"][0]["where"][0] == "this machine"


def test_what_an_asked_host_sees_comes_before_what_this_machine_sees() -> None:
    here = placed([Finding("unresolved", 96, "it does not resolve", "p", "c")], "this machine", "r")
    there = placed([Finding("build_restart", 25, "builds do not know it", "p", "c")], "a", "r")
    alone = Diagnosis("r", [*here])
    assert alone.verdict == "most likely cause, on this machine: it does not resolve"
    alone.unexamined.append(("a", HostError(ErrorKind.AUTH, "no")))
    assert alone.verdict.startswith("most likely cause, on this machine: ")
    asked = Diagnosis("r", [*here], examined=("a", "b"))
    assert asked.verdict == (
        "nothing wrong was found on a, b; on this machine: it does not resolve"
    )
    asked.findings += there
    assert [one.code for one in asked.ordered] == ["build_restart", "unresolved"]
    assert asked.verdict == (
        "nothing found keeps it from working now; to be mended: builds do not know it"
    )
    both = Diagnosis("r", [*here, *there], examined=("a",))
    both.findings.append(
        placed([Finding("unresolved", 96, "it does not resolve", "p", "c")], "a", "r")[0]
    )
    assert [one.code for one in both.ordered] == ["unresolved", "build_restart"]


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
    assert codes(findings) == ["port_closed", "loopback"]
    assert seen[0].text == "127.0.0.1"
    assert resolve("registry.invalid") == ()
