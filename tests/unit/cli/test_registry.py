"""`certkit registry` and `certkit renew --deploy`: what is refused before anything connects."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from cryptography import x509

from certkit.errors import ErrorKind, HostError
from certkit.fleet.report import FleetReport, HostResult, Outcome, Problem, RuntimeResult
from certkit.home.renewal.waiting import NEXT
from certkit.registry.deploy import Deployed
from tests.unit.cli.running import Command

SERVER = "registry_host: {host: {address: 127.0.0.1, connection: local}, run: files, "
STATUS = jsonschema.Draft202012Validator(
    json.loads((files("certkit") / "schemas/registry-status.schema.json").read_text()),
    format_checker=jsonschema.FormatChecker(),
)
PAIR = "certificate: /srv/certs/server.crt, key: /srv/certs/server.key}\n"


@pytest.fixture
def certkit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    for name in ("CERTKIT_CA_PASSPHRASE", "CERTKIT_INVENTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CERTKIT_HOME", str(tmp_path / "H"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("certkit.cli.words.on_terminal", lambda: False)
    command = Command(monkeypatch, capsys)
    assert command("init", "registry.lab:5000", "--no-passphrase").code == 0
    Path("hosts.yaml").write_text("registry: registry.lab:5000\nhosts: [web01]\n")
    return command


def test_without_a_registry_host(certkit: Command, tmp_path: Path) -> None:
    for words in (("registry", "deploy"), ("renew", "--deploy")):
        ran = certkit(*words)
        assert ran.code == 2
        assert "does not say where the registry runs" in ran.err
        assert "--registry-host FILE" in ran.err
    assert not list(tmp_path.glob(f"H/registries/*/{NEXT}"))


def test_nothing_is_waiting(certkit: Command) -> None:
    Path("hosts.yaml").write_text(f"{SERVER}{PAIR}hosts: [web01]\n")
    ran = certkit("registry", "deploy", "--next")
    assert ran.code == 2 and "is waiting" in ran.err


def test_a_key_of_another_certificate_is_refused_here(certkit: Command, tmp_path: Path) -> None:
    Path("hosts.yaml").write_text(f"{SERVER}{PAIR}hosts: [web01]\n")
    [directory] = (tmp_path / "H/registries").iterdir()
    (directory / "server.key").write_bytes((directory / "ca.key").read_bytes())
    ran = certkit("registry", "deploy")
    assert ran.code == 3 and "does not belong" in ran.err


def test_deploying_and_seeing_for_oneself(certkit: Command) -> None:
    for flag in ("--served", "--discard"):
        assert certkit("renew", "--deploy", flag).code == 2


def test_not_due_needs_no_inventory(certkit: Command) -> None:
    Path("hosts.yaml").unlink()
    ran = certkit("renew", "--if-due", "1d", "--deploy")
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_status_of_what_nobody_serves(certkit: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise HostError(ErrorKind.REFUSED, "nothing listens there")

    monkeypatch.setattr("certkit.registry.sight.fetch_served", refuse)
    ran = certkit("registry", "status", "-o", "json")
    document = json.loads(ran.out)
    STATUS.validate(document)
    assert (ran.code, document["schema"]) == (4, "certkit.registry-status/1")
    assert (document["says"], document["seen"][0]["error"]["kind"]) == ("nothing", "refused")
    ran = certkit("registry", "status")
    assert ran.code == 4
    assert "no certificate was seen" in ran.out and "nothing listens there" in ran.out


def test_status_fits_its_schema(
    certkit: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    [directory] = (tmp_path / "H/registries").iterdir()
    for name, code in (("server.crt", 0), ("ca.crt", 4)):
        chain = tuple(x509.load_pem_x509_certificates((directory / name).read_bytes()))
        monkeypatch.setattr("certkit.registry.sight.fetch_served", lambda *_, c=chain, **__: c)
        ran = certkit("registry", "status", "-o", "json")
        assert ran.code == code
        STATUS.validate(ran.json)
        assert ran.json["served"]["sha256"] == ran.json["seen"][0]["sha256"]
    assert certkit("schema", "registry-status").json == STATUS.schema


def ending(monkeypatch: pytest.MonkeyPatch, outcome: Outcome, served: bool | None = None) -> None:
    """Let every deployment end in a way, with no host."""
    problem = None if outcome is Outcome.CHANGED else Problem(ErrorKind.REFUSED, "nobody listens")
    result = HostResult("reg", "10.0.0.1", outcome, 1.0, (RuntimeResult("registry"),), problem)
    done = Deployed(result, outcome is Outcome.CHANGED if served is None else served)
    monkeypatch.setattr("certkit.operations.serving.put_into_service", lambda *_, **__: done)


def test_what_hosts_do_not_know_yet_is_told(
    certkit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("hosts.yaml").write_text(f"{SERVER}{PAIR}hosts: [web01]\n")
    ending(monkeypatch, Outcome.CHANGED)
    assert certkit("renew", "--san", "two.registry.lab").code == 0
    Path("hosts.yaml").rename("my hosts.yaml")
    ran = certkit("registry", "deploy", "--home", "H/.", "-i", "my hosts.yaml")
    assert "certkit registry status registry.lab:5000 --home H -i 'my hosts.yaml'" in ran.out
    Path("my hosts.yaml").rename("hosts.yaml")
    ran = certkit("registry", "deploy", "--next", "-o", "json")
    assert ran.code == 0 and ran.json["command"] == "registry deploy"
    assert "holds two.registry.lab too" in ran.err
    assert "aliases: in the inventory, then certkit distribute registry.lab:5000" in ran.err
    ran = certkit("renew", "--alias", "registry.lab", "--deploy")
    assert "Hosts do not know registry.lab yet: certkit distribute" in ran.err
    ran = certkit("renew", "--deploy")
    assert ran.code == 0 and "distribute" not in ran.err


def test_a_certificate_that_could_not_be_put_into_service_is_told_on_stderr_and_kept(
    certkit: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path("hosts.yaml").write_text(f"{SERVER}{PAIR}hosts: [web01]\n")
    ending(monkeypatch, Outcome.UNREACHABLE)
    ran = certkit("renew", "--if-due", "900d", "--deploy")
    assert ran.code == 1
    [line] = [line for line in ran.err.splitlines() if line.startswith("error:")]
    assert "waits in the home, for reg does not serve it: nobody listens" in line
    [new] = tmp_path.glob(f"H/registries/*/{NEXT}")
    kept = new.read_bytes()
    ending(monkeypatch, Outcome.CHANGED)
    assert certkit("renew", "--if-due", "900d", "--deploy").code == 0
    assert new.with_name("server.crt").read_bytes() == kept and not new.exists()


def test_a_reload_left_to_somebody_is_attention(
    certkit: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path("hosts.yaml").write_text(f"{SERVER}{PAIR}hosts: [web01]\n")
    ending(monkeypatch, Outcome.CHANGED, served=False)
    for words in (("renew", "--deploy"), ("registry", "deploy", "--next")):
        ran = certkit(*words)
        assert ran.code == 4 and "error" not in ran.err
        assert "does not serve it yet: reload it there, then run the same again" in ran.err
    assert list(tmp_path.glob(f"H/registries/*/{NEXT}"))


def test_the_report_fits_the_schema() -> None:
    schema = json.loads((files("certkit") / "schemas/fleet.schema.json").read_text())
    host = HostResult("r", "10.0.0.1", Outcome.CHANGED, 1.0, (RuntimeResult("registry"),))
    report = FleetReport("registry deploy", "registry.lab:5000", False, (), [host])
    jsonschema.validate(report.to_json(), schema)
