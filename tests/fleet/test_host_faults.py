"""A host that is full, closed, read-only or odd: whole afterwards, and told of.

Each fault meets a host that has the trust of an earlier authority, while the new one is placed.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fleet.faulty import CERTS_D, FOLDER, ON_NEW, STATE, TRUST, Ground
from tests.fleet.lab import LOGIN_USER, PASSWORD_USER

SUDOERS = f"/etc/sudoers.d/10-{LOGIN_USER}"
# Lazily, because what the last run has left there may take a moment to end.
CLOSED = {
    "read-only-etc": (
        "mount --bind /etc /etc && mount -o remount,bind,ro /etc",
        "umount -l /etc",
        ("read_only", FOLDER),
    ),
    "read-only-state": (
        f"mount --bind {STATE} {STATE} && mount -o remount,bind,ro {STATE}",
        f"umount -l {STATE}",
        ("read_only", STATE),
    ),
    "immutable-file": (f"chattr +i {TRUST}", f"chattr -i {TRUST}", ("permission", TRUST)),
    "immutable-directory": (f"chattr +i {FOLDER}", f"chattr -i {FOLDER}", ("permission", FOLDER)),
    "a-link-for-certs.d": (
        f"mv {CERTS_D} /srv/aside && ln -s /srv/aside {CERTS_D}",
        f"rm {CERTS_D} && mv /srv/aside {CERTS_D}",
        ("conflict", f"{CERTS_D} is a symlink"),
    ),
    "a-file-for-certs.d": (
        f"mv {CERTS_D} /srv/aside && echo theirs >{CERTS_D}",
        f"rm {CERTS_D} && mv /srv/aside {CERTS_D}",
        ("conflict", f"{CERTS_D} should be a directory"),
    ),
    "nologin": (
        f"usermod -s /usr/sbin/nologin {LOGIN_USER}",
        f"usermod -s /bin/bash {LOGIN_USER}",
        ("shell", "not available"),
    ),
    "sudo-refuses": (
        f"mv {SUDOERS} /root/sudoers",
        f"mv /root/sudoers {SUDOERS}",
        ("sudo", "sudo"),
    ),
    "sudo-wants-a-tty": (
        f"echo 'Defaults:{LOGIN_USER} requiretty' >/etc/sudoers.d/20-tty",
        "rm /etc/sudoers.d/20-tty",
        ("sudo", "only on a terminal"),
    ),
}


@pytest.mark.parametrize("name", CLOSED)
def test_a_closed_door_is_told_and_nothing_is_touched(ground: Ground, name: str) -> None:
    on, off, (kind, text) = CLOSED[name]
    with ground.fault(on, off):
        before = ground.tree()
        told = ground.distributes()
        assert (told["outcome"], told["error"]["kind"]) == ("failed", kind), told
        assert text in told["error"]["message"], told
        assert ground.tree() == before
        assert ground.runs
    assert ground.stands == "old"
    ground.heals()


def test_one_of_two_files_is_immutable(ground: Ground) -> None:
    """None of them is replaced then: a host has the old trust or the new one, not both."""
    alias = f"{CERTS_D}/{ground.depot.address}:5000/ca.crt"
    inventory = ground.operator.inventory
    text = inventory.read_text()
    inventory.write_text(
        text.replace('"registry"', f'"aliases": ["{ground.depot.address}:5000"], "registry"', 1)
    )
    try:
        ground.host.run(f"mkdir {CERTS_D}/{ground.depot.address}:5000 && cp {TRUST} {alias}")
        with ground.fault(f"chattr +i {alias}", f"chattr -i {alias}"):
            before = ground.tree()
            told = ground.distributes("--force")
            assert told["error"]["kind"] == "permission", told
            assert alias in told["error"]["message"]
            assert ground.tree() == before
        told = ground.distributes("--force", expect=0)
        assert told["outcome"] == "changed"
        assert ground.host.read(alias) == ground.host.read(TRUST) == ground.new
    finally:
        inventory.write_text(text)


@pytest.mark.parametrize("limit", ["nr_inodes", "nr_blocks"])
@pytest.mark.parametrize("where", [CERTS_D, STATE])
def test_a_disk_full_at_each_step(
    ground: Ground, where: str, limit: str, tried: Counter[str]
) -> None:
    """The room grows by one inode or page at a time until it is enough; each time it is whole."""
    total = "%c" if limit == "nr_inodes" else "%b"
    ground.host.run(
        f"cp -a {where} /srv/keep && mount -t tmpfs -o mode=0700,size=1m none {where} && "
        f"chmod --reference=/srv/keep {where} && cp -a /srv/keep/. {where}"
    )
    free = "%d" if limit == "nr_inodes" else "%f"
    counted = ground.host.run(f"stat -f -c '{total} {free}' {where}").stdout.split()
    used = int(counted[0]) - int(counted[1])
    kinds = []
    try:
        # Directories of certkit's own are made on the way to the first file in one, and stay.
        for room in range(40):
            ground.host.run(f"mount -o remount,{limit}={used + room} {where}")
            told = ground.distributes()
            if told["outcome"] == "changed":
                break
            assert told["outcome"] == "failed", told
            kinds.append(told["error"]["kind"])
            assert ground.stands == "old", told
            assert ground.runs
            assert where in told["error"]["message"]
        assert kinds and set(kinds) == {"disk_full"}
        tried["runs without room"] += len(kinds)
        assert ground.stands == "new"
        ground.host.run(f"mount -o remount,size=1m,nr_inodes=1000 {where}")
        ground.pulls()
    finally:
        ground.host.run(f"umount -l {where}; rm -rf /srv/keep")


def test_a_rollback_onto_a_full_disk(ground: Ground) -> None:
    ground.host.run(
        f"mv {CERTS_D} /srv/keep && mkdir {CERTS_D} && mount -t tmpfs -o size=8k none {CERTS_D} && "
        f"cp -a /srv/keep/. {CERTS_D}"
    )
    fill = f"if {ON_NEW}; then cat /dev/zero >{CERTS_D}/filler; exit 1; fi"
    try:
        with ground.unit(f"ExecStartPre=/bin/sh -c '{fill}'"):
            told = ground.distributes()
        assert (told["outcome"], told["error"]["kind"]) == ("rolled_back", "daemon"), told
        assert ground.runs
        assert ground.host.read(TRUST) == ground.old
        ground.host.run(f"rm {CERTS_D}/filler")
        assert ground.stands == "old"
        ground.heals()
    finally:
        ground.host.run(f"umount -l {CERTS_D}; rm -rf /srv/keep")


@pytest.mark.parametrize("name", ["tcsh", "fish"])
def test_a_login_shell_that_is_none_of_posix(ground: Ground, name: str) -> None:
    shell = ground.brings(name)
    with ground.fault(
        f"usermod -s {shell} {LOGIN_USER}", f"usermod -s /bin/bash {LOGIN_USER}; rm -r /opt/{name}"
    ):
        ground.heals()


def test_a_noisy_profile(ground: Ground) -> None:
    profile = f"/home/{LOGIN_USER}/.bashrc"
    lines = ("echo Welcome; echo 'READY-0 end 0' >&2", "printf 'no newline'", "seq 1 20000")
    end = f"mv {profile}.old {profile}; rm -f {profile}.ran"
    with ground.fault(f"mv {profile} {profile}.old", end):
        ground.host.write(profile, "\n".join([*lines, f"touch {profile}.ran", ""]))
        ground.heals()
        assert ground.host.exists(f"{profile}.ran")


def test_sudo_that_lectures(ground: Ground) -> None:
    operator = ground.operator
    text = operator.inventory.read_text()
    password = operator.directory / "become"
    password.touch(0o600)
    password.write_text(f"{operator.lab.password}\n")
    operator.inventory.write_text(text.replace(f'"{LOGIN_USER}"', f'"{PASSWORD_USER}"'))
    try:
        with ground.fault(
            "printf 'Defaults lecture=always\\n' >/etc/sudoers.d/20-lecture",
            "rm /etc/sudoers.d/20-lecture",
        ):
            ground.heals("--become-password-file", str(password))
    finally:
        operator.inventory.write_text(text)


# What the host's program calls: all of it busybox, and what that has not is not there.
_TOOLS = (
    "sh cat chmod chown cmp cp cut date df env flock getent grep head id ln ls mkdir mv od "
    "readlink rm rmdir sed sleep sort sync tail timeout tr uname"
)


def test_a_busybox_userland(ground: Ground) -> None:
    over = f"""
mkdir /srv/away
for tool in {_TOOLS}; do
  if busybox --list | grep -qx $tool
  then readlink -f /usr/bin/$tool
  else mv /usr/bin/$tool /srv/away
  fi
done >/run/covered
while read -r tool; do mount --bind /usr/bin/busybox $tool; done </run/covered
"""
    back = """
while read -r tool; do umount -l $tool; done </run/covered
mv /srv/away/* /usr/bin/ && rmdir /srv/away
"""
    with ground.fault(over, back):
        assert "BusyBox" in ground.host.run("ls --help 2>&1").stdout
        assert ground.host.run("command -v flock", check=False).returncode != 0
        ground.heals()
