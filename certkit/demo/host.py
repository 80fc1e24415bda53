"""One embedded host: a directory for a file system, an SSH server, and stand-ins on its PATH."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import certkit
from certkit.demo.sshd import Account, SshServer
from certkit.transport.without_invoke import paramiko

USER = "demo"
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LAYOUT = ("bin", "etc/docker/certs.d", "home", "tmp", "var")

# What is looked for on a host with Docker Engine: the daemon's program. It is never started.
_DAEMON = "#!/bin/sh\necho 'a stand-in, not Docker' >&2\nexit 1\n"

# An embedded host has one user, who is never root, and whose home is in the host's directory: what
# certkit remembers on a host must not end up on this machine, in /var/lib or the real home.
_NOBODY = 65534
_UID, _GID = os.getuid() or _NOBODY, os.getgid() or _NOBODY
_IDENTITY = """\
#!/bin/sh
[ $# = 0 ] || exit 1
echo 'uid={uid}({user}) gid={gid}({user}) groups={gid}({user})'
"""
_DATABASE = """\
#!/bin/sh
case $* in
  'passwd {user}') printf '%s\\n' {user}:x:{uid}:{gid}::{home}:/bin/sh ;;
  'ahosts '*)
    while read -r address name; do
      [ "$name" != "$2" ] || echo "$address STREAM $name"
    done <{hosts}
    ;;
  *) exit 2 ;;
esac
"""


def make_key(path: Path) -> paramiko.PKey:
    """Make an Ed25519 key, write it as OpenSSH does, readable by its owner only, and return it."""
    text = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
    )
    path.touch(mode=0o600)
    path.write_bytes(text)
    return paramiko.Ed25519Key.from_private_key_file(str(path))


class EmbeddedHost:
    """A host of the demo; it is reachable from the moment it is made until `close`.

    Args:
        name: How the inventory will call it.
        directory: Where its file system is to be made.
        login: The public key that its user logs in with.
        names: What its ``/etc/hosts`` says: name to address.
    """

    def __init__(
        self, name: str, directory: Path, login: paramiko.PKey, names: dict[str, str]
    ) -> None:
        self.name = name
        self.directory = directory
        for part in _LAYOUT:
            (directory / part).mkdir(parents=True)
        (directory / "etc" / "hosts").write_text(
            "".join(f"{address} {alias}\n" for alias, address in names.items())
        )
        self._put_on_path("docker", _stand_in("docker", directory))
        self._put_on_path("openssl", _stand_in("openssl", directory))
        self._put_on_path("dockerd", _DAEMON)
        self._put_on_path("id", _IDENTITY.format(user=USER, uid=_UID, gid=_GID))
        home, hosts = (shlex.quote(str(directory / part)) for part in ("home", "etc/hosts"))
        self._put_on_path(
            "getent", _DATABASE.format(user=USER, uid=_UID, gid=_GID, home=home, hosts=hosts)
        )
        self._host_key = make_key(directory / "etc" / "ssh_host_ed25519_key")
        self._server = SshServer(
            self._host_key, Account(USER, login, self._environment(), directory / "home")
        )

    @property
    def port(self) -> int:
        """The port on 127.0.0.1 of its SSH server."""
        return self._server.port

    @property
    def host_key(self) -> paramiko.PKey:
        """Its SSH server's key."""
        return self._host_key

    @property
    def certs_dir(self) -> Path:
        """Where its stand-in for Docker looks for trust."""
        return self.directory / "etc" / "docker" / "certs.d"

    @property
    def restarts(self) -> int:
        """How often its daemon's restart was asked for."""
        try:
            return len(self._restart_record.read_text().splitlines())
        except FileNotFoundError:
            return 0

    @property
    def _restart_record(self) -> Path:
        return self.directory / "var" / "restarts"

    def inventory_entry(self, identity: Path) -> dict[str, Any]:
        """Return what stands after its name in a native inventory."""
        return {
            "address": "127.0.0.1",
            "port": self.port,
            "user": USER,
            "identity_file": str(identity),
            "host_key": f"{self._host_key.get_name()} {self._host_key.get_base64()}",
            # The operator's own ssh_config may send everything through a bastion.
            "jump": "none",
            "become": {"method": "none"},
            "runtime": "docker",
            "certs_dir": str(self.certs_dir),
            # Not "docker": this machine's own service manager may know one of that name.
            "service": "certkit-demo",
            "restart_command": f"echo restarted >>{shlex.quote(str(self._restart_record))}",
        }

    def close(self) -> None:
        """Switch it off: its port refuses connections, and what it ran is stopped."""
        self._server.close()

    def __enter__(self) -> EmbeddedHost:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _put_on_path(self, name: str, script: str) -> None:
        path = self.directory / "bin" / name
        path.write_text(script)
        path.chmod(0o755)

    def _environment(self) -> dict[str, str]:
        at = self.directory
        return {
            "PATH": f"{at / 'bin'}:{_SYSTEM_PATH}",
            "HOME": str(at / "home"),
            "USER": USER,
            "LOGNAME": USER,
            "SHELL": "/bin/sh",
            "TMPDIR": str(at / "tmp"),
        }


def _stand_in(name: str, directory: Path) -> str:
    """Return a script that runs a stand-in with this Python, whatever the PATH then is."""
    package = Path(certkit.__file__).parent.parent
    program = f"import sys; from certkit.demo.stand_ins.{name} import main; sys.exit(main())"
    command = [sys.executable, "-S", "-s", "-c", program]
    return (
        f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(package))} exec {shlex.join(command)} "
        f'--host-directory {shlex.quote(str(directory))} "$@"\n'
    )
