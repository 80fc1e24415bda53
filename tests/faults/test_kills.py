"""kill -9 of certkit at random moments: host and home are whole, and the next run finishes the job.

The moments are seeded; ``CERTKIT_FAULT_ROUNDS=10`` plays ten times as many.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

import pytest

from certkit.home.home import Home
from certkit.home.registry import RegistryFiles
from certkit.pki.bundle import TrustBundle
from certkit.pki.verify import verify_server
from tests.faults.rounds import chance, patience, rounds
from tests.faults.serving import served_lab
from tests.ssh.lab import Lab

pytestmark = pytest.mark.timeout(patience(240))

NAMES = ("web-01", "web-02")


class Killer:
    """Runs a command, kills it at a random moment of its life, and lets a second run finish it.

    Every other moment, by lot, lies behind the command's first login on a host.

    Attributes:
        tried: How many runs of each command were killed, how many of these after a host had let
            them in, and how many had ended before the kill.
    """

    def __init__(self, lab: Lab, dice: random.Random, tried: Counter[str]) -> None:
        self.lab = lab
        self.tried = tried
        self._dice = dice
        self._takes: dict[str, float] = {}

    def arguments(self, words: Sequence[str]) -> list[str]:
        """A group's command has its options behind both words."""
        group = 2 if words[0] in ("rotate", "registry") else 1
        return [*words[:group], *self.lab.arguments(*words[group - 1 :])[1:]]

    def whole_run(self, *words: str) -> None:
        """Run a command to its end; it must succeed."""
        began = time.monotonic()
        process = self.lab.start(self.arguments(words))
        out, err = process.communicate(timeout=100)
        assert process.returncode == 0, (words, out, err)
        assert "Traceback" not in err
        # The latest, since other tests come and go on this machine.
        self._takes[" ".join(words)] = time.monotonic() - began

    def kill(self, *words: str) -> None:
        """Run a command up to a random moment; up to an earlier one where it had ended by then."""
        at_most = 1.05 * self._takes.get(" ".join(words), 2.0)
        on_hosts = self._dice.random() < 0.5
        if on_hosts:
            # Half of a life is Python's start.
            at_most /= 2
        # What it takes differs with what else runs here: a moment soon enough comes in any case.
        while not self._killed(words, self._dice.uniform(0, at_most), on_hosts):
            at_most /= 2
            # What came to its end has perhaps nothing left to do on a host, and logs in to none.
            on_hosts = False

    def _killed(self, words: Sequence[str], moment: float, on_hosts: bool) -> bool:
        """Run a command and kill it after `moment` seconds, from its first login on if `on_hosts`.

        Returns:
            Whether it was still running.
        """
        before = self._logins()
        process = self.lab.start(self.arguments(words))
        while on_hosts and process.poll() is None and self._logins() == before:
            time.sleep(0.005)
        time.sleep(moment)
        ended = process.poll() is not None
        process.kill()
        _, err = process.communicate(timeout=100)
        assert "Traceback" not in err, err
        if ended:
            assert process.returncode == 0, (words, err)
        for machine in self.lab.machines.values():
            machine.wait_until_idle()
        command = " ".join(words[: 2 if words[0] == "rotate" else 1])
        self.tried[f"{command} {'ended by itself' if ended else 'killed'}"] += 1
        self.tried[f"{command} on hosts by then"] += not ended and self._logins() > before
        return not ended

    def _logins(self) -> int:
        return sum(one.log.count("Accepted publickey") for one in self.lab.machines.values())


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with served_lab(tmp_path_factory.mktemp("kills"), NAMES) as running:
        yield running


@pytest.fixture
def killer(lab: Lab, request: pytest.FixtureRequest, tried: Counter[str]) -> Killer:
    return Killer(lab, chance(request.node.name), tried)


def counted(tried: Counter[str], how: str) -> int:
    return sum(number for what, number in tried.items() if what.endswith(how))


def assert_home_whole(home: Path) -> None:
    """Opening it is enough to finish what was decided; nothing half made is left behind."""
    files: RegistryFiles = Home.open(home).sole_registry()
    assert files.missing == ()
    trusted = files.bundle().certificates
    verify_server(files.server_chain, trusted, files.request.names, datetime.now(timezone.utc))
    for line in (home / "journal.jsonl").read_text().splitlines():
        json.loads(line)


def assert_tidy(lab: Lab) -> None:
    """After a whole run nothing of the killed one is left, here or on a machine."""
    assert not list(lab.home.rglob(".certkit-new*"))
    assert not list(lab.home.rglob("pending-change"))
    for name in NAMES:
        lab.machines[name].wait_until_idle()
        assert [one for one in lab.left_over(name) if Path(one).name not in KEPT] == []


# The registry's pair with its record, what the last restarts said, and what certkit has made.
KEPT = ("server.crt", "server.key", "record", "registry.log", "restart.log", "made")


def assert_hosts_whole(lab: Lab, allowed: Sequence[bytes]) -> None:
    """Each machine has one of these files, or none, and no part of another."""
    for name in NAMES:
        file = lab.certificate(name)
        found = [path for path in lab.at(name, "certs.d").rglob("*") if path.is_file()]
        assert found in ([], [file]), found
        assert not found or file.read_bytes() in allowed, name


def test_init(killer: Killer, tmp_path: Path) -> None:
    lab, absent = killer.lab, 0
    words = ("init", lab.registry, "--no-passphrase", "--home")

    def start(home: Path) -> tuple[float, int | None]:
        began = time.monotonic()
        process = lab.start([*words, str(home)])
        at_most = took * 1.05
        if at_most:
            time.sleep(dice.uniform(0, at_most))
            process.kill()
        process.communicate(timeout=60)
        return time.monotonic() - began, process.returncode

    dice, took = chance("init"), 0.0
    took, _ = start(tmp_path / "first")
    for number in range(rounds(6)):
        home = tmp_path / f"home-{number}"
        _, status = start(home)
        killer.tried[f"init {'ended by itself' if status == 0 else 'killed'}"] += 1
        made = home / "registries" / lab.registry.replace(":", "_")
        absent += not made.exists()
        if made.exists():
            assert_home_whole(home)
        process = lab.start([*words, str(home)])
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert_home_whole(home)
        assert not list(home.rglob(".certkit-new*"))
    assert absent, "no kill came early enough to mean something"


def test_distribute_and_remove(killer: Killer) -> None:
    lab = killer.lab
    killer.whole_run("distribute")
    killer.whole_run("remove")
    for number in range(rounds(6)):
        before = restarts(lab)
        killer.kill("distribute")
        assert_hosts_whole(lab, [lab.trust])
        # A killed run can be taken up again by its record, or simply be run again.
        killer.whole_run("distribute", *(["--resume"] if number % 2 else []))
        assert all(lab.certificate(name).read_bytes() == lab.trust for name in NAMES)
        # Each daemon has taken up the trust, by the killed run or the second one, not by both.
        assert restarts(lab) == [count + 1 for count in before]
        killer.kill("remove")
        assert_hosts_whole(lab, [lab.trust])
        killer.whole_run("remove")
        assert not any(lab.at(name, "certs.d").exists() for name in NAMES)
        assert restarts(lab) == [count + 2 for count in before]
        assert_home_whole(lab.home)
        assert_tidy(lab)
    assert counted(killer.tried, "on hosts by then")


def test_renew_and_deploy(killer: Killer) -> None:
    lab = killer.lab
    killer.whole_run("registry", "deploy")
    killer.whole_run("distribute")
    for _ in range(rounds(4)):
        before = RegistryFiles(registry_of(lab)).server_chain_pem
        killer.kill("renew", "--deploy")
        assert_home_whole(lab.home)
        served_pair_is_whole(lab)
        # What is already in service needs no second renewal: the run is only finished.
        killer.whole_run("renew", "--deploy")
        assert_home_whole(lab.home)
        assert_tidy(lab)
        assert RegistryFiles(registry_of(lab)).server_chain_pem != before
        killer.whole_run("registry", "status")
        killer.whole_run("verify")
    assert counted(killer.tried, "killed")


def test_rotate(killer: Killer) -> None:
    lab = killer.lab
    killer.whole_run("registry", "deploy")
    killer.whole_run("distribute")
    for number in range(rounds(1)):
        old = lab.trust
        allowed = {old}
        # It can be given up with the new certificate in service, and before that.
        given_up = ("start", "abort") if number % 2 else ("start", "switch", "abort")
        for step in (*given_up, "start", "switch", "finish"):
            before = restarts(lab)
            killer.kill("rotate", step)
            allowed.add(lab.trust)
            assert_hosts_whole(lab, sorted(allowed))
            assert_home_whole(lab.home)
            served_pair_is_whole(lab)
            killer.whole_run("rotate", step)
            allowed.add(lab.trust)
            assert_home_whole(lab.home)
            assert_tidy(lab)
            # At no step has a host lost the authority that the registry is served by.
            killer.whole_run("verify")
            assert (lab.trust == old) == (step == "abort")
            # Whatever a step changes on a host, its daemon takes up once.
            assert restarts(lab) in (before, [count + 1 for count in before])
            assert all(lab.certificate(name).read_bytes() == lab.trust for name in NAMES)
        assert len(TrustBundle.parse(lab.trust, "trust.crt").certificates) == 1
    assert counted(killer.tried, "killed")


def restarts(lab: Lab) -> list[int]:
    return [lab.restarts(name) for name in NAMES]


def registry_of(lab: Lab) -> Path:
    return lab.home / "registries" / lab.registry.replace(":", "_")


def served_pair_is_whole(lab: Lab) -> None:
    """What the registry would serve now, a moment after the kill, belongs together."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(lab.at(NAMES[0], "tls/server.crt"), lab.at(NAMES[0], "tls/server.key"))
