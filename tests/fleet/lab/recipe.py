"""What the base trees and the images are made of: data only.

The text of this module and of `images.py` is hashed into the name of the cache directory, so a
changed recipe builds new bases and an unchanged one builds nothing.
"""

from __future__ import annotations

# What certkit meets in the field: two Docker generations (20.10 and 26.1) and two of podman.
RELEASES = ("bookworm", "trixie")

_PACKAGES = (
    "busybox-static",
    "ca-certificates",
    "curl",
    "dbus",
    "docker.io",
    "iproute2",
    "iptables",
    "opendoas",
    "openssh-server",
    "openssl",
    "podman",
    "procps",
    "sudo",
    "systemd",
    "systemd-sysv",
)

# What runs a registry or stands in front of one. One release is enough: in bookworm, compose is
# written in Python, and no machine has that, since certkit must not need it. In trixie, Podman
# publishes ports with nftables.
_SERVERS = ("caddy", "docker-compose", "docker-registry", "haproxy", "nftables", "nginx-light")

# docker.io carries the client in bookworm; in trixie it is a package of its own.
PACKAGES = {
    "bookworm": _PACKAGES,
    "trixie": (*_PACKAGES, "docker-cli", *_SERVERS),
}

# One release is enough to take the registry's program from; there, its package is not installed.
REGISTRY_RELEASE = "bookworm"
REGISTRY_PROGRAM = "/registry"
FETCH_REGISTRY = f"""\
cd /tmp
apt-get --quiet --quiet download docker-registry
dpkg-deb --fsys-tarfile docker-registry_*.deb | tar --extract --to-stdout \\
  ./usr/bin/docker-registry > {REGISTRY_PROGRAM}
chmod 0755 {REGISTRY_PROGRAM}
rm docker-registry_*.deb
"""

# Nobody reads manuals in a throwaway machine; leaving them out saves a third of the unpacking.
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")

LOGIN_USER = "deploy"
PASSWORD_USER = "asker"

# nspawn mounts the cgroup controllers read-only, and Docker has to make groups in them. The flag
# belongs to the mount, not to the file system that the whole box shares: hence the bind.
CGROUP_UNIT = """\
[Unit]
Description=Make the control groups writable for container engines
DefaultDependencies=no
Before=docker.service containerd.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'for group in /sys/fs/cgroup /sys/fs/cgroup/*; do \\
  mountpoint -q "$group" && mount -o remount,bind,rw "$group"; done; :'

[Install]
WantedBy=sysinit.target
"""

# Runs once, with sh -eu, inside each new tree.
SETUP = f"""\
rm -f /etc/ssh/ssh_host_* /etc/resolv.conf
: > /etc/resolv.conf

useradd --create-home --shell /bin/bash {LOGIN_USER}
useradd --create-home --shell /bin/bash {PASSWORD_USER}
printf '%s\\n' '{LOGIN_USER} ALL=(ALL:ALL) NOPASSWD: ALL' > /etc/sudoers.d/10-{LOGIN_USER}
printf '%s\\n' '{PASSWORD_USER} ALL=(ALL:ALL) ALL' > /etc/sudoers.d/10-{PASSWORD_USER}
chmod 0440 /etc/sudoers.d/10-*
printf '%s\\n' 'permit nopass {LOGIN_USER}' 'permit {PASSWORD_USER}' > /etc/doas.conf
chmod 0400 /etc/doas.conf
for home in /root /home/{LOGIN_USER} /home/{PASSWORD_USER}; do
  install -d -m 0700 "$home/.ssh"
  chown --reference="$home" "$home/.ssh"
done

# No limit on logins that come at once: the tests connect to one machine many times in parallel.
printf '%s\\n' 'MaxStartups 200' 'UseDNS no' > /etc/ssh/sshd_config.d/10-lab.conf

cat > /etc/systemd/system/lab-cgroups.service <<'UNIT'
{CGROUP_UNIT}UNIT
systemctl --quiet enable lab-cgroups.service systemd-networkd.service ssh.service docker.service
# A test starts what it needs: no machine should run a registry of its own.
for unit in caddy docker-registry haproxy nginx; do
  if [ -e "/usr/lib/systemd/system/$unit.service" ]; then systemctl --quiet disable "$unit"; fi
done
systemctl --quiet mask systemd-firstboot.service systemd-networkd-wait-online.service \\
  systemd-modules-load.service e2scrub_reap.service podman-auto-update.service \\
  podman-auto-update.timer podman-restart.service apt-daily.timer apt-daily-upgrade.timer \\
  systemd-timesyncd.service console-getty.service
"""

# The same settings as in the official registry:2 image.
REGISTRY_CONFIG = """\
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
"""

REGISTRY_IMAGE = "registry:2"
EXAMPLE_IMAGE = "identidock:0.1"
