"""The known_hosts reader, with ssh-keygen as the judge where there is one."""

from __future__ import annotations

import base64
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certkit.errors import ErrorKind, HostError
from certkit.inventory.model import Host
from certkit.transport.hostkeys.known_hosts import KnownHosts, hash_name, host_names
from certkit.transport.hostkeys.lookup import KnownFiles
from tests.tiers import need

HOST = Host(name="web-01", address="web-01.example", user="root")


def key(number: int, kind: str = "ssh-ed25519") -> str:
    name = kind.encode()
    blob = (
        len(name).to_bytes(4, "big") + name + (32).to_bytes(4, "big") + number.to_bytes(32, "big")
    )
    return f"{kind} {base64.b64encode(blob).decode()}"


def read(text: str) -> KnownHosts:
    database = KnownHosts()
    database.read(Path("known_hosts"), text.encode())
    return database


def lines(database: KnownHosts, name: str) -> list[int]:
    return sorted(entry.line for entry in database.matching(name))


TEXT = f"""\
# a comment
plain.example,10.0.0.1 {key(1)} a comment of several words
*.wild.example,!not.wild.example {key(2)}
[port.example]:2222 {key(3)}
host-?.example {key(4)}
{hash_name("hashed.example", b"0" * 20)} {key(5)}
{hash_name("[hashed.example]:2222", b"1" * 20)} {key(6)}
@revoked * {key(7)}
@cert-authority *.wild.example {key(8)}
   \tspaced.example   {key(9)}
2001:db8::7,[2001:db8::7]:2222 {key(10)}
UPPER.example {key(11)}
"""


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("plain.example", [2, 8]),
        ("PLAIN.example", [2, 8]),
        ("10.0.0.1", [2, 8]),
        ("a.wild.example", [3, 8, 9]),
        ("not.wild.example", [8, 9]),
        ("wild.example", [8]),
        ("[port.example]:2222", [4, 8]),
        ("port.example", [8]),
        ("host-1.example", [5, 8]),
        ("host-12.example", [8]),
        ("hashed.example", [6, 8]),
        ("[hashed.example]:2222", [7, 8]),
        ("spaced.example", [8, 10]),
        ("2001:db8::7", [8, 11]),
        ("[2001:db8::7]:2222", [8, 11]),
        ("upper.example", [8, 12]),
    ],
)
def test_matching(name: str, found: list[int]) -> None:
    database = read(TEXT)
    assert database.problems == []
    assert lines(database, name) == found


@pytest.mark.parametrize(
    "bad",
    [
        "just-a-name",
        f"@unknown-marker host {key(1)}",
        "host ssh-ed25519 not*base64",
        f"host ecdsa-sha2-nistp256 {key(1).split()[1]}",
        f"|1|bad {key(1)}",
        f"|2|AAAA|AAAA {key(1)}",
        f"|1|AAAA|AAAA {key(1)}",
        f"{hash_name('good', b'salt that is not twenty bytes')} {key(1)}",
        "\x00\xff",
        "x" * 70_000 + f" {key(1)}",
    ],
)
def test_a_bad_line_is_a_problem_and_no_more(bad: str) -> None:
    database = read(f"good {key(1)}\n{bad}\nalso-good {key(2)}\n")
    assert len(database.problems) == 1
    assert database.problems[0].startswith("known_hosts:2: ")
    assert lines(database, "good") == [1]
    assert lines(database, "also-good") == [3]


@given(st.binary(max_size=300))
def test_junk_never_raises(junk: bytes) -> None:
    database = KnownHosts()
    database.read(Path("known_hosts"), junk)
    list(database.matching("host"))


def test_names_to_look_up() -> None:
    assert host_names("web", 22, None) == ("web",)
    assert host_names("web", 2222, None) == ("[web]:2222", "web")
    assert host_names("::1", 2222, None) == ("[::1]:2222", "::1")
    assert host_names("10.0.0.1", 2222, "web") == ("web",)


NAMES = ("a.example", "b.example", "ab.example", "[a.example]:22", "[b.example]:2200", "10.0.0.1")
PATTERNS = st.sampled_from(
    [
        *NAMES,
        "*",
        "?.example",
        "*.example",
        "!a.example",
        "!*.example",
        "[*]:2200",
        "10.0.*",
        "a*b?",
    ]
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(PATTERNS, min_size=1, max_size=4), min_size=1, max_size=6))
def test_agrees_with_ssh_keygen(tmp_path: Path, rows: list[list[str]]) -> None:
    if shutil.which("ssh-keygen") is None:
        need("ssh", "ssh-keygen is not installed")
    file = tmp_path / "known_hosts"
    file.write_text("".join(f"{','.join(row)} {key(i)}\n" for i, row in enumerate(rows)))
    database = read(file.read_text())
    for name in NAMES:
        run = ["ssh-keygen", "-F", name, "-f", str(file)]
        shown = subprocess.run(run, capture_output=True, text=True, check=False).stdout
        expected = [
            int(line.split("line ")[1]) for line in shown.splitlines() if "found: line" in line
        ]
        assert lines(database, name) == sorted(expected), name


def test_a_hashed_line_that_was_found_out_is_found_again() -> None:
    """It is tried no more, and yet stands for its name, in the order of the file."""
    names = ("a.example", "b.example", "A.example", "c.example", "a.example")
    text = "".join(f"{hash_name(name, bytes(20))} {key(i)}\n" for i, name in enumerate(names))
    database = read(text)
    for _ in range(2):
        assert [entry.line for entry in database.matching("a.example")] == [1, 3, 5]
        assert [entry.line for entry in database.matching("c.example")] == [4]
        assert [entry.line for entry in database.matching("d.example")] == []
    database.read(Path("another"), text.encode())
    assert [entry.line for entry in database.matching("a.example")] == [1, 3, 5, 1, 3, 5]
    assert lines(database, "b.example") == [2, 2]
    assert lines(database, "c.example") == [4, 4]
    assert database.uses_hashes


def test_ten_thousand_hashed_lines_are_linear() -> None:
    small, large = (
        "".join(f"{hash_name(f'host{i}', i.to_bytes(20, 'big'))} {key(i)}\n" for i in range(count))
        for count in (1_000, 10_000)
    )

    def seconds(text: str) -> float:
        best = float("inf")
        for _ in range(3):
            started = time.process_time()
            database = read(text)
            assert lines(database, "host7") == [8]
            best = min(best, time.process_time() - started)
        return best

    assert seconds(large) < 30 * seconds(small)


@pytest.fixture
def room() -> Iterator[Callable[[int], None]]:
    """Bounds how long a file may grow, in bytes; as a full disk does, which may take a part."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("more", [0, 1, 60])
def test_no_room_for_a_new_key_is_told_and_leaves_the_file(
    more: int, room: Callable[[int], None], tmp_path: Path
) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(before := f"other.example {key(1)}\n# torn")
    blob = base64.b64decode(key(2).split()[1])
    room(len(before) + more)
    with pytest.raises(HostError, match=f"cannot record a new key in {file}") as caught:
        KnownFiles(file).record(HOST, "web-01.example", blob)
    assert caught.value.kind is ErrorKind.HOST_KEY and not caught.value.retryable
    assert file.read_text() == before
    room(4096)
    KnownFiles(file).record(HOST, "web-01.example", blob)
    assert file.read_text() == f"{before}\nweb-01.example {key(2)}\n"


def test_a_new_key_is_not_remembered_where_that_is_asked_for() -> None:
    blob = base64.b64decode(key(2).split()[1])
    [entry] = KnownFiles(Path(os.devnull)).record(HOST, "web-01.example", blob).plain
    assert entry.blob == blob
