"""The real commands over a real sshd on loopback, with stand-ins for the host's Docker."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator

from tests.ssh.lab import PROGRAM, REGISTRY, SCHEMA, Lab, lab_running, one, outcomes, wait_until
from tests.ssh.sshd import Sshd


@pytest.fixture
def lab(start_sshd: Callable[..., Sshd], tmp_path: Path) -> Iterator[Lab]:
    with lab_running(tmp_path, start=start_sshd) as running:
        yield running


def test_the_main_job(lab: Lab) -> None:
    status, report = lab.report("distribute", "--check", "--diff")
    assert (status, set(outcomes(report).values())) == (4, {"would_change"})
    diff = one(report, "web-01")["runtimes"][0]["diff"]
    assert diff[0].endswith("ca.crt (new)") and "+ CN=registry.lab CA" in diff[1]
    assert not lab.certificate("web-01").exists() and lab.restarts("web-01") == 0

    status, report = lab.report("distribute")
    assert (status, set(outcomes(report).values())) == (0, {"changed"})
    trust = (lab.directory / "home/registries/registry.lab_5000/trust.crt").read_bytes()
    for name in lab.machines:
        assert lab.certificate(name).read_bytes() == trust
        assert lab.certificate(name).stat().st_mode & 0o777 == 0o644
        assert lab.restarts(name) == 1
        assert one(report, name)["runtimes"][0]["restarted"] is True

    status, out, err = lab.run("distribute", "-o", "jsonl")
    lines = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    for line in lines[:-1]:
        Draft202012Validator({"$ref": "#/$defs/host", "$defs": SCHEMA["$defs"]}).validate(line)
    assert sorted(line["name"] for line in lines[:-1]) == list(lab.machines)
    assert {line["outcome"] for line in lines[:-1]} == {"unchanged"}
    assert lines[-1] == {"summary": {**report["summary"], "changed": 0, "unchanged": 3}}
    assert [lab.restarts(name) for name in lab.machines] == [1, 1, 1]
    assert "3 unchanged" in err

    journal = (lab.directory / "home/journal.jsonl").read_text().splitlines()
    assert json.loads(journal[-1])["hosts"] == {"unchanged": "web-[01-03]"}


def test_trouble_on_single_hosts_does_not_spoil_the_rest(lab: Lab) -> None:
    lab.put("web-03", "broken")
    known = (lab.directory / "known_hosts").read_text().splitlines()
    port = str(lab.machines["web-02"].port)
    changed = [
        line.replace(line.split()[-1][-20:-4], "A" * 16) if port in line else line for line in known
    ]
    (lab.directory / "known_hosts").write_text("\n".join(changed) + "\n")

    status, report = lab.report("distribute", "--wave", "1")
    assert status == 1
    assert outcomes(report) == {
        "web-01": "changed",
        "web-02": "unreachable",
        "web-03": "rolled_back",
    }
    assert one(report, "web-02")["error"]["kind"] == "host_key"
    broken = one(report, "web-03")
    assert broken["error"]["kind"] == "daemon"
    assert any("bad day" in note for note in broken["runtimes"][0]["notes"])
    # Rolled back: no file, and the daemon was started again on that.
    assert not lab.certificate("web-03").exists()
    assert lab.restarts("web-03") == 2 and not lab.at("web-03", "down").exists()

    # What failed, and nothing else, is done again once the causes are gone.
    (lab.directory / "known_hosts").write_text("\n".join(known) + "\n")
    status, report = lab.report("distribute", "--retry-failed")
    assert (status, outcomes(report)) == (0, {"web-02": "changed", "web-03": "changed"})
    status, report = lab.report("distribute", "--resume")
    assert (status, set(outcomes(report).values())) == (0, {"unchanged", "skipped"})


def test_ctrl_c_finishes_the_daemon_in_flight_and_leaves_the_rest(lab: Lab) -> None:
    for name in lab.machines:
        lab.hold(name)
    said = lab.directory / "said"
    with said.open("w") as file:
        words = lab.arguments("distribute", "-o", "json")
        process = lab.start(words, start_new_session=True, stderr=file)
    wait_until(lambda: lab.restarts("web-01") > 0, process)
    os.killpg(process.pid, signal.SIGINT)
    wait_until(lambda: "again to leave now" in said.read_text(), process)
    for name in lab.machines:
        lab.release(name)
    out, _ = process.communicate(timeout=60)
    err = said.read_text()
    assert process.returncode == 130, err
    report = json.loads(out)
    Draft202012Validator(SCHEMA).validate(report)
    assert outcomes(report) == {"web-01": "changed", "web-02": "skipped", "web-03": "skipped"}
    assert one(report, "web-02")["error"]["kind"] == "interrupted"
    assert [lab.restarts(name) for name in lab.machines] == [1, 0, 0]
    assert "Traceback" not in err


def test_a_second_ctrl_c_leaves_at_once_and_the_host_finishes_alone(lab: Lab) -> None:
    lab.hold("web-01")
    said = lab.directory / "said"
    with said.open("w") as file:
        words = lab.arguments("distribute", "--limit", "web-01")
        process = lab.start(words, start_new_session=True, stderr=file)
    wait_until(lambda: lab.restarts("web-01") > 0, process)
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: "again to leave now" in said.read_text(), process)
    process.send_signal(signal.SIGINT)
    # The restart is still under way, and would be for as long as it may take, which is 60 s.
    process.communicate(timeout=30)
    assert process.returncode == 130, said.read_text()
    # The program on the host is through with it all the same: a later run finds nothing to do.
    lab.release("web-01")
    lab.machines["web-01"].wait_until_idle()
    status, report = lab.report("distribute", "--limit", "web-01")
    assert (status, outcomes(report)) == (0, {"web-01": "unchanged"})
    assert lab.restarts("web-01") == 1


def test_junit_and_table(lab: Lab) -> None:
    status, out, err = lab.run("distribute", "--restart", "safe", "-o", "junit")
    assert status == 0
    suite = ElementTree.fromstring(out).find("testsuite")
    assert suite is not None and suite.get("tests") == "3" and suite.get("failures") == "0"
    assert [case.get("name") for case in suite.iter("testcase")] == list(lab.machines)

    for name in ("web-02", "web-03"):
        lab.at(name, f"certs.d/{REGISTRY}/ca.crt").write_text("somebody else's \x1b[31m\n")
    status, out, err = lab.run("distribute")
    assert status == 1
    assert "\x1b" not in out + err
    # Each machine has its own path here, so the two errors are not the same.
    assert len(re.findall(r"^web-0[23]: holds .*which certkit did not write", out, re.M)) == 2
    assert "distribute done: 3 hosts: 1 unchanged, 2 failed" in out
    assert lab.certificate("web-02").read_text().startswith("somebody")

    status, out, err = lab.run("distribute", "--force", "--quiet")
    assert (status, out, err) == (0, "", "")


def test_verify(lab: Lab) -> None:
    assert lab.run("distribute", "--restart", "never", "-q")[0] == 0
    unknown = "Error: x509: certificate signed by unknown authority"
    lab.put("web-02", "pull", unknown)
    lab.put("web-03", "registries", json.dumps({"IndexConfigs": {REGISTRY: {"Secure": False}}}))
    status, report = lab.report("verify")
    assert status == 1
    refused, vacuous = one(report, "web-02"), one(report, "web-03")
    assert refused["error"]["kind"] == "trust" and "x509" in refused["error"]["message"]
    assert vacuous["error"]["kind"] == "trust"
    assert "passes without proof" in vacuous["error"]["message"]
    assert vacuous["runtimes"][0]["proofs"][0]["proven"] is False


def test_a_file_with_a_lax_mode_holds_no_password(lab: Lab, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("hunter2\n")
    password.chmod(0o644)
    status, out, err = lab.run("distribute", "--become-password-file", str(password))
    assert status == 2 and "chmod 600" in err and "hunter2" not in out + err
    status, out, err = lab.run("distribute", "--ask-pass")
    assert status == 2 and "--password-file" in err


def test_a_password_is_nowhere_to_be_seen(lab: Lab, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("hunter2\n")
    password.chmod(0o600)
    status, out, err = lab.run(
        "distribute", "-vvv", "--password-file", str(password), "--restart", "never"
    )
    assert status == 0
    kept = [path.read_text() for path in (tmp_path / "state").rglob("*.jsonl")]
    kept.append((tmp_path / "home/journal.jsonl").read_text())
    assert kept and not any("hunter2" in text for text in (out, err, *kept))


def on_terminal(lab: Lab, answer: str, *more: str) -> tuple[int, str]:
    """Run distribute with a terminal on stdin and stderr; answer the question when it comes."""
    ours, theirs = pty.openpty()
    process = lab.start(
        lab.arguments("distribute", *more), stdin=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    seen = ""
    deadline = time.monotonic() + 60
    try:
        # EIO: nobody has the other end any more.
        with contextlib.suppress(OSError):
            while (left := deadline - time.monotonic()) > 0:
                if select.select([ours], [], [], left)[0]:
                    if not (chunk := os.read(ours, 4096)):
                        break
                    seen += chunk.decode(errors="replace")
                if "[y/N]" in seen and answer:
                    os.write(ours, answer.encode())
                    answer = ""
        process.communicate(timeout=30)
    finally:
        process.kill()
        os.close(ours)
    return process.returncode, seen


def test_a_terminal_is_asked_before_containers_stop(lab: Lab) -> None:
    lab.put("web-02", "containers", "one\ntwo\n")
    status, seen = on_terminal(lab, "n\n")
    assert status == 0, seen
    assert "the daemons of 3 hosts stops 2 running containers on 1 host" in " ".join(seen.split())
    assert [lab.restarts(name) for name in lab.machines] == [0, 0, 0]
    assert lab.certificate("web-02").exists()

    status, seen = on_terminal(lab, "y\n")
    assert (status, [lab.restarts(name) for name in lab.machines]) == (0, [1, 1, 1]), seen
    assert "\x1b[?25h" in seen, "the cursor must come back"

    status, seen = on_terminal(lab, "", "--restart", "always", "--yes")
    assert status == 0 and "[y/N]" not in seen
    assert [lab.restarts(name) for name in lab.machines] == [2, 2, 2]


def test_status_names_drift_and_remove_takes_all_away(lab: Lab) -> None:
    status, document = lab.report("status")
    assert status == 4
    kinds = {
        finding["kind"]
        for host in document["hosts"]
        for finding in host["runtimes"][0]["standing"]["findings"]
    }
    assert kinds == {"missing"}
    assert lab.run("distribute")[0] == 0
    figures, page = lab.directory / "certkit.prom", lab.directory / "fleet.html"
    files = ("--prometheus", str(figures), "--html", str(page))
    status, document = lab.report("status", *files)
    assert (status, document["summary"]["unchanged"]) == (0, 3)
    [trusted] = document["hosts"][0]["runtimes"][0]["standing"]["trusts"]
    assert trusted["sha256"] == document["bundle"][0]["sha256"]
    assert abs(document["hosts"][0]["clock_seconds"]) < 60
    assert 'certkit_hosts{registry="registry.lab:5000",state="ok"} 3' in figures.read_text()
    assert "Nothing. Every host trusts what it should" in page.read_text()
    lab.at("web-02", f"certs.d/{REGISTRY}/stray.key").write_text("x")
    status, out, _ = lab.run("status")
    assert status == 4
    assert "unpaired: web-02: " in out
    lab.at("web-02", f"certs.d/{REGISTRY}/stray.key").unlink()

    assert lab.run("remove", "--check")[0] == 4
    status, document = lab.report("remove")
    assert (status, document["summary"]["changed"]) == (0, 3)
    assert [lab.restarts(name) for name in lab.machines] == [2, 2, 2]
    for name in lab.machines:
        assert not lab.at(name, "certs.d").exists()
    assert lab.report("remove")[1]["summary"]["unchanged"] == 3
    assert lab.run("status", "--html", "/nowhere/x")[0] == 2
    # So long that nothing can be written beside them first.
    page, figures = (lab.directory / f"{'x' * 245}.{suffix}" for suffix in ("html", "prom"))
    status, out, err = lab.run("status", "--html", str(page), "--prometheus", str(figures))
    assert status == 1
    assert "missing: web-01" in out, "the survey is shown all the same"
    assert f"{page} could not be written" in err
    assert f"{figures} could not be written" in err


@pytest.mark.parametrize("form", ["table", "jsonl", "json", "junit"])
def test_the_hosts_are_finished_whatever_becomes_of_standard_output(lab: Lab, form: str) -> None:
    gone, pipe = os.pipe()
    os.close(gone)
    arguments = lab.arguments("distribute", "-o", form)
    reader_left = lab.start(arguments, stdout=pipe)
    os.close(pipe)
    _, err = reader_left.communicate(timeout=60)
    assert reader_left.returncode == 0, err
    assert "error" not in err and "Exception" not in err
    assert [lab.restarts(name) for name in lab.machines] == [1, 1, 1]

    for name in lab.machines:
        lab.certificate(name).unlink()
    with open("/dev/full", "w") as full:  # noqa: PTH123
        process = lab.start(arguments, stdout=full)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "error: standard output could not be written: No space left on device" in err
    assert "defect" not in err and "Traceback" not in err and "Exception" not in err
    assert [lab.restarts(name) for name in lab.machines] == [2, 2, 2]

    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-c", PROGRAM, *arguments],
        env=lab.environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert closed.returncode == 1
    assert "standard output could not be written: it is closed" in closed.stderr
    assert "defect" not in closed.stderr and "Traceback" not in closed.stderr


def test_the_ssh_log_is_shown_from_vvv_on(lab: Lab) -> None:
    _, _, err = lab.run("verify", "-vvv", "--limit", "web-01")
    assert "ssh: " in err and "Authentication (publickey) successful" in err
    _, _, err = lab.run("verify", "-vv", "--limit", "web-01")
    assert "ssh: " not in err


def test_an_encrypted_key_opens_without_a_terminal(lab: Lab, tmp_path: Path) -> None:
    machine = lab.machines["web-01"]
    key = tmp_path / "encrypted"
    key.write_bytes(Path(machine.key).read_bytes())
    key.chmod(0o600)
    change = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "let me in", "-f", str(key)]
    subprocess.run(change, check=True, capture_output=True)
    arguments = ("distribute", "--limit", "web-01", "--identity-file", str(key))
    status, out, err = lab.run(*arguments)
    assert status == 1
    assert "`--key-passphrase-file` or CERTKIT_KEY_PASSPHRASE" in out + err
    phrase = tmp_path / "phrase"
    phrase.write_text("let me in\n")
    phrase.chmod(0o600)
    status, out, err = lab.run(*arguments, "--key-passphrase-file", str(phrase))
    assert status == 0, out + err
    assert "let me in" not in out + err
    process = lab.start(
        lab.arguments(*arguments), env={**lab.environment, "CERTKIT_KEY_PASSPHRASE": "let me in"}
    )
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err


def test_a_missing_identity_file_is_bad_input(lab: Lab) -> None:
    status, out, err = lab.run("distribute", "--identity-file", str(lab.directory / "none"))
    assert (status, out) == (2, "")
    assert "--identity-file: there is no file" in err
