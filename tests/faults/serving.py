"""A registry's TLS on a machine of the lab: certkit deploys the pair, this process serves it."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.ssh.lab import Lab, lab_running

# A name that resolves nowhere, so that this machine looks at the registry host's address, and
# the machines are sent there by their openssl.
_NAME = "registry.invalid"
_OPENSSL = """#!/bin/sh
for word; do
  shift
  case $word in {name}:*) word=127.0.0.1:${{word#*:}} ;; esac
  set -- "$@" "$word"
done
exec {openssl} "$@"
"""


class Front:
    """Reads the pair for every handshake, as a server does that is reloaded after each change."""

    def __init__(self) -> None:
        self.pair: tuple[Path, Path] | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="front")
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.settimeout(20)
            with client, suppress(OSError):
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                # Where a half of the pair is missing, or the two do not match, nothing is served.
                assert self.pair is not None
                context.load_cert_chain(*self.pair)
                with context.wrap_socket(client, server_side=True) as served:
                    served.recv(1024)


@contextmanager
def served_lab(directory: Path, names: Sequence[str]) -> Iterator[Lab]:
    """A lab whose first machine is the registry's too; its front serves what is deployed there."""
    front = Front()
    try:
        with lab_running(directory, names, registry=f"{_NAME}:{front.port}") as lab:
            openssl = _OPENSSL.format(name=_NAME, openssl=shutil.which("openssl"))
            for name in names:
                (lab.scripts / name / "openssl").write_text(openssl)
                (lab.scripts / name / "openssl").chmod(0o755)
            front.pair = (lab.at(names[0], "tls/server.crt"), lab.at(names[0], "tls/server.key"))
            lab.write_inventory(registry_host=_registry_host(lab, names[0], front))
            yield lab
    finally:
        front.close()


def _registry_host(lab: Lab, name: str, front: Front) -> dict[str, Any]:
    owner = lab.machines[name].home.stat()
    assert front.pair is not None
    certificate, key = front.pair
    return {
        "host": name,
        "run": "proxy",
        "reload_command": "true",
        "certificate": str(certificate),
        "key": str(key),
        "key_owner": f"{owner.st_uid}:{owner.st_gid}",
        "timeout": 20,
    }
