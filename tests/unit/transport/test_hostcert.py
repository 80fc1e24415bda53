"""Host certificates that ssh-keygen signed."""

from __future__ import annotations

import base64
import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest

from certkit.transport.hostkeys.certificate import Certificate, blob_type, fingerprint
from tests.tiers import need

NOW = datetime(2030, 6, 1, tzinfo=timezone.utc)
WEB = ("-n", "web.example", "-V")
VALID = ("-n", "Web.example,10.0.0.1", "-V", "20300101000000Z:20301231000000Z")


def blob(path: Path) -> bytes:
    return base64.b64decode(path.read_text().split()[1])


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("ssh-keygen") is None:
        need("ssh", "ssh-keygen is not installed")
    directory = tmp_path_factory.mktemp("keys")
    for name, arguments in {
        "ca": ["-t", "ed25519"],
        "ca_rsa": ["-t", "rsa", "-b", "2048"],
        "ca_ecdsa": ["-t", "ecdsa"],
        "host": ["-t", "ed25519"],
        "host_rsa": ["-t", "rsa", "-b", "2048"],
    }.items():
        run = ["ssh-keygen", "-q", "-N", "", *arguments, "-f", str(directory / name)]
        subprocess.run(run, check=True)
    return directory


def sign(
    keys: Path, *arguments: str, ca: str = "ca", key: str = "host", user: bool = False
) -> Certificate:
    kind = [] if user else ["-h"]
    run = ["ssh-keygen", "-q", "-s", str(keys / ca), "-I", "id", *kind, *arguments]
    subprocess.run([*run, str(keys / f"{key}.pub")], check=True, capture_output=True)
    return Certificate(blob(keys / f"{key}-cert.pub"))


@pytest.mark.parametrize("ca", ["ca", "ca_rsa", "ca_ecdsa"])
@pytest.mark.parametrize("key", ["host", "host_rsa"])
def test_a_good_one(keys: Path, ca: str, key: str) -> None:
    certificate = sign(keys, *VALID, ca=ca, key=key)
    assert certificate.key == blob(keys / f"{key}.pub")
    assert certificate.authority == blob(keys / f"{ca}.pub")
    assert certificate.fault("web.example", NOW) == ""
    assert certificate.fault("10.0.0.1", NOW) == ""


@pytest.mark.parametrize(
    ("arguments", "user", "text"),
    [
        (VALID, True, "a user's certificate"),
        (
            ("-n", "other.example", *VALID[2:]),
            False,
            "is for other.example and not",
        ),
        (VALID[2:], False, "names no host"),
        (
            ("-n", "web.example", "-V", "20300701000000Z:20301231000000Z"),
            False,
            "only from 2030-07-01",
        ),
        (
            ("-n", "web.example", "-V", "20290101000000Z:20300101000000Z"),
            False,
            "expired on 2030-01-01",
        ),
        ((*VALID, "-O", "critical:x=y"), False, "critical options"),
    ],
)
def test_bad_ones(keys: Path, arguments: tuple[str, ...], user: bool, text: str) -> None:
    assert text in sign(keys, *arguments, user=user).fault("web.example", NOW)


def test_a_changed_byte_is_noticed(keys: Path) -> None:
    sign(keys, *VALID)
    changed = blob(keys / "host-cert.pub").replace(b"Web.example", b"Bad.example")
    assert "signature" in Certificate(changed).fault("bad.example", NOW)


@pytest.mark.parametrize("junk", [b"", b"\x00\x00\x00\x04junk", bytes(100)])
def test_junk(junk: bytes, keys: Path) -> None:
    with pytest.raises(ValueError):
        Certificate(junk)
    with pytest.raises(ValueError, match="no certificate"):
        Certificate(blob(keys / "host.pub"))


def test_names(keys: Path) -> None:
    shown = subprocess.check_output(["ssh-keygen", "-lf", str(keys / "host.pub")], text=True)
    assert fingerprint(blob(keys / "host.pub")) == shown.split()[1]
    assert blob_type(blob(keys / "host.pub")) == "ssh-ed25519"
    assert blob_type(b"") == ""
