from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from certkit.errors import ErrorKind, InputError
from certkit.fleet.events import HostFinished
from certkit.fleet.journal import last_run, payload_digest, state_directory
from certkit.fleet.plan import Target
from certkit.fleet.report import HostResult, Outcome, Problem
from certkit.fleet.resume import Recorder
from certkit.names import RegistryReference
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.state import RuntimeChoice
from certkit.secret import Secret
from tests.unit.fleet.fakes import STATE, fleet_of


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CERTKIT_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


TARGETS = fleet_of(4).targets()


def finished(name: str, outcome: Outcome) -> HostFinished:
    problem = Problem(ErrorKind.DAEMON, "x") if outcome is Outcome.FAILED else None
    return HostFinished(HostResult(name, "a", outcome, 0.1, error=problem))


def record(*outcomes: Outcome, targets: list[Target] = TARGETS, **how: bool) -> Recorder:
    recorder = Recorder("distribute", "r:1", targets, **how)
    assert recorder.begin() == ""
    for target, outcome in zip(recorder.targets, outcomes, strict=False):
        recorder(finished(target.host.name, outcome))
    return recorder


def names(recorder: Recorder) -> list[str]:
    return [target.host.name for target in recorder.targets]


def test_resume_leaves_out_what_was_done_even_after_a_kill() -> None:
    # No finish(): the process was killed after two hosts.
    record(Outcome.CHANGED, Outcome.FAILED)
    resumed = Recorder("distribute", "r:1", TARGETS, resume=True)
    assert names(resumed) == ["web-02", "web-03", "web-04"]
    results = resumed.complete([finished(n, Outcome.CHANGED).result for n in names(resumed)])
    assert [r.outcome for r in results] == [Outcome.SKIPPED] + [Outcome.CHANGED] * 3


def test_what_another_command_came_to_since_is_not_done() -> None:
    record(Outcome.CHANGED, Outcome.CHANGED, Outcome.CHANGED, Outcome.CHANGED)
    removal = Recorder("remove", "r:1", TARGETS[:2])
    assert removal.begin() == ""
    # A killed one: it may have come to both.
    removal(finished("web-01", Outcome.CHANGED))
    assert names(Recorder("distribute", "r:1", TARGETS, resume=True)) == ["web-01", "web-02"]
    elsewhere = Recorder("remove", "r:2", TARGETS)
    assert elsewhere.begin() == ""
    assert names(Recorder("distribute", "r:1", TARGETS, resume=True)) == ["web-01", "web-02"]


def test_resuming_twice_remembers_both() -> None:
    record(Outcome.CHANGED, Outcome.FAILED, Outcome.FAILED)
    second = Recorder("distribute", "r:1", TARGETS, resume=True)
    second.begin()
    second.announce(second)
    second(finished("web-02", Outcome.UNCHANGED))
    assert names(Recorder("distribute", "r:1", TARGETS, resume=True)) == ["web-03", "web-04"]


def test_retry_failed_takes_what_failed_was_skipped_or_never_came() -> None:
    record(Outcome.CHANGED, Outcome.ROLLED_BACK, Outcome.SKIPPED)
    assert names(Recorder("distribute", "r:1", TARGETS, failed=True)) == [
        "web-02",
        "web-03",
        "web-04",
    ]


def test_a_new_bundle_or_policy_is_never_taken_for_done() -> None:
    record(*[Outcome.CHANGED] * 4)
    other = desired_state(
        (RegistryReference.parse("registry.lab:5000"),), b"renewed\n", RuntimeChoice(("docker",))
    )
    renewed = [Target(target.host, other, target.policy) for target in TARGETS]
    assert len(Recorder("distribute", "r:1", renewed, resume=True).targets) == 4
    always = [Target(target.host, target.state, "always") for target in TARGETS]
    assert len(Recorder("distribute", "r:1", always, resume=True).targets) == 4
    assert len(Recorder("distribute", "r:1", TARGETS, resume=True).targets) == 0


def test_only_a_run_of_the_same_command_and_registry_counts() -> None:
    record(Outcome.CHANGED)
    with pytest.raises(InputError, match="no earlier run"):
        last_run("distribute", "other:1")
    with pytest.raises(InputError, match="both given"):
        Recorder("distribute", "r:1", TARGETS, resume=True, failed=True)


def test_the_journal_is_private_and_holds_no_secret(state: Path) -> None:
    from dataclasses import replace

    secret = [Target(replace(target.host, password=Secret("hunter2")), STATE) for target in TARGETS]
    record(Outcome.CHANGED, targets=secret).finish({"hosts": 1})
    [path] = (state / "runs").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((state / "runs").stat().st_mode) == 0o700
    text = path.read_text()
    assert "hunter2" not in text and "password" not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines[0]["schema"] == "certkit.run/1" and lines[-1]["summary"] == {"hosts": 1}


def test_a_torn_line_is_passed_over(state: Path) -> None:
    record(Outcome.CHANGED, Outcome.CHANGED)
    [path] = (state / "runs").iterdir()
    text = path.read_text()
    path.write_text(text[: text.rindex('"at"')])
    assert names(Recorder("distribute", "r:1", TARGETS, resume=True))[0] == "web-02"


def test_an_unwritable_state_directory_costs_the_record_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CERTKIT_STATE", str(tmp_path / "file"))
    recorder = Recorder("distribute", "r:1", TARGETS)
    assert "CERTKIT_STATE" in recorder.begin()
    recorder(finished("web-01", Outcome.CHANGED))
    recorder.finish({})


def test_digests_tell_contents_apart() -> None:
    assert payload_digest(STATE) != payload_digest(STATE, "always")
    assert payload_digest(STATE) == payload_digest(STATE)
    assert state_directory().name == "runs"
