"""What the demo shows, step by step, and what each step must have shown."""

from __future__ import annotations

import shlex
import shutil
from collections import Counter
from collections.abc import Callable
from typing import Any

from certkit.demo.replay import drawn
from certkit.demo.screen import WIDTH, Screen
from certkit.demo.stage import HOST_NAMES, Ran, Stage
from certkit.fleet.report import SCHEMA

_UNKNOWN_AUTHORITY = "x509: certificate signed by unknown authority"

INTRODUCTION = f"""
{len(HOST_NAMES)} hosts and a private registry, all of them embedded in this process, on loopback
and below one temporary directory. The certkit commands are the real ones. They are run with
-o json, so that every step can be checked, and shown as they print without it.
"""

REAL = """
Real: the certkit commands, the certificates, SSH with pinned host keys and a key made for this
run, the program that certkit runs on hosts, TLS. Embedded, so that nothing need be installed:
"""

EMBEDDED = (
    "the hosts: SSH servers inside this process, each with a directory for a file system and one "
    "user (id and getent are stand-ins that say so); no root, so no sudo",
    "the registry: a small one inside this process, in memory, with the certificate made above",
    "docker and openssl on the hosts: stand-ins that make real TLS handshakes and trust exactly "
    "the files they are to trust; a restart was a line in a file",
)


ELSEWHERE = (
    "No Docker took part: `make test-fleet` does all this with real Docker on real machines."
)


class StepError(Exception):
    """A step did not show what it should."""


class Story:
    """Plays the steps on a stage.

    Args:
        stage: Where it plays.
        screen: Where it is told.
    """

    def __init__(self, stage: Stage, screen: Screen) -> None:
        self._stage = stage
        self._screen = screen
        self._image = f"{stage.reference}/hello:1"

    @property
    def steps(self) -> tuple[tuple[str, Callable[[], str]], ...]:
        """The steps in order: a title, and what plays it and returns what it showed."""
        return (
            ("An authority and a certificate for the registry", self.make_certificate),
            ("Without trust, Docker refuses", self.be_refused),
            ("Trust on every host", self.distribute),
            ("Again: nothing to do, so nothing is touched", self.distribute_again),
            ("Each host proves it: one image, one digest", self.verify),
            ("A host is off, another has lost its trust", self.meet_trouble),
        )

    def make_certificate(self) -> str:
        """Make the certificate and start the registry with it."""
        ran = self._certkit("init", self._stage.reference, "--no-passphrase")
        _expect(ran.status == 0, f"init exits with {ran.status}, not 0")
        directory = self._stage.home / "registries" / self._stage.reference.replace(":", "_")
        certificate, key = directory / "server.crt", directory / "server.key"
        _expect(certificate.is_file() and key.is_file(), f"init left no certificate in {directory}")
        self._stage.start_registry(certificate, key)
        return f"the registry now listens at {self._stage.reference} with this certificate"

    def be_refused(self) -> str:
        """Pull and push before anything is trusted."""
        for host, verb in (("web-01", "pull"), ("build-01", "push")):
            ran = self._on(host, "docker", verb, self._image)
            _expect(ran.status != 0, f"the {verb} went through although nothing is trusted")
            _expect(_UNKNOWN_AUTHORITY in ran.stderr, f"the {verb} failed for another reason")
        return "refused, as it should be: no host knows who signed this certificate"

    def distribute(self) -> str:
        """Place trust on every host."""
        ran = self._certkit("distribute", "--yes")
        _expect(ran.status == 0, f"distribute exits with {ran.status}, not 0")
        _expect_outcomes(ran, {"changed": len(HOST_NAMES)})
        _expect(all(_runtime(host)["restarted"] for host in _hosts(ran)), "not all were restarted")
        _expect(set(self._restarts().values()) == {1}, "not every daemon was restarted once")
        return f"trust is in place on {len(HOST_NAMES)} hosts, and each daemon restarted once"

    def distribute_again(self) -> str:
        """Do the same again."""
        before = self._restarts()
        ran = self._certkit("distribute")
        _expect(ran.status == 0, f"distribute exits with {ran.status}, not 0")
        _expect_outcomes(ran, {"unchanged": len(HOST_NAMES)})
        _expect(self._restarts() == before, "a daemon was restarted for nothing")
        return "nothing changed, nothing restarted"

    def verify(self) -> str:
        """Push an image from one host and have every host pull it."""
        pushed = self._on("build-01", "docker", "push", self._image)
        _expect(pushed.status == 0, "the push failed although the host trusts the registry")
        ran = self._certkit("verify", "--image", "hello:1")
        _expect(ran.status == 0, f"verify exits with {ran.status}, not 0")
        proofs = [proof for host in _hosts(ran) for proof in _runtime(host).get("proofs", [])]
        _expect(len(proofs) == len(HOST_NAMES), "not every host gave a proof")
        for proof in proofs:
            legs = proof["handshake"], proof["daemon"], proof["proven"]
            _expect(legs == ("ok", "ok", True), "a proof is not one")
        digests = {proof["digest"] for proof in proofs}
        _expect(len(digests) == 1, "the hosts report more than one digest")
        _expect(str(digests.pop()) in pushed.stdout, "the digest is not the one that was pushed")
        return f"{len(HOST_NAMES)} hosts pulled the image by tag and by digest; all say the same"

    def meet_trouble(self) -> str:
        """Switch one host off and let another lose its file: the rest must not suffer."""
        self._screen.say("web-02 is switched off; on web-01 somebody has cleaned up /etc/docker.")
        self._stage.hosts["web-02"].close()
        shutil.rmtree(self._stage.hosts["web-01"].certs_dir / self._stage.reference)
        ran = self._certkit("distribute", "--yes")
        _expect(ran.status == 1, f"distribute exits with {ran.status}, not 1")
        outcomes = {host["name"]: host["outcome"] for host in _hosts(ran)}
        wanted = {
            "build-01": "unchanged",
            "build-02": "unchanged",
            "web-01": "changed",
            "web-02": "unreachable",
        }
        _expect(outcomes == wanted, f"the outcomes are {outcomes}, not {wanted}")
        error = next(host["error"] for host in _hosts(ran) if host["name"] == "web-02")
        _expect(error and error["kind"] == "refused", "web-02 is not said to refuse connections")
        return "web-01 is mended, web-02 reported, the others left alone; exit status 1"

    def _certkit(self, *arguments: str) -> Ran:
        self._screen.command(f"certkit {shlex.join(arguments)}")
        ran = self._stage.certkit(*arguments)
        if ran.report.get("schema") == SCHEMA:
            self._screen.output(drawn(ran.report, WIDTH - 2))
        else:
            self._screen.output(ran.stderr)
        return ran

    def _on(self, host: str, *command: str) -> Ran:
        self._screen.command(f"ssh {host} {shlex.join(command)}")
        ran = self._stage.on(host, *command)
        self._screen.output(ran.stdout + ran.stderr)
        return ran

    def _restarts(self) -> dict[str, int]:
        return {name: host.restarts for name, host in self._stage.hosts.items()}


def play(stage: Stage, screen: Screen) -> str | None:
    """Play all steps; return what went wrong, if anything did."""
    for number, (title, step) in enumerate(Story(stage, screen).steps, start=1):
        screen.heading(f"{number}. {title}")
        try:
            shown = step()
        except StepError as failure:
            return f"step {number} ({title}): {failure}"
        except (LookupError, TypeError) as error:
            return f"step {number} ({title}): the report lacks {error}"
        screen.shown(shown)
    return None


def _expect(holds: object, otherwise: str) -> None:
    if not holds:
        raise StepError(otherwise)


def _expect_outcomes(ran: Ran, wanted: dict[str, int]) -> None:
    found = dict(Counter(host["outcome"] for host in _hosts(ran)))
    _expect(found == wanted, f"the outcomes are {found}, not {wanted}")


def _hosts(ran: Ran) -> list[dict[str, Any]]:
    hosts = ran.report.get("hosts")
    _expect(isinstance(hosts, list), "there is no JSON report on standard output")
    return list(hosts or ())


def _runtime(host: dict[str, Any]) -> dict[str, Any]:
    runtimes = host["runtimes"]
    _expect(len(runtimes) == 1, f"{host['name']} reports {len(runtimes)} runtimes, not 1")
    return dict(runtimes[0])
