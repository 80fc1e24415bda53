"""Real machines for the tests: Debian with systemd, sshd, sudo, Docker and podman.

    with Lab() as lab:
        registry, host = lab.boot([Spec("registry"), Spec("host", "trixie")])
        host.run(["docker", "version"])

`tests/fleet/prepare` builds what they boot from.
"""

from tests.fleet.lab.lab import Lab, at_once
from tests.fleet.lab.machine import Machine, Spec
from tests.fleet.lab.recipe import EXAMPLE_IMAGE, LOGIN_USER, PASSWORD_USER, REGISTRY_IMAGE
from tests.fleet.lab.shell import CommandError
from tests.fleet.lab.store import why_not

__all__ = [
    "EXAMPLE_IMAGE",
    "LOGIN_USER",
    "PASSWORD_USER",
    "REGISTRY_IMAGE",
    "CommandError",
    "Lab",
    "Machine",
    "Spec",
    "at_once",
    "why_not",
]
