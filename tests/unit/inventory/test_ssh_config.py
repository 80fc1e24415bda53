"""ssh_config through the real ``ssh -G``."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certkit.errors import InputError
from certkit.inventory import Host, Overrides, load
from certkit.inventory.ssh import config as ssh_config
from certkit.inventory.ssh.config import Query, SshConfig, split_files
from certkit.inventory.ssh.stanzas import _included

ME = pwd.getpwuid(os.getuid())


class Asked:
    """Counts the processes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.commands: list[list[str]] = []
        real = subprocess.run

        def run(command: list[str], **more: object) -> object:
            self.commands.append(command)
            return real(command, **more)  # type: ignore[call-overload]

        monkeypatch.setattr(ssh_config.subprocess, "run", run)

    @property
    def hosts(self) -> list[str]:
        return [c[-1] for c in self.commands if "none" not in c]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(monkeypatch)


def _load(
    tmp_path: Path, config: str, hosts: str, overrides: Overrides | None = None
) -> dict[str, Host]:
    (tmp_path / "config").write_text(config)
    (tmp_path / "hosts.yaml").write_text(hosts)
    found = load(tmp_path / "hosts.yaml", overrides=overrides, ssh_config=tmp_path / "config")
    return {host.name: host for host in found.hosts}


def test_all_that_is_taken(tmp_path: Path, asked: Asked) -> None:
    hosts = _load(
        tmp_path,
        f"""\
Host web*
  HostName %h.example.com
  User deploy
  Port 2222
  IdentityFile ~/.ssh/%r_%p
  IdentityFile "{tmp_path}/a key"
  CertificateFile /c-cert.pub
  IdentitiesOnly yes
  IdentityAgent none
  HostKeyAlias alias.%h
  UserKnownHostsFile /kh1 "/k h2"
  GlobalKnownHostsFile none
  ConnectTimeout 7
  ProxyJump ops@bast:24
Host bast
  HostName 10.9.9.9
  IdentityAgent /run/agent
""",
        "hosts: [web1, other]\n",
    )
    web = hosts["web1"]
    assert (web.address, web.user, web.port) == ("web1.example.com", "deploy", 2222)
    assert web.identity_files == (Path(ME.pw_dir) / ".ssh/deploy_2222", tmp_path / "a key")
    assert web.certificate_file == Path("/c-cert.pub")
    assert (web.identities_only, web.use_agent) == (True, False)
    assert web.known_hosts_files == (Path("/kh1"), Path("/k h2"))
    assert web.global_known_hosts_files == ()
    assert web.timeouts.connect == 7
    (hop,) = web.jump
    assert (hop.name, hop.address, hop.user, hop.port) == ("bast", "10.9.9.9", "ops", 24)
    assert hop.agent_socket == Path("/run/agent")
    assert "ssh -G web1" in web.origins["user"]
    other = hosts["other"]
    assert (other.address, other.user, other.port) == ("other", ME.pw_name, 22)
    assert other.identity_files == () and other.known_hosts_files is None
    assert sorted(asked.hosts) == ["bast", "web1"]


def test_the_inventory_is_stronger(tmp_path: Path) -> None:
    config = "Host *\n User c\n Port 9\n IdentityFile /c\n ProxyJump c\nHost c\n ProxyJump none\n"
    text = "hosts: {a: {user: i, port: 8, identity_file: /i, jump: none}, b: }\n"
    hosts = _load(tmp_path, config, text)
    a, b = hosts["a"], hosts["b"]
    assert (a.user, a.port, a.identity_files, a.jump) == ("i", 8, (Path("/i"),), ())
    assert (b.user, b.port, b.identity_files) == ("c", 9, (Path("/c"),))
    assert [hop.name for hop in b.jump] == ["c"]
    over = Overrides(user="o", port=7, identity_file=Path("/o"))
    b = _load(tmp_path, config, text, over)["b"]
    assert (b.user, b.port, b.identity_files) == ("o", 7, (Path("/o"),))


def test_what_ssh_would_be_given_is_the_address(tmp_path: Path, asked: Asked) -> None:
    hosts = _load(
        tmp_path,
        "Host 10.*\n User ten\nHost web\n User never\n",
        "hosts: {web: {address: 10.0.0.1}}\n",
    )
    assert hosts["web"].user == "ten"
    assert asked.hosts == ["10.0.0.1"]


def test_match_user_sees_the_inventorys_user(tmp_path: Path) -> None:
    hosts = _load(
        tmp_path,
        "Match user root\n IdentityFile /root-key\nMatch host b,c*\n Port 5\nMatch all\n",
        "hosts: {a: {user: root}, b: {user: x}, c1: {user: root}}\n",
    )
    assert hosts["a"].identity_files == hosts["c1"].identity_files == (Path("/root-key"),)
    assert hosts["b"].identity_files == ()
    assert [hosts[n].port for n in ("a", "b", "c1")] == [22, 5, 5]


def test_includes(tmp_path: Path, asked: Asked) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/1.conf").write_text("Host a\n Port 5\n")
    (tmp_path / "d/2.conf").write_text("User inner\nHost b\n Port 6\n")
    hosts = _load(
        tmp_path,
        f"Include {tmp_path}/d/1*.conf\nHost a b\n Include {tmp_path}/d/2.conf\n",
        "hosts: [a, b, c, d]\n",
    )
    assert [h.port for h in hosts.values()] == [5, 6, 22, 22]
    assert [h.user for h in hosts.values()] == ["inner", "inner", ME.pw_name, ME.pw_name]


def test_nobody_is_asked_where_nothing_is_said(tmp_path: Path, asked: Asked) -> None:
    config = "Host *\n SendEnv LANG\n HashKnownHosts yes\nHost other\n User x\n"
    hosts = _load(tmp_path, config, "hosts: ['web[1:500]']\n")
    assert len(hosts) == 500
    assert asked.commands == []


def test_hosts_of_the_same_stanzas_share_an_answer(tmp_path: Path, asked: Asked) -> None:
    config = "Host *\n IdentityFile /keys/%h\nHost web1*\n User one\n"
    hosts = _load(tmp_path, config, "hosts: ['web[1:300]']\n")
    assert len(asked.hosts) == 1
    assert hosts["web17"].user == "one"
    assert hosts["web17"].identity_files == (Path("/keys/web17"),)
    assert hosts["web27"].user == ME.pw_name
    assert hosts["web27"].address == "web27"


def test_nobody_shares_where_hosts_can_differ(tmp_path: Path, asked: Asked) -> None:
    hosts = _load(tmp_path, "Host a b c\n HostName %h.lab\n", "hosts: [a, b, c]\n")
    assert [host.address for host in hosts.values()] == ["a.lab", "b.lab", "c.lab"]
    assert sorted(asked.hosts) == ["a", "b", "c"]
    hosts = _load(tmp_path, "Host a b\n HostName a\n Port 3\n", "hosts: [a]\n")
    assert (hosts["a"].address, hosts["a"].port) == ("a", 3)


def test_nobody_shares_a_user_made_of_the_hosts_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSH 10 fills in the tokens of User, which older ones print as they are."""
    real = subprocess.run

    def ten(command: list[str], **more: object) -> subprocess.CompletedProcess[bytes]:
        done: subprocess.CompletedProcess[bytes] = real(command, **more)  # type: ignore[call-overload]
        done.stdout = done.stdout.replace(b"user %h\n", b"user %s\n" % command[-1].encode())
        return done

    monkeypatch.setattr(ssh_config.subprocess, "run", ten)
    hosts = _load(tmp_path, "Host *\n User %h\n", "hosts: [a, b]\n")
    assert [host.user for host in hosts.values()] == ["a", "b"]


def test_a_host_of_its_own_name_port_and_user_shares_the_rest(tmp_path: Path, asked: Asked) -> None:
    config = "".join(
        f"Host web{number}\n HostName 10.0.0.{number}\n Port {2200 + number} # its own\n"
        f' User "u{number}"\n IdentityFile /keys/{number % 2}\n'
        for number in range(100)
    )
    hosts = _load(tmp_path, config + "Host *\n User rest\n Port 7\n", "hosts: ['web[0:100]']\n")
    assert len(asked.hosts) == 3
    for number in range(100):
        host = hosts[f"web{number}"]
        assert (host.address, host.port) == (f"10.0.0.{number}", 2200 + number)
        assert (host.user, host.identity_files) == (f"u{number}", (Path(f"/keys/{number % 2}"),))
    assert (hosts["web100"].address, hosts["web100"].port) == ("web100", 7)


def test_no_host_gets_the_address_or_the_files_of_another(tmp_path: Path) -> None:
    both = "hosts: ['fd00:0:0::1', 'fd00:0:0::2']\n"
    hosts = _load(tmp_path, "Host *\n User x\n", both)
    assert [host.address for host in hosts.values()] == ["fd00:0:0::1", "fd00:0:0::2"]
    hosts = _load(tmp_path, "Host *\n UserKnownHostsFile /known/%h\n", "hosts: [a, b]\n")
    files = [host.known_hosts_files for host in hosts.values()]
    assert files == [(Path("/known/a"),), (Path("/known/b"),)]


def test_no_host_is_ever_an_option(tmp_path: Path, asked: Asked) -> None:
    _load(tmp_path, "Host *\n User x\n", "hosts: [a]\n")
    assert all(command[-2] == "--" for command in asked.commands)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ("Host *\n User x\n NoSuchOption yes\n", "Bad configuration option"),
        ("Host *\n User x\n Port many\n", "[Bb]ad number|Bad port|Invalid|invalid"),
        ("Host *\n ProxyCommand nc -X 5 %h %p\n", "ProxyCommand for a"),
        ("Host *\n ProxyJump %r@bast\n", "jump"),
        ("Host *\n IdentityFile /x/%Z\n", "does not know '%Z'|unknown"),
        ("Host *\n IdentityFile /x/${CERTKIT_NOWHERE}\n", "is not set"),
        ("Host *\n HostName -x\n", "dash|invalid|Invalid"),
        ("Host b\n HostName 300.1.1.1\nHost a\n HostName 300.1.1.1\n", "not a valid IPv4"),
    ],
)
def test_what_cannot_be_honoured_is_refused(tmp_path: Path, config: str, why: str) -> None:
    with pytest.raises(InputError, match=why) as caught:
        _load(tmp_path, config, "hosts: [a]\n")
    assert "\n" not in caught.value.message


def test_a_proxy_command_that_is_a_jump(tmp_path: Path) -> None:
    config = "Host a\n ProxyCommand ssh -W %h:%p ops@bast\nHost s\n ProxyCommand nc %h %p\n"
    hosts = _load(tmp_path, config, "hosts: {a: , s: {skip: true}, t: {jump: none}}\n")
    assert hosts["a"].jump[0].endpoint == "bast:22"
    direct = _load(tmp_path, "Host *\n ProxyCommand nc %h %p\n", "hosts: {a: {jump: none}}\n")
    assert direct["a"].jump == ()


def test_not_checking_host_keys_is_not_taken_over(tmp_path: Path) -> None:
    config = "Host *\n StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n"
    assert _load(tmp_path, config, "hosts: [a]\n")["a"].known_hosts_files is None


def test_without_a_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="no 'ssh' here"):
        _load(tmp_path, "Host *\n User x\n", "hosts: [a]\n")
    assert _load(tmp_path, "Host b\n User x\n", "hosts: [a]\n")["a"].user == ME.pw_name


def test_a_slow_match_exec_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_config, "SECONDS", 0.3)
    with pytest.raises(InputError, match="took longer"):
        _load(tmp_path, 'Match exec "sleep 5"\n User x\n', "hosts: [a]\n")


def test_files_on_one_line() -> None:
    assert split_files(["/a /b c ~/d", "%d/e"]) == ["/a", "/b c", "~/d", "%d/e"]
    assert split_files(["none"]) == ["none"]


_PATTERNS = st.sampled_from(
    ["*", "a", "b", "a*", "?", "!a", "!b*", "web", "w*b", "*b", "w?b", "*e*", "B", "A*"]
)
_OPTIONS = st.sampled_from(
    [
        *("User u1", "User u2", 'user="u 3"', "User=u4 # four"),
        *("Port 5", "Port 6", 'Port "7"'),
        *("HostName a", "HostName=10.0.0.1", "HostName fd00::1", "HostName 10.1", "HostName W.x"),
        *("Compression yes", "IdentityFile /k/1", "IdentityFile /k/2", "IdentityFile /k/%h"),
        *("UserKnownHostsFile /h/%h", "Include inner", "Include inner missing"),
    ]
)
_STANZA = st.tuples(
    st.sampled_from(["Host"] * 6 + ["Match host"]),
    st.lists(_PATTERNS, min_size=1, max_size=3),
    st.lists(st.one_of(_OPTIONS, _OPTIONS, st.just("HostName %h.x")), max_size=3),
)
_INNER = "User i1\nHost a web\n  Port 8\n  User i2\n  HostName inner\nHost *\n IdentityFile /k/i\n"


@settings(max_examples=40, deadline=None)
@given(st.lists(_OPTIONS, max_size=2), st.lists(_STANZA, max_size=5))
def test_the_shortcuts_never_change_the_answer(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[str],
    stanzas: list[tuple[str, list[str], list[str]]],
) -> None:
    path = tmp_path_factory.mktemp("c") / "config"
    (path.parent / "inner").write_text(_INNER)
    first = [option.replace("inner", f"{path.parent}/inner") for option in first]
    stanzas = [
        (word, patterns, [o.replace("Include inner", f"Include {path.parent}/inner") for o in each])
        for word, patterns, each in stanzas
    ]
    path.write_text(
        "".join(f"{option}\n" for option in first)
        + "".join(
            f"{word} {(',' if word == 'Match host' else ' ').join(patterns)}\n"
            + "".join(f"  {option}\n" for option in options)
            for word, patterns, options in stanzas
        )
    )
    hosts = ["a", "ab", "b", "web", "wab", "c", "B"]
    answers = SshConfig(path).resolve(Query(host, None, None) for host in hosts)
    for host in hosts:
        said = subprocess.run(
            ["ssh", "-F", str(path), "-G", "--", host], capture_output=True, text=True, check=True
        ).stdout
        wanted = dict(line.split(" ", 1) for line in said.splitlines() if " " in line)
        answer = answers[Query(host, None, None)]
        for option, mark in (("identityfile", "/k/"), ("userknownhostsfile", "/h/")):
            files = tuple(
                line.partition(" ")[2] for line in said.splitlines() if line.startswith(option)
            )
            assert answer.get(option, files) == files
            assert option in answer or not any(file.startswith(mark) for file in files)
        got = {
            "hostname": answer.get("hostname", (host,))[0].lower(),
            "user": answer.get("user", (ME.pw_name,))[0],
            "port": answer.get("port", ("22",))[0],
        }
        assert got == {**{key: wanted[key] for key in got}, "hostname": wanted["hostname"].lower()}


@pytest.mark.parametrize("include", ["/", "~no-such-user-here/config", "/**x", "missing/*.conf"])
def test_an_include_of_nothing_includes_nothing(include: str, tmp_path: Path) -> None:
    assert _included(include, tmp_path) == []
