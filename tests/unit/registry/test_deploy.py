"""Deploying and looking, against a host that answers what the test says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from certkit.errors import ErrorKind, HomeError, HostError
from certkit.fleet.report import Outcome
from certkit.home.home import Home
from certkit.home.initialise import initialise
from certkit.home.registry import RegistryFiles
from certkit.home.request import RegistryRequest
from certkit.inventory.model import Host
from certkit.inventory.registry_host import RegistryHost
from certkit.names import RegistryReference
from certkit.registry.deploy import DeployOptions, deploy
from certkit.registry.pair import Pair
from certkit.registry.plan import deployment
from certkit.registry.sight import HERE, Sight, from_here
from certkit.registry.status import judge
from certkit.remote.exchange import Exchange
from certkit.transport.connection import Answer
from tests.unit.home.makers import PLAIN

REFERENCE = RegistryReference.parse("registry.lab:5000")
HOST = Host(name="reg", address="10.0.0.1", user="root")
PATHS = {"certificate": "/srv/certs/server.crt", "key": "/srv/certs/server.key"}
SERVER = RegistryHost(host=HOST, run="systemd", unit="zot", **PATHS)  # type: ignore[arg-type]
OTHER = "f" * 64


def certificates(directory: Path) -> RegistryFiles:
    now = datetime.now(timezone.utc)
    initialise(directory, RegistryRequest.parse(REFERENCE.text), PLAIN, now)
    return Home.open(directory).registry(REFERENCE)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> RegistryFiles:
    return certificates(tmp_path_factory.mktemp("homes") / "home")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> RegistryFiles:
    return certificates(tmp_path_factory.mktemp("homes") / "other")


class Registry:
    """Connects to itself; answers each step with its lines."""

    def __init__(self, **answers: str | HostError) -> None:
        self.answers = answers
        self.steps: list[str] = []
        self.peer = "10.0.0.1"

    def connect(self, _host: Host, _before_login: object = None) -> Registry:
        return self

    def run(self, exchange: Exchange) -> Answer:
        data = exchange.stdin.partition(f"\ndata-{exchange.nonce}\n".encode())[2].decode()
        step = next((x[3:] for x in data.splitlines() if x.startswith("do ")), "look")
        self.steps.append(step)
        said = self.answers.get(step, "result settled 1 -")
        if isinstance(said, HostError):
            raise said
        lines = [*said.split("; "), "end 0"]
        return Answer(0, "".join(f"{exchange.nonce} {line}\n" for line in lines).encode(), b"")

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


def serving(*chain: x509.Certificate) -> Callable[..., tuple[x509.Certificate, ...]]:
    return lambda _reference, _address: chain


def silent(_reference: object, _address: object) -> tuple[x509.Certificate, ...]:
    raise HostError(ErrorKind.TIMEOUT, "did not answer")


def go(registry: Registry, files: RegistryFiles, fetcher: Any, **options: Any) -> Any:
    return deploy(
        SERVER,
        REFERENCE,
        Pair.current(files),
        registry,
        DeployOptions(retries=0, **options),
        fetcher=fetcher,
    )


def done(files: RegistryFiles, word: str = "changed", served: str | None = None) -> str:
    seen = Pair.current(files).sha256 if served is None else served
    return f"before -; plan restart; served {seen}; result {word} 100 -"


def test_served_and_settled(files: RegistryFiles) -> None:
    registry = Registry(deploy=done(files))
    ended = go(registry, files, serving(files.leaf))
    assert (ended.result.outcome, ended.served) == (Outcome.CHANGED, True)
    assert registry.steps == ["deploy", "settle"]
    [runtime] = ended.result.runtimes
    assert runtime.restarted
    assert f"seen from {HERE} and reg" in runtime.notes[0]


def test_unchanged_settles_nothing(files: RegistryFiles) -> None:
    registry = Registry(deploy=done(files, "unchanged"))
    ended = go(registry, files, serving(files.leaf))
    assert (ended.result.outcome, registry.steps) == (Outcome.UNCHANGED, ["deploy"])


def test_this_machine_cannot_look_but_the_host_can(files: RegistryFiles) -> None:
    registry = Registry(deploy=done(files))
    ended = go(registry, files, silent)
    assert ended.served
    assert any("not seen from this machine" in note for note in ended.result.runtimes[0].notes)


def test_nobody_can_look(files: RegistryFiles) -> None:
    registry = Registry(deploy=done(files, served="-"), revert="result rolled_back 9 -")
    ended = go(registry, files, silent)
    assert (ended.result.outcome, ended.served) == (Outcome.ROLLED_BACK, False)
    assert "nobody could see" in ended.result.error.message
    assert registry.steps == ["deploy", "look", "revert"]


def test_another_one_is_seen_from_here(
    files: RegistryFiles, others: RegistryFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certkit.registry.sight._WAIT", 0.1)
    registry = Registry(deploy=done(files), revert="result rolled_back 9 -")
    ended = deploy(SERVER, REFERENCE, Pair.current(files), registry, fetcher=serving(others.leaf))
    assert (ended.result.outcome, ended.served) == (Outcome.ROLLED_BACK, False)
    assert ended.result.error is not None
    assert ended.result.error.kind is ErrorKind.TRUST


@pytest.mark.parametrize(
    ("answer", "outcome", "words"),
    [
        (f"served {OTHER}; result rolled_back 9 other", Outcome.ROLLED_BACK, "goes on serving"),
        ("restored yes; result rollback_failed 9 ended", Outcome.FAILED, "certificate either"),
        ("restored no; result rollback_failed 9 ended", Outcome.FAILED, "not all of what was"),
        ("result failed 9 start", Outcome.FAILED, "did not start"),
        ("file foreign content 2f612f622f63.; result foreign 9 -", Outcome.FAILED, "/a/b/c"),
    ],
)
def test_the_hosts_own_verdict(
    files: RegistryFiles, answer: str, outcome: Outcome, words: str
) -> None:
    registry = Registry(deploy=answer)
    ended = go(registry, files, serving(files.leaf))
    assert (ended.result.outcome, ended.served) == (outcome, False)
    assert words in ended.result.error.message
    assert registry.steps == ["deploy"]


@pytest.mark.parametrize(
    ("back", "message", "hint"),
    [
        ("restored yes; result rolled_back 9 -", "; the old files are back", ""),
        (
            "restored yes; result rollback_failed 9 silent",
            "; the old files are back, and the registry does not serve the old",
            "the registry's own log",
        ),
        ("restored no; result rollback_failed 9 -", "; not all of what was there before", "again"),
        ("result none 9 -", "; nothing was taken back", "the same command again"),
    ],
)
def test_the_old_files_are_said_to_be_back_where_they_are(
    files: RegistryFiles,
    others: RegistryFiles,
    monkeypatch: pytest.MonkeyPatch,
    back: str,
    message: str,
    hint: str,
) -> None:
    monkeypatch.setattr("certkit.registry.sight._WAIT", 0.1)
    registry = Registry(deploy=done(files), revert=back)
    ended = go(registry, files, serving(others.leaf))
    assert registry.steps == ["deploy", "revert"]
    error = ended.result.error
    assert message in error.message and hint in error.hint
    assert ("the old files are back" in error.message) is ("restored yes" in back)


def test_what_another_run_has_replaced_since_is_not_in_service(files: RegistryFiles) -> None:
    registry = Registry(deploy=done(files), settle="result none 1 -")
    ended = go(registry, files, serving(files.leaf))
    assert (ended.result.outcome, ended.served) == (Outcome.FAILED, False)
    assert "another run has put another certificate there" in ended.result.error.message


def test_what_podman_does_not_do_by_itself_is_told(files: RegistryFiles) -> None:
    ended = go(Registry(deploy=f"boot no; {done(files)}"), files, serving(files.leaf))
    assert any("podman-restart" in note for note in ended.result.runtimes[0].notes)


def test_a_witness_may_see_the_old_one_for_a_moment(
    files: RegistryFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certkit.registry.sight._POLL", 0)
    prints = [Pair.current(files).sha256, OTHER, OTHER]

    class Reloading(Registry):
        def run(self, exchange: Exchange) -> Answer:
            self.answers["look"] = f"openssl yes; served {prints[-1]}"
            answer = super().run(exchange)
            if self.steps[-1] == "look" and len(prints) > 1:
                prints.pop()
            return answer

    registry = Reloading(deploy=done(files))
    ended = go(registry, files, serving(files.leaf), witnesses=(HOST,))
    assert (ended.result.outcome, ended.served) == (Outcome.CHANGED, True)
    assert registry.steps == ["deploy", "look", "look", "look", "settle"]


@pytest.mark.parametrize("later", [OTHER, None, ""])
def test_the_registrys_host_must_see_it_as_well(
    files: RegistryFiles, monkeypatch: pytest.MonkeyPatch, later: str | None
) -> None:
    """What only places files judges nothing; who sees another one afterwards objects."""
    monkeypatch.setattr("certkit.registry.sight._WAIT", 0.1)
    pair = Pair.current(files)
    seen = pair.sha256 if later is None else later
    look = f"openssl yes; served {seen}" if seen else "openssl no; served -"
    registry = Registry(deploy=done(files, served=OTHER), look=look)
    server = RegistryHost(host=HOST, run="files", **PATHS)  # type: ignore[arg-type]
    ended = deploy(server, REFERENCE, pair, registry, fetcher=serving(files.leaf))
    assert ended.served is (later != OTHER)
    notes = " ".join(ended.result.runtimes[0].notes)
    assert ("reg is still served another" in notes) is (later == OTHER)
    assert ("not seen from reg: has no openssl" in notes) is (later == "")


def test_a_check_looks_on_the_host_only(files: RegistryFiles) -> None:
    registry = Registry(deploy="plan restart; result would_change 9 -")
    ended = go(registry, files, silent, check=True)
    assert (ended.result.outcome, ended.served) == (Outcome.WOULD_CHANGE, False)
    assert ended.result.runtimes[0].notes == ("the registry would be told to restart",)


def test_an_unreachable_host(files: RegistryFiles) -> None:
    class Gone(Registry):
        def connect(self, _host: Host, _before_login: object = None) -> Registry:
            raise HostError(ErrorKind.REFUSED, "refused", unreachable=True)

    ended = go(Gone(), files, silent)
    assert (ended.result.outcome, ended.served) == (Outcome.UNREACHABLE, False)


def test_a_name_that_only_the_fleet_knows(files: RegistryFiles) -> None:
    asked: list[object] = []

    def fetcher(_reference: object, address: object) -> tuple[x509.Certificate, ...]:
        asked.append(address)
        if address is None:
            raise HostError(ErrorKind.DNS, "not known")
        return (files.leaf,)

    assert from_here(REFERENCE, "10.0.0.1", fetcher=fetcher).sha256
    assert asked == [None, ("10.0.0.1", 5000)]


def test_a_key_never_shows(files: RegistryFiles, others: RegistryFiles) -> None:
    pair = Pair.current(files)
    state = deployment(SERVER, REFERENCE, pair)
    assert "PRIVATE" not in f"{pair!r} {state!r}"
    with pytest.raises(HomeError, match="does not belong"):
        Pair(pair.chain_pem, others.server_key_pem).checked()


def test_a_container_of_certkits_own(files: RegistryFiles) -> None:
    server = RegistryHost(host=HOST, run="container", image="registry:3", env_file="/etc/reg.env")
    state = deployment(server, REFERENCE, Pair.current(files))
    assert state.certificate.path == "/etc/certkit/registry.lab_5000/server.crt"
    assert state.run[-1] == "registry:3"
    assert "--publish=5000:5000" in state.run
    assert "--volume=/etc/certkit/registry.lab_5000:/certkit:ro" in state.run
    assert "--env=REGISTRY_HTTP_TLS_KEY=/certkit/server.key" in state.run
    assert f"--label=certkit.spec={state.spec}" in state.run
    other = deployment(RegistryHost(host=HOST, run="container"), REFERENCE, Pair.current(files))
    assert other.spec != state.spec
    assert state.endpoint.connect == ("127.0.0.1", 5000)


def test_status(files: RegistryFiles, others: RegistryFiles) -> None:
    now = datetime.now(timezone.utc)
    ours = Sight(HERE, Pair.current(files).sha256, files.server_chain)
    theirs = Sight("reg", Pair.current(others).sha256, others.server_chain)
    good = judge(files, [ours], now)
    assert (good.says, good.attention, good.reason) == ("current", False, "")
    assert good.to_json()["served"]["sha256"] == ours.sha256
    assert judge(files, [ours, theirs], now).verdict.startswith("not every place")
    bad = judge(files, [theirs], now)
    assert (bad.says, bad.attention, bool(bad.reason)) == ("other", True, True)
    nothing = judge(files, [Sight(HERE)], now)
    assert (nothing.says, nothing.to_json()["trusted"]) == ("nothing", None)
    assert judge(files, [ours], now + timedelta(days=4000)).attention
