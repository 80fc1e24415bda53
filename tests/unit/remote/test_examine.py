"""The examine phase: it collects what the doctor judges, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from certkit.errors import HostError
from certkit.names import RegistryReference
from certkit.remote import program
from certkit.remote.examined import Examination, decode_examine
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.questions import Question, general_questions, questions
from certkit.runtimes.state import RuntimeChoice

REFERENCE = RegistryReference.parse("registry.lab:5000")


def examine(host: Any, *more: Question) -> Examination:
    [runtime] = desired_state([REFERENCE], b"PEM\n", RuntimeChoice(("docker",))).runtimes
    asked = (*questions(runtime), *more)
    exchange = program.examine([REFERENCE], [(runtime, "", asked)], general_questions(), timeout=30)
    ran = host.run(exchange)
    assert ran.stderr == b""
    return decode_examine(ran.stdout, exchange.nonce)


def test_everything_comes_back_and_nothing_is_written(host: Any) -> None:
    host.fake("getent", "#!/bin/sh\necho '10.0.0.1  STREAM registry.lab'\necho '10.0.0.1 DGRAM'\n")
    host.fake(
        "openssl",
        "#!/bin/sh\necho 'Master-Key: 00FF'\necho 'connect:errno=111' >&2\n"
        "echo '-----BEGIN CERTIFICATE-----'\necho QUJD\necho '-----END CERTIFICATE-----'\nexit 1\n",
    )
    host.put("/etc/docker/daemon.json", '{"insecure-registries": []}\n')
    before = host.tree("etc", "var", "tmp")
    found = examine(host)
    assert host.tree("etc", "var", "tmp") == before
    endpoint = found.endpoints[REFERENCE.text]
    assert endpoint.addresses == ("10.0.0.1",)
    assert (endpoint.status, endpoint.words.strip()) == (1, "connect:errno=111")
    assert endpoint.chain == b"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
    answers = found.runtimes["docker", ""]
    assert answers.files["/etc/docker/daemon.json"] == '{"insecure-registries": []}\n'
    assert answers.replies["builders"].status == 0
    assert found.general.replies["proxies"].text == ""


def test_what_is_not_there_is_told_as_such(host: Any) -> None:
    host.fake("openssl", "#!/bin/sh\nsleep 0\n")
    found = examine(host, Question("look", "/etc/passwd"), Question("run", "no", ("nonesuch",)))
    answers = found.runtimes["docker", ""]
    assert answers.files["/etc/docker/daemon.json"] is None
    assert (answers.files["/etc/passwd"] or "").startswith("root:")
    assert answers.replies["no"].status not in (0, 124)
    assert found.epoch > 1_700_000_000


def test_a_cut_answer_is_no_answer() -> None:
    with pytest.raises(HostError):
        decode_examine(b"aabbccdd clock 0 1700000000\n", "aabbccdd")
    with pytest.raises(HostError, match="part of the answer"):
        decode_examine(b"aabbccdd end 0\n", "aabbccdd")
    with pytest.raises(HostError):
        decode_examine(b"aabbccdd clock 0 17\naabbccdd answer x 1 y\naabbccdd end 0\n", "aabbccdd")


def test_a_user_answers_for_no_other_runtime() -> None:
    lie = f"answer {b'info'.hex()}. 0 {b'lie'.hex()}."
    for told in (("about docker ", lie), ("clock 0 1", "about docker", lie), ("error shell . .",)):
        lines = [
            *("clock 0 1700000000", "about docker ", "nesting ann", "nested ann", *told),
            *("end nested 0", "end 0"),
        ]
        found = decode_examine("".join(f"aabbccdd {line}\n" for line in lines).encode(), "aabbccdd")
        assert found.epoch == 1700000000
        assert found.runtimes["docker", ""].replies == {}
        assert list(found.runtimes) == [("docker", "")]
        assert list(found.problems) == ["ann"]
