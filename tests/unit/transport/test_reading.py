"""Files and pipes that hosts wait for: whole, bounded, and never for ever."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from certkit.errors import HostError
from certkit.inventory.model import Host
from certkit.transport import reading
from certkit.transport.hostkeys.lookup import KnownFiles
from certkit.transport.keyfiles import KeyFileError, KeyFiles
from certkit.transport.reading import read_file

pytestmark = pytest.mark.timeout(20)


def test_a_fifo_that_nobody_writes_to_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_SILENCE", 0.1)
    os.mkfifo(fifo := tmp_path / "key")
    with pytest.raises(KeyFileError, match="nothing came"):
        KeyFiles(None).load(fifo, None)
    known = KnownFiles(fifo)
    for name in ("web-01", "web-02"):
        with pytest.raises(HostError, match=f"cannot read {fifo}: nothing came"):
            known.of(Host(name=name, address=f"{name}.example", user="root"))
        # The second host must not wait again; where it does, the test's own time is up.
        monkeypatch.setattr(reading, "_SILENCE", 600.0)


@pytest.mark.parametrize("named", [True, False])
def test_a_pipe_is_read_to_its_end(named: bool, tmp_path: Path) -> None:
    """As ``<(command)`` is, which may take its time and write in parts."""
    path = tmp_path / "pipe"
    reader = None
    if named:
        os.mkfifo(path)
    else:
        reader, writer = os.pipe()
        path = Path(f"/dev/fd/{reader}")

    def write() -> None:
        descriptor = os.open(path, os.O_WRONLY) if named else writer
        for _ in range(2):
            time.sleep(0.1)
            os.write(descriptor, b"x" * 10_000)
        os.close(descriptor)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    assert read_file(path, 1_000_000) == b"x" * 20_000
    thread.join(10)
    if reader is not None:
        # Who wrote is gone by now.
        assert read_file(path, 1) == b""
        os.close(reader)


def test_no_more_than_asked_for(tmp_path: Path) -> None:
    (file := tmp_path / "file").write_bytes(b"12345")
    assert [read_file(file, most) for most in (0, 4, 5, 6)] == [b"", b"1234", b"12345", b"12345"]
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path, 1)
