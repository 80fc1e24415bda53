"""The phase that takes a registry out of daemon.json: the real program, a stand-in for dockerd."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from typing import Any

import pytest

from certkit.errors import ErrorKind, HostError
from certkit.names import RegistryReference
from certkit.remote import program
from certkit.remote.protocol import decode_place
from certkit.remote.report import SettingsReport
from certkit.remote.retire import RetireReport, decode_retire, retire
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.daemon_json import without
from certkit.runtimes.state import HostState, RuntimeChoice

NAME = RegistryReference.parse("registry.lab:5000")
FILE = "/etc/docker/daemon.json"
STATE = replace(
    desired_state([NAME], b"BUNDLE\n", RuntimeChoice(runtimes=("docker",), timeout=10)),
    retire_insecure=(NAME.text,),
)
OTHER = "other.lab:5000"
# What must not become a command, a path or a line of the answer.
ODD = "$(touch /etc/pwned) `touch /etc/pwned`; ' \\\\ \\\" é \\u0000 %s end-0"
BEFORE = f"""{{
  "insecure-registries": ["{OTHER}", "{NAME.text}"],
  "labels": ["{ODD}"],\t
  "debug":true}}""".encode()
AFTER = without(BEFORE, {NAME.text}).content

# A daemon that takes up its file at a SIGHUP, unless told to break.
DOCKERD = r"""#!/bin/sh
take() {
  [ ! -f /state/deaf ] || return
  # Before the rest, for which it is waited: the host ends as soon as that is there.
  echo reload >>/state/reloads
  if grep -q '"registry.lab:5000"' "$FILE"; then echo false >/state/secure
  else : >/state/secure; fi
}
FILE=/etc/docker/daemon.json
case ${1-} in --config-file=*) FILE=${1#*=} ;; --config-file) FILE=$2 ;; esac
trap take HUP
take
mkdir -p /var/run
printf '%s' $$ >/var/run/docker.pid
while :; do sleep 0.05; done
"""
# Pulls fail for trust where it verifies and a stray file lies in the directory.
DOCKER = r"""#!/bin/sh
kill -0 "$(cat /var/run/docker.pid)" 2>/dev/null || { echo 'Cannot connect' >&2; exit 1; }
case "$*" in
  *' pull '*)
    if [ -f /state/stray ] && [ ! -s /state/secure ]; then echo 'x509: certificate signed' >&2
    else echo 'Error: manifest unknown: manifest unknown' >&2; fi
    exit 1 ;;
  *'{{.Server.Version}}'*) echo 26.1.5 ;;
  *'{{with index'*)
    [ ! -f /state/mute ] || exit 1
    printf '%s asked\n' "$(cat /state/secure)" ;;
  *RegistryConfig*) echo '{"IndexConfigs":{}}' ;;
esac
"""


@pytest.fixture
def daemon(host: Any) -> Any:
    """A scratch host whose Docker runs as a process of its own."""
    host.fake("dockerd", DOCKERD)
    host.fake("docker", DOCKER)
    host.put(FILE, BEFORE, 0o640)
    return host


def started(host: Any, steps: str, arguments: str = "") -> None:
    """Run steps beside the daemon, once its own pid is in the file, and not an earlier one's."""
    host.steps(
        'rm -f "$root/var/run/docker.pid"\n'
        'chroot "$root" /usr/bin/env -i PATH="$PATH_INSIDE" '
        f"/fake/dockerd {arguments} >/dev/null 2>&1 &\n"
        'until [ -s "$root/var/run/docker.pid" ]; do sleep 0.05; done\n' + steps
    )


def retired(
    host: Any,
    before: bytes = BEFORE,
    after: bytes = AFTER,
    arguments: str = "",
    more: str = "",
    state: HostState = STATE,
) -> RetireReport:
    exchange = retire(state.runtimes[0], "", (NAME,), before, after)
    number = host.load(exchange)
    started(host, f"{more}\nrun {number}", arguments)
    done = host.result(number)
    assert done.stderr == b""
    assert not host.at("/etc/pwned").exists()
    return decode_retire(done.stdout, exchange.nonce)


def told(host: Any, state: HostState = STATE, arguments: str = "") -> SettingsReport:
    exchange = program.place(state, check=True)
    number = host.load(exchange)
    started(host, f"run {number}", arguments)
    done = host.result(number)
    assert done.stderr == b""
    settings: SettingsReport | None = decode_place(done.stdout, exchange.nonce).runtimes[0].settings
    assert settings is not None
    return settings


def leftovers(host: Any) -> list[str]:
    return [name for name in host.tree() if ".certkit-" in name or "/retired" in name]


def reloads(host: Any) -> int:
    return len(host.at("/state/reloads").read_text().splitlines()) - 1


def test_the_entry_goes_and_the_rest_of_the_file_stays(daemon: Any) -> None:
    report = retired(daemon)
    assert (report.result, report.path, report.name) == ("retired", FILE, "docker")
    where = daemon.at(FILE)
    assert where.read_bytes() == AFTER
    assert json.loads(AFTER)["insecure-registries"] == [OTHER]
    assert where.stat().st_mode & 0o777 == 0o640
    assert reloads(daemon) == 1
    assert leftovers(daemon) == []


def test_done_once_more_nothing_is_written(daemon: Any) -> None:
    """As after a lost answer: the file is the new one already."""
    retired(daemon)
    inode = daemon.at(FILE).stat().st_ino
    assert retired(daemon).result == "retired"
    assert daemon.at(FILE).stat().st_ino == inode
    assert leftovers(daemon) == []


def test_a_file_that_somebody_else_has_changed_is_left(daemon: Any) -> None:
    theirs = BEFORE.replace(b"true", b"false")
    daemon.put(FILE, theirs, 0o640)
    with pytest.raises(HostError, match="changed by somebody else") as caught:
        retired(daemon)
    assert caught.value.kind is ErrorKind.CONFLICT
    assert daemon.at(FILE).read_bytes() == theirs
    assert reloads(daemon) == 0
    assert leftovers(daemon) == []


@pytest.mark.parametrize(
    ("breaks", "why"), [("deaf", "listed"), ("mute", "dead"), ("stray", "pull")]
)
def test_what_does_not_work_out_is_put_back(daemon: Any, breaks: str, why: str) -> None:
    # What never comes is waited for in vain, and to the end.
    choice = RuntimeChoice(runtimes=("docker",), timeout=10 if breaks == "stray" else 2)
    state = desired_state([NAME], b"BUNDLE\n", choice)
    # Only once it runs, on its first settings.
    report = retired(daemon, more=f'touch "$root/state/{breaks}"', state=state)
    assert (report.result, report.why) == ("rolled_back", why)
    assert ("x509" in report.pull_text) is (why == "pull")
    assert daemon.at(FILE).read_bytes() == BEFORE
    assert daemon.at(FILE).stat().st_mode & 0o777 == 0o640
    assert leftovers(daemon) == []
    if breaks != "deaf":
        assert reloads(daemon) == 2
        assert daemon.at("/state/secure").read_text() == "false\n"


def test_a_daemon_that_is_not_there_is_not_signalled(daemon: Any) -> None:
    """Its number belongs to another process by now."""
    exchange = retire(STATE.runtimes[0], "", (NAME,), BEFORE, AFTER)
    number = daemon.load(exchange)
    daemon.steps(
        'sleep 20 & mkdir -p "$root/var/run"; printf %s $! >"$root/var/run/docker.pid"\n'
        f'run {number}\nkill -0 $! && touch "$root/state/alive"; kill $!'
    )
    with pytest.raises(HostError, match="process of docker was not found"):
        decode_retire(daemon.result(number).stdout, exchange.nonce)
    assert daemon.at("/state/alive").exists()
    assert daemon.at(FILE).read_bytes() == BEFORE


def test_the_settings_are_told_as_they_stand(daemon: Any) -> None:
    settings = told(daemon)
    assert settings == SettingsReport(FILE, "file", BEFORE, running=True)
    assert "insecure" not in repr(settings)
    assert leftovers(daemon) == []


def test_the_command_line_of_the_daemon_counts(daemon: Any) -> None:
    daemon.put("/srv/d.json", b"{}")
    for words in ("--config-file=/srv/d.json", "--config-file /srv/d.json"):
        line = f"{words} --debug --insecure-registry a:1 --insecure-registry=b:2"
        settings = told(daemon, arguments=line)
        assert (settings.path, settings.content) == ("/srv/d.json", b"{}")
        assert settings.flags == ("a:1", "b:2")
    assert told(daemon, arguments="--config-file=x.json").kind == "relative"


def test_what_is_no_plain_file_is_told_and_left(daemon: Any) -> None:
    real = daemon.put("/srv/real.json", BEFORE)
    daemon.at(FILE).unlink()
    daemon.at(FILE).symlink_to("/srv/real.json")
    assert (told(daemon).kind, told(daemon).content) == ("link", b"")
    with pytest.raises(HostError):
        retired(daemon)
    assert real.read_bytes() == BEFORE and daemon.at(FILE).is_symlink()
    daemon.at(FILE).unlink()
    assert told(daemon).kind == "missing"
    daemon.at(FILE).mkdir()
    assert told(daemon).kind == "other"


def test_without_being_asked_nothing_is_told_of_settings(daemon: Any) -> None:
    exchange = program.place(replace(STATE, retire_insecure=()), check=True)
    done = daemon.run(exchange)
    assert decode_place(done.stdout, exchange.nonce).runtimes[0].settings is None


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_a_rootless_daemon_is_seen_to_as_its_user(make_host: Any) -> None:
    host = make_host("dash")
    for parent in (host.root, *host.root.parents[:3]):
        parent.chmod(0o755)
    theirs = "/home/ann/.config/docker/daemon.json"
    host.fake("runuser", '#!/bin/sh\nshift 3\nexec setpriv --reuid=1234 --clear-groups "$@"\n')
    host.fake("systemctl", "#!/bin/sh\necho active\n")
    host.at("/fake/dockerd").unlink()
    own = DOCKERD.replace("/var/run", "/run/user/1234").replace(FILE, theirs)
    host.put("/srv/dockerd", own, 0o755)
    host.fake("docker", DOCKER.replace("/var/run", "/run/user/1234"))
    host.put(theirs, BEFORE, 0o600)
    host.put(FILE, BEFORE)
    host.at("/run/user/1234/systemd").mkdir(parents=True)
    os.mknod(host.at("/run/user/1234/docker.sock"), stat.S_IFSOCK | 0o600)
    for top in ("/home/ann", "/run/user/1234", "/state"):
        for path in (host.at(top), *host.at(top).rglob("*")):
            os.chown(path, 1234, 1234)
    state = desired_state([NAME], b"BUNDLE\n", RuntimeChoice(runtimes=("auto",), timeout=10))
    state = replace(state, retire_insecure=(NAME.text,))
    look = program.place(state)
    [rootless] = [one for one in state.runtimes if one.name == "docker-rootless"]
    going = retire(rootless, "ann", (NAME,), BEFORE, AFTER)
    numbers = host.load(look), host.load(going)
    host.steps(
        'chroot "$root" /usr/bin/env -i PATH="$PATH_INSIDE" '
        "setpriv --reuid=1234 --clear-groups /srv/dockerd >/dev/null 2>&1 &\n"
        'until [ -s "$root/run/user/1234/docker.pid" ]; do sleep 0.05; done\n'
        f"run {numbers[0]}; run {numbers[1]}"
    )
    [runtime] = decode_place(host.result(numbers[0]).stdout, look.nonce).runtimes
    assert (runtime.name, runtime.user) == ("docker-rootless", "ann")
    assert runtime.settings == SettingsReport(theirs, "file", BEFORE, running=True)
    report = decode_retire(host.result(numbers[1]).stdout, going.nonce)
    assert (report.result, report.user, report.path) == ("retired", "ann", theirs)
    shown = host.at(theirs).stat()
    assert host.at(theirs).read_bytes() == AFTER
    assert (shown.st_uid, shown.st_mode & 0o777) == (1234, 0o600)
    assert host.at(FILE).read_bytes() == BEFORE
    assert leftovers(host) == []
