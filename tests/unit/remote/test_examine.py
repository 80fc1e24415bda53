"""The examine phase: it collects what the doctor judges, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from certkit.errors import HostError
from certkit.names import RegistryReference
from certkit.remote import program
from certkit.remote.examined import Entry, Examination, decode_examine
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.questions import Question, general_questions, questions
from certkit.runtimes.state import RuntimeChoice

REFERENCE = RegistryReference.parse("registry.lab:5000")
HERE = f"/etc/docker/certs.d/{REFERENCE.text}"


def examine(host: Any, *more: Question) -> Examination:
    [runtime] = desired_state([REFERENCE], b"PEM\n", RuntimeChoice(("docker",))).runtimes
    asked = (*questions(runtime, [REFERENCE]), *more)
    exchange = program.examine([REFERENCE], [(runtime, "", asked)], general_questions(), timeout=5)
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
    host.put(f"{HERE}/ca.pem", b"\xef\xbb\xbfx\n", 0o640)
    host.put(f"{HERE}/it's odd.crt", "")
    host.put(f"{HERE}/domain.key", "do not send")
    host.put(f"{HERE}/both.crt", "-----BEGIN EC PRIVATE KEY-----\nnor this\n")
    host.at(f"{HERE}/old.crt").mkdir()
    host.at(f"{HERE}/gone.crt").symlink_to("nowhere")
    host.put("/etc/docker/certs.d/Registry.Lab:5000/ca.crt", "x")
    host.put("/etc/docker/daemon.json", '{"insecure-registries": []}\n')
    before = host.tree("etc", "var", "tmp")
    found = examine(host)
    assert host.tree("etc", "var", "tmp") == before
    endpoint = found.endpoints[REFERENCE.text]
    assert endpoint.addresses == ("10.0.0.1",)
    assert (endpoint.status, endpoint.words.strip()) == (1, "connect:errno=111")
    assert endpoint.chain == b"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
    answers = found.runtimes["docker", ""]
    inside = {entry.name: entry for entry in answers.listings[HERE] or []}
    assert inside["ca.pem"] == Entry("ca.pem", "-", 0o640, 0, b"\xef\xbb\xbfx\n")
    assert inside["it's odd.crt"].content == b""
    assert inside["domain.key"].content == inside["both.crt"].content == "secret"
    assert (inside["old.crt"].kind, inside["gone.crt"].kind) == ("d", "l")
    assert inside["old.crt"].content is inside["gone.crt"].content is None
    names = {entry.name for entry in answers.listings["/etc/docker/certs.d"] or []}
    assert names == {".", "Registry.Lab:5000", REFERENCE.text}
    assert answers.files["/etc/docker/daemon.json"] == '{"insecure-registries": []}\n'
    assert answers.replies["builders"].status == 0
    assert found.general.replies["proxies"].text == ""


def test_what_is_not_there_is_told_as_such(host: Any) -> None:
    host.fake("openssl", "#!/bin/sh\nsleep 0\n")
    found = examine(host, Question("look", "/etc/passwd"), Question("run", "no", ("nonesuch",)))
    answers = found.runtimes["docker", ""]
    assert answers.listings[HERE] is None
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
        decode_examine(b"aabbccdd clock 0 17\naabbccdd entry x\naabbccdd end 0\n", "aabbccdd")
