"""Commands that are told to be run next work when copied."""

from __future__ import annotations

import re
import shlex
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from certkit.cli.again import Again
from certkit.cli.commands import NAMES, command
from certkit.errors import ErrorKind, HostError
from certkit.fleet.drift.findings import RETIRE, Finding
from certkit.fleet.report import HostResult, Outcome, Problem, RuntimeResult, Standing
from tests.unit.cli.running import Command

HOME, HOSTS, KNOWN = "my home", "the hosts.yaml", "it's known"
GIVEN = {"home": Path(HOME), "inventory": Path(HOSTS), "known_hosts": Path(KNOWN), "user": "ann"}
SAID = f"--home 'my home' -i 'the hosts.yaml' --known-hosts {shlex.quote(KNOWN)}"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CERTKIT_HOME", "CERTKIT_INVENTORY", "CERTKIT_CA_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("text", "completed"),
    [
        ("certkit verify", f"certkit verify REG {SAID}"),
        ("a, or: certkit renew --san a.lab", f"a, or: certkit renew REG {SAID} --san a.lab"),
        ("certkit rotate start, then `mv x y`", f"certkit rotate start REG {SAID}, then `mv x y`"),
        (
            "certkit renew && certkit registry deploy --next",
            f"certkit renew REG {SAID} && certkit registry deploy --next REG {SAID}",
        ),
        ("start it (certkit registry status)", f"start it (certkit registry status REG {SAID})"),
        ("the next `certkit remove` does", f"the next `certkit remove REG {SAID}` does"),
        # Only what a command takes.
        ("certkit inspect HOST:PORT --live", "certkit inspect HOST:PORT --live --home 'my home'"),
        ("list them: certkit inventory", "list them: certkit inventory -i 'the hosts.yaml'"),
        ("certkit passphrase", "certkit passphrase REG --home 'my home'"),
        ("certkit backup FILE", "certkit backup --home 'my home' FILE"),
        ("copy it (certkit backup) first", "copy it (certkit backup --home 'my home') first"),
        ("certkit rotate switch --served", f"certkit rotate switch --served REG {SAID}"),
        # What it says itself stays.
        ("certkit passphrase a.lab --home /h", "certkit passphrase a.lab --home /h"),
        (
            "certkit import-signed FILE --key FILE REG --home /h",
            "certkit import-signed FILE --key FILE REG --home /h",
        ),
        ("certkit verify '[::1]:5000'", f"certkit verify '[::1]:5000' {SAID}"),
        ("certkit renew REG --served", f"certkit renew {SAID} REG --served"),
        (
            "certkit import-signed FILE a.lab --home /h; certkit renew a.lab --csr",
            f"certkit import-signed FILE a.lab --home /h; certkit renew a.lab --csr {SAID}",
        ),
        (
            "certkit import-signed F --import-chain ROOT; or restart it",
            "certkit import-signed F REG --home 'my home' --import-chain ROOT; or restart it",
        ),
        (
            "an answer is taken (certkit import-signed)",
            "an answer is taken (certkit import-signed)",
        ),
        ("that is certkit verify a.lab.", f"that is certkit verify a.lab {SAID}."),
        # No command of certkit's.
        ("run certkit as its owner", "run certkit as its owner"),
        ("see certkit rotate --help", "see certkit rotate --help"),
        ("rm '/srv/certkit verify'", "rm '/srv/certkit verify'"),
        ("", ""),
    ],
)
def test_a_command_gets_what_the_run_was_given(text: str, completed: str) -> None:
    again = Again.of({**GIVEN, "registry": "REG"})
    assert again.completed(text) == completed
    assert again.completed(completed) == completed
    assert Again.of({"home": None, "inventory": None, "user": "ann"}).completed(text) == text


def test_what_the_surroundings_say_is_not_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CERTKIT_HOME", HOME)
    again = Again.of({"home": Path(HOME), "inventory": Path("hosts.yaml"), "registry": None})
    assert again.completed("certkit verify") == "certkit verify"


def test_what_only_the_inventory_chose_is_named_to_those_that_do_not_read_it() -> None:
    again = Again.of({}, "a.lab")
    assert again.completed("certkit renew && certkit registry deploy") == (
        "certkit renew a.lab && certkit registry deploy"
    )


def every_command() -> list[tuple[str, Any]]:
    found = []
    for name in NAMES:
        one = command(name)
        steps = getattr(one, "commands", None)
        found += [(f"{name} {step}", steps[step]) for step in steps] if steps else [(name, one)]
    return found


@pytest.mark.parametrize(("name", "found"), every_command(), ids=lambda one: str(one))
def test_every_command_understands_what_it_is_completed_with(name: str, found: Any) -> None:
    given = {**GIVEN, "registry_host": Path("r.yaml"), "registry": "reg.lab:5000"}
    bare = f"certkit {name} FILE" if name == "import-signed" else f"certkit {name}"
    words = shlex.split(Again.of(given).completed(bare))[1 + len(name.split()) :]
    context = found.make_context(name, list(words), resilient_parsing=True)
    for option in ("home", "inventory", "known_hosts", "registry_host", "registry"):
        if option in context.params:
            assert str(context.params[option]) == str(given[option]), (name, words)


@dataclass(frozen=True)
class Part:
    """Something that is reported."""

    cure: str
    message: str
    parts: tuple[Any, ...] = ()


def test_what_is_reported_has_its_cures_completed_and_nothing_else() -> None:
    again = Again.of({"home": Path("/h")})
    untouched = Part("mv a b", "certkit verify", (1, "certkit verify", None))
    assert again.told(untouched) is untouched
    whole = Part("certkit verify", "certkit verify", (untouched, [Part(RETIRE, "m")]))
    told = again.told(whole)
    assert told.cure == "certkit verify --home /h" and told.message == "certkit verify"
    assert told.parts == (untouched, [Part("certkit distribute --retire-insecure --home /h", "m")])
    assert whole.cure == "certkit verify"
    error = HostError(ErrorKind.TRUST, "certkit verify", "certkit verify", retryable=True)
    [same] = again.told([error])
    assert same is error and error.retryable and error.message == "certkit verify"
    assert error.hint == "certkit verify --home /h"


def test_a_report_of_hosts_has_its_cures_completed() -> None:
    finding = Finding("missing", "/p", "is missing", "certkit distribute", "proof")
    runtime = RuntimeResult("docker", standing=Standing((), (finding,)))
    problem = Problem(ErrorKind.TRUST, "no", "place it: certkit distribute")
    host = HostResult("a", "10.0.0.1", Outcome.FAILED, 0.1, (runtime,), problem, (finding,))
    told = Again.of({"home": Path("/h")}).told(host)
    assert told.error == Problem(ErrorKind.TRUST, "no", "place it: certkit distribute --home /h")
    assert [one.cure for one in told.every_finding] == ["certkit distribute --home /h"]


@pytest.fixture
def certkit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("CERTKIT_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("certkit.cli.words.on_terminal", lambda: False)
    return Command(monkeypatch, capsys)


def copied(text: str) -> list[list[str]]:
    """The commands in a text as a shell reads them, each up to the end of its part of it."""
    return [shlex.split(one) for one in re.findall(r"certkit [^;,()\n]*[^;,()\n ]", text)]


def test_the_hint_of_an_error_works_when_copied(certkit: Command) -> None:
    for name in ("a.lab:5000", "b.lab:5000"):
        assert certkit("init", name, "--no-passphrase", "--home", HOME).code == 0
    Path(HOSTS).write_text("registry: a.lab:5000\nhosts: [web]\n")
    where = ("a.lab:5000", "--home", HOME, "-i", HOSTS)
    refused = certkit("rotate", "finish", *where)
    assert refused.code == 2 and "hint: see certkit rotate status" in refused.err
    [(_, *words)] = copied(refused.err)
    assert tuple(words) == ("rotate", "status", *where)
    assert certkit(*words, "-o", "json").json["registry"] == "a.lab:5000"
    unknown = certkit("verify", *where, "--limit", "nosuch")
    [(_, *words)] = copied(unknown.err)
    assert unknown.code == 2 and words == ["inventory", "-i", HOSTS]
    assert certkit(*words).code == 0


def test_without_options_a_hint_is_as_it_was(certkit: Command) -> None:
    assert certkit("init", "a.lab:5000", "--no-passphrase").code == 0
    Path("hosts.yaml").write_text("registry: a.lab:5000\nhosts: [web]\n")
    assert "hint: see certkit rotate status\n" in certkit("rotate", "finish").err


def test_what_the_doctor_says_from_here_works_when_copied(certkit: Command) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        name = f"127.0.0.1:{unused.getsockname()[1]}"
    assert certkit("init", name, "--no-passphrase", "--home", HOME).code == 0
    Path(HOSTS).write_text(f"registry: '{name}'\nhosts: [web]\n")
    where = (name, "--home", HOME, "-i", HOSTS)
    found = certkit("doctor", *where, "-o", "json")
    cure = found.json["findings"][0]["cure"]
    assert (found.code, found.json["findings"][0]["code"]) == (4, "port_closed")
    [(_, *words), *_] = copied(cure)
    assert tuple(words) == ("registry", "status", *where), cure
    assert certkit(*words, "-o", "json").json["registry"] == name
    assert cure in certkit("doctor", *where).out
    # And that one tells nothing of how the home was named.
    assert certkit("doctor", "--home", HOME).out.count("certkit registry status --home 'my home'")


def test_what_is_next_names_the_inventory_that_was_given(certkit: Command) -> None:
    Path(HOSTS).write_text("registry: a.lab:5000\nhosts: [web]\n")
    made = certkit("init", "-i", HOSTS, "--no-passphrase", "-o", "json")
    assert made.json["next"][1] == f"certkit distribute -i '{HOSTS}'"
    new = certkit("renew", "-i", HOSTS, "-o", "json")
    assert new.json["next"][0] == f"certkit registry deploy a.lab:5000 -i '{HOSTS}' --next"


def test_no_home_is_to_be_made_where_something_else_is(certkit: Command, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/one").touch()
    assert "certkit init --home DIR\n" in certkit("status", "--home", "letters").err
