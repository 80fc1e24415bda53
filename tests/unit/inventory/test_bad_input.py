from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certkit.errors import ExitCode, InputError
from certkit.inventory import load
from certkit.inventory.loading import parse_text
from tests.unit.inventory.hosts import NO_CONFIG, read

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(12)
)

BAD = {
    "empty": ("", "is empty"),
    "blank": (" \n\n", "is empty"),
    "comments": ("# nothing\n", "is empty"),
    "null": ("---\n", "is empty"),
    "tab": ("hosts:\n\t- a\n", ":2:1: is indented with a tab"),
    "tab after spaces": ("hosts:\n  a:\n  \tport: 1\n", "indented with a tab"),
    "not yaml": ("hosts: [a\n", "is not YAML"),
    "two documents": ("hosts: [a]\n---\nhosts: [b]\n", "more than one document"),
    "bom": ("\ufeffhosts: [a]\n", "byte order mark"),
    "crlf": ("hosts:\r\n- a\r\n", ":1: has Windows line ends"),
    "control": ("hosts: ['a\x1b[0m']\n", "control character"),
    "nul": ("hosts: [a\x00]\n", "control character"),
    "duplicate key": ("hosts:\n  a:\n  b:\n  a:\n", ":4:3: hosts has the key 'a' twice"),
    "duplicate top": ("hosts: [a]\nhosts: [b]\n", "'hosts' twice"),
    "duplicate host": ("hosts: [a, b, a]\n", "listed twice"),
    "overlap": ("hosts: ['a[1:3]', 'a[3:5]']\n", "'a3' is listed twice"),
    "unknown top": ("registy: x\nhosts: [a]\n", ":1:1: unknown key 'registy'"),
    "unknown host key": ("hosts:\n  a: {prot: 22}\n", ":2:7: unknown key 'prot' in host a"),
    "unknown nested": ("hosts: {a: {become: {usr: x}}}\n", "unknown key 'usr' in become of host a"),
    "unknown group": ("groups: {web: }\nhosts: {a: {groups: wbe}}\n", "unknown key 'wbe'"),
    "bomb": (BOMB + "hosts: [z]\n", "unknown key 'a'"),
    "bomb in vars": (
        "hosts:\n  h:\n    vars:\n" + "".join(f"      {line}\n" for line in BOMB.splitlines()),
        "unfolds without end",
    ),
    "recursion": ("hosts: {a: {vars: &x {y: *x}}}\n", "unfolds without end"),
    "deep flow": ("hosts: " + "[" * 60_000, "nested too deeply"),
    "deep block": ("- " * 60_000 + "a\n", "nested too deeply"),
    "deep hidden": ("hosts: [" + "\n[a,b]," * 400 + "\n[" * 60_000, "nested too deeply"),
    "list": ("- a\n- b\n", "no keys at its top"),
    "scalar": ("'a'\n", "no keys at its top"),
    "no hosts": ("registry: r.lab:5000\n", "has no hosts"),
    "empty hosts": ("hosts: []\n", "has no hosts"),
    "null hosts": ("hosts:\n", "has no hosts"),
    "names as keys": ("web01:\nweb02:\n", "has no hosts"),
    "neither": ("host: [a]\n", "neither a key of certkit's inventory nor an Ansible group"),
    "mixed": ("registry: r.lab:5000\nall: {hosts: {a: }}\nhosts: [b]\n", "looks like an Ansible"),
    "version": ("version: 2\nhosts: [a]\n", "reads version 1"),
    "dash": ("hosts: ['-oProxyCommand=touch x']\n", "starts with a dash"),
    "newline": ('hosts: ["a\\nb"]\n', "control characters"),
    "metacharacters": ("hosts: ['a;rm -rf b']\n", "not a host name"),
    "dollar": ("hosts: ['$(id)']\n", "not a host name"),
    "slash": ("hosts: [a/b]\n", "not a host name"),
    "dots": ("hosts: ['..']\n", "not a host name"),
    "non-ascii": ("hosts: [bücher.example]\n", "beyond ASCII"),
    "half an IPv4": ("hosts: [10.0.0]\n", "not a valid IPv4"),
    "IPv4 too large": ("hosts: [10.0.0.256]\n", "not a valid IPv4"),
    "bad IPv6": ("hosts: ['[::g]:22']\n", "not a range"),
    "glued IPv6": ("hosts: ['[::1]22']\n", "not a host"),
    "port 0": ("hosts: {a: {port: 0}}\n", "not a port"),
    "port 65536": ("hosts: ['a:65536']\n", "not a port"),
    "port hex": ("hosts: {a: {port: 0x16}}\n", "not a port"),
    "port sexagesimal": ("hosts: {a: {port: 1:30}}\n", "not a port"),
    "user dash": ("hosts: {a: {user: -l}}\n", "not a user name"),
    "user quote": ('hosts: {a: {user: "x\'y"}}\n', "not a user name"),
    "address dash": ("hosts: {a: {address: -F/x}}\n", "starts with a dash"),
    "jump dash": ("hosts: {a: {jump: -Fx}}\n", "starts with a dash"),
    "jump url": ("hosts: {a: {jump: http://x}}\n", "jump"),
    "relative certs_dir": ("hosts: {a: {certs_dir: certs.d}}\n", "not an absolute path"),
    "unnormalised certs_dir": ("hosts: {a: {certs_dir: /etc/../x}}\n", "shortest form"),
    "root certs_dir": ("hosts: {a: {certs_dir: /}}\n", "not an absolute path"),
    "service": ("hosts: {a: {service: 'docker; id'}}\n", "not the name of a service"),
    "service dash": ("hosts: {a: {service: --now}}\n", "not the name of a service"),
    "restart": ("hosts: {a: {restart: auto}}\n", "restart: 'auto' is not known"),
    "restart_command": ('hosts: {a: {restart_command: "a\\nb"}}\n', "control characters"),
    "become": ("hosts: {a: {become: su}}\n", "'su' is not known"),
    "become exe": ("hosts: {a: {become: {executable: sudo -u}}}\n", "not an absolute path"),
    "timeout": ("hosts: {a: {timeout: 10}}\n", "must be a mapping"),
    "timeout value": ("hosts: {a: {timeout: {host: 0}}}\n", "not a number of seconds"),
    "timeout nan": ("hosts: {a: {timeout: {host: .nan}}}\n", "not a number of seconds"),
    "flag": ("hosts: {a: {skip: maybe}}\n", "neither true nor false"),
    "pin md5": ("hosts: {a: {host_key: 'MD5:00:11'}}\n", "not a SHA256 fingerprint"),
    "pin type": ("hosts: {a: {host_key: 'ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAA'}}\n", "not a host key"),
    "runtime": ("hosts: {a: {runtime: 'Docker!'}}\n", "not the name of a runtime"),
    "runtime auto and": ("hosts: {a: {runtime: [auto, podman]}}\n", "'auto' at once"),
    "registry scheme": ("registry: https://r.lab\nhosts: [a]\n", "has a scheme"),
    "alias path": ("registry: r.lab:5\naliases: [r.lab/x]\nhosts: [a]\n", "has a path"),
    "template": ("hosts: {a: {address: '{{ ip }}'}}\n", "address: is a template"),
    "template password": ("hosts: {a: {password: '{{ pw }}'}}\n", "password: is a template"),
    "vault": ("hosts: {a: {password: !vault x}}\n", "encrypted by ansible-vault"),
    "python tag": ("hosts: [!!python/object:os.system x]\n", "means nothing here"),
    "user twice": ("hosts: {'x@a': {user: y}}\n", "disagree"),
    "group all": ("groups: {all: {port: 1}}\nhosts: [a]\n", "'all'"),
    "host under list": ("hosts:\n- a: {port: 1}\n", "names only"),
    "wave": ("wave: [0]\nhosts: [a]\n", "wave"),
    "max_fail": ("max_fail: 101%\nhosts: [a]\n", "max_fail"),
    "parallel": ("parallel: -1\nhosts: [a]\n", "parallel"),
    "password_from": ("hosts: {a: {password_from: pw.txt}}\n", "where the secret is"),
    "password twice": ("hosts: {a: {password: x, password_from: env:HOME}}\n", "second time"),
    "a word too many": ("web01 web02\n", "not key=value"),
    "jumps twice": ("hosts: {a: {jump: [b, b]}}\n", "twice"),
    "tilde of nobody": ("hosts: {a: {identity_file: ~nosuchuser9/x}}\n", "does not exist here"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_get_one_clear_sentence(tmp_path: Path, case: str) -> None:
    text, why = BAD[case]
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    error = caught.value
    assert why in error.message
    assert error.exit_code is ExitCode.BAD_INPUT
    assert "\n" not in error.message and "\x1b" not in error.message
    assert len(error.message) < 400


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("registy: x\nhosts: [a]\n", "did you mean 'registry'?"),
        ("hosts: {a: {prot: 1}}\n", "did you mean 'port'?"),
        ("hosts: {a: {identity-file: x}}\n", "did you mean 'identity_file'?"),
        ("hosts: {a: {become: {exe: /x}}}\n", "did you mean 'executable'?"),
        ("groups: {web: }\nhosts: {a: {groups: wbe}}\n", "did you mean 'web'?"),
        ("hots: [a]\n", "did you mean 'hosts'?"),
        ("hosts: {a: {restart: chagned}}\n", "did you mean 'changed'?"),
        ("hosts: ['web[01:100]']\n", "write [01:100]"),
        ("hosts:\r\n- a\r\n", "sed -i"),
        ("\ufeffhosts: [a]\n", "sed -i"),
        ("hosts: {a: {password: !vault x}}\n", "ansible-inventory"),
    ],
)
def test_the_hint_says_what_to_write(tmp_path: Path, text: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    if hint.startswith("write [01"):
        assert "[001:100]" in caught.value.hint or "[1:100]" in caught.value.hint
    else:
        assert hint in caught.value.hint


def test_other_encodings(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yaml"
    for raw, why in (
        ("hosts: [a]\n".encode("utf-16"), "UTF-16"),
        (b"hosts:\n- \xe9\n", ":2: is not UTF-8"),
        (b"$ANSIBLE_VAULT;1.1;AES256\n00\n", "ansible-vault"),
        (b"#" * (10 * 1024 * 1024 + 1), "larger than 10 MB"),
    ):
        path.write_bytes(raw)
        with pytest.raises(InputError, match=why):
            load(path, ssh_config=NO_CONFIG)


@pytest.mark.parametrize("raw", [b"\xef\xbb\xbfhosts: [a]\n", b"hosts: [a]\r\n"])
def test_the_cure_of_a_file_is_for_that_file_alone(
    raw: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unquoted, `my hosts.yaml` is two other files, and what stands behind `;` is a command."""
    monkeypatch.chdir(tmp_path)
    path = Path("my hosts.yaml; touch executed")
    for other in ("my", "hosts.yaml", "hosts.yaml;"):
        Path(other).write_bytes(raw)
    path.write_bytes(raw)
    with pytest.raises(InputError) as caught:
        load(path, ssh_config=NO_CONFIG)
    cure = caught.value.hint.partition(": ")[2]
    subprocess.run(["sh", "-c", cure], check=True, timeout=60)
    assert load(path, ssh_config=NO_CONFIG).hosts
    assert Path("my").read_bytes() == raw and not Path("executed").exists()


@pytest.mark.parametrize(
    "raw", [b"\x89PNG\r\n\x1a\n", b"\x7fELF\r\n", b"\xef\xbb\xbf\0\r\n", b"a\x01\r\nb\r\n"]
)
def test_no_cure_would_ruin_a_file_that_is_no_text(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(raw)
    with pytest.raises(InputError) as caught:
        load(path, ssh_config=NO_CONFIG)
    assert "sed" not in caught.value.hint, caught.value


def test_nor_a_pipe() -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, b"hosts: [web]\r\n")
        os.close(writer)
        with pytest.raises(InputError, match="Windows line ends") as caught:
            load(Path(f"/dev/fd/{reader}"))
    finally:
        os.close(reader)
    assert caught.value.hint == "let what wrote it write UTF-8 text with Unix line ends"


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path / "hosts.yaml")
    assert "does not exist" in caught.value.message
    assert "hosts: [web01, web02]" in caught.value.hint
    with pytest.raises(InputError, match="is a directory"):
        load(tmp_path)
    with pytest.raises(InputError, match="ssh_config"):
        path = tmp_path / "h"
        path.write_text("a\n")
        load(path, ssh_config=tmp_path / "nowhere")


_PIECES = st.sampled_from(
    ["hosts:", "hosts: [", "]", "a", "web[1:3]", " ", "\n", "\n  ", "- ", ": ", "{", "}", "&x ",
     "*x", "<<: ", "'", '"', "registry: r.lab:5000\n", "[web]\n", "[web:vars]\n", "k=v", "all:",
     "children:", "vars:", "!vault ", "|", "#", "\t", "{{", "ansible_port", "@", "::1", "-", "~"]
)  # fmt: skip


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(_PIECES, max_size=25).map("".join))
def test_no_text_gets_past_as_anything_but_hosts_or_an_input_error(text: str) -> None:
    try:
        parsed = parse_text(text)
    except InputError as error:
        assert error.message
        assert "\n" not in error.message
        return
    assert parsed.drafts
    assert all(not draft.name.startswith("-") for draft in parsed.drafts)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_nor_does_any_host_name(name: str) -> None:
    import json

    try:
        parsed = parse_text("hosts: " + json.dumps([name]) + "\n")
    except InputError:
        return
    for draft in parsed.drafts:
        assert draft.name.isascii()
        assert draft.name.isprintable()
        assert not set(draft.name) & set(" ;|&$`<>()'\"\\!*?#")
