"""`certkit renew --if-due 30d --deploy` as cron runs it, before the date, on it and after it.

Certkit's clock is turned by libfaketime and the machines' clocks are real, so its time is always in
the past: what it signs is valid there at once.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.fleet.conftest import Fleet
from tests.fleet.lab import EXAMPLE_IMAGE, REGISTRY_IMAGE
from tests.fleet.operator import CERTKIT, FAILED, Operator, Run
from tests.fleet.registering import home_pair, inventory, only, served, types

REGISTRY = "registry.lab:5000"
IMAGE = f"{REGISTRY}/team/identidock:0.1"
LIFE = 365
MADE, BEFORE_DUE, DUE = -340, -10, -1
"""Days from now. The certificate of the first day ends in 25, and is due from 5 days ago on."""


@pytest.fixture(scope="module")
def operator(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """Somebody whose registry has run for nearly a year, on a certificate whose key is locked."""
    person, machine = (
        Operator(fleet.lab, tmp_path_factory.mktemp("renew"), REGISTRY),
        fleet.registry,
    )
    secret = person.directory / "passphrase"
    secret.write_text("a year is a long time\n")
    secret.chmod(0o600)
    words = ("init", REGISTRY, "--san", machine.address, "--days", str(LIFE))
    made = cron(person, MADE, *words, "--passphrase-file", str(secret))
    assert made.status == 0, made.stderr
    inventory(person, machine, {"run": "container", "image": REGISTRY_IMAGE}, fleet.hosts[:1])
    assert only(types(person, "deploy"))["outcome"] == "changed"
    person.fleet("distribute", "--restart", "never")
    fleet.hosts[0].run(f"docker tag {EXAMPLE_IMAGE} {IMAGE} && docker push {IMAGE}")
    return person


def cron(person: Operator, days: int, *words: str) -> Run:
    """Run certkit some days from now, with what cron gives it: two variables and no terminal."""
    done = subprocess.run(
        [
            *("env", "-i", "PATH=/usr/bin:/bin", f"HOME={person.directory}"),
            *("faketime", "--exclude-monotonic", "-f", f"{days}d"),
            *(str(CERTKIT), *words, "--home", str(person.home)),
        ],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        start_new_session=True,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def the_line_in_crontab(person: Operator, days: int) -> Run:
    """What the operator would put there."""
    return cron(
        person,
        days,
        *("renew", "--if-due", "30d", "--deploy", "-i", str(person.inventory)),
        *("--known-hosts", str(person.lab.known_hosts())),
        *("--passphrase-file", str(person.directory / "passphrase")),
    )


def everything(folder: Path) -> dict[str, bytes]:
    """Every file of a home."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_before_the_date_it_says_and_does_nothing(fleet: Fleet, operator: Operator) -> None:
    home, seen = everything(operator.home), served(fleet.registry)
    run = the_line_in_crontab(operator, BEFORE_DUE)
    assert (run.status, run.stdout, run.stderr) == (0, "", "")
    assert everything(operator.home) == home
    assert served(fleet.registry) == seen == home_pair(operator).sha256


def test_due_while_the_registrys_machine_is_away(fleet: Fleet, operator: Operator) -> None:
    old = home_pair(operator).sha256
    fleet.registry.run("systemctl stop ssh.socket ssh", check=False)
    try:
        run = the_line_in_crontab(operator, DUE)
    finally:
        fleet.registry.run("systemctl start ssh")
    assert run.status == FAILED
    [line] = [line for line in run.stderr.splitlines() if line.startswith("error:")]
    assert "waits in the home" in line and fleet.registry.address in line
    assert "Traceback" not in run.stderr
    assert served(fleet.registry) == home_pair(operator).sha256 == old


def test_the_next_run_puts_the_same_certificate_into_service(
    fleet: Fleet, operator: Operator
) -> None:
    old = home_pair(operator)
    [kept] = operator.home.glob("registries/*/server-next.crt")
    chain = kept.read_bytes()
    run = the_line_in_crontab(operator, DUE)
    assert run.status == 0, run.stderr
    new = home_pair(operator)
    assert (new.chain_pem, kept.exists()) == (chain, False)
    assert new.leaf.not_valid_after_utc > old.leaf.not_valid_after_utc
    assert served(fleet.registry) == new.sha256 != old.sha256
    fleet.hosts[0].run(f"docker rmi --force {IMAGE}; docker pull {IMAGE}")


def test_then_it_is_quiet_again(fleet: Fleet, operator: Operator) -> None:
    home = everything(operator.home)
    run = the_line_in_crontab(operator, DUE)
    assert (run.status, run.stdout, run.stderr) == (0, "", "")
    assert everything(operator.home) == home
