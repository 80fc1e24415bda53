"""Ten kinds of drift on real machines: named by status, healed or left; and trust that goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.browser import measured
from tests.fleet.conftest import Fleet
from tests.fleet.lab import Machine
from tests.fleet.operator import ATTENTION, FAILED, Operator, Run, daemon_pid, reload_docker

REGISTRY = "drift.lab:5000"
ALIAS = "old-name.lab:5000"
BASE = "/etc/docker/certs.d"
HERE = f"{BASE}/{REGISTRY}"
TRUST = f"{HERE}/ca.crt"
DAEMON = "/etc/docker/daemon.json"
PLACES = "/etc /root /home /srv /opt /usr/local /tmp /var/tmp /var/lib/certkit"
EVERYTHING = f"find {PLACES} -printf '%p %m %U %T@ %C@ %s\\n' 2>/dev/null | sort"


@pytest.fixture(scope="module")
def operator(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """Somebody whose hosts trust the registry, with two references for it."""
    person = Operator(fleet.lab, tmp_path_factory.mktemp("drift"), REGISTRY)
    person.makes_certificate()
    person.write_inventory(fleet.hosts)
    return person


def kinds(run: Run, host: Machine) -> set[str]:
    """What status found on a host that wants attention."""
    said = run.hosts[host.name]
    findings: list[dict[str, Any]] = list(said["findings"])
    for runtime in said["runtimes"]:
        findings += runtime["standing"]["findings"]
    assert all(one["message"] and (one["cure"] or not one["attention"]) for one in findings)
    return {one["kind"] for one in findings if one["attention"]}


def listed(fleet: Fleet, script: str) -> list[str]:
    """List each host's files, twice: an overlay stamps a directory at its first listing."""
    for host in fleet.hosts:
        host.run(script, check=False)
    return [host.run(script, check=False).stdout for host in fleet.hosts]


def test_before_trust_is_placed_it_is_missing(fleet: Fleet, operator: Operator) -> None:
    # A first login makes files of its own elsewhere.
    ours = EVERYTHING.replace(PLACES, "/etc/docker /var/lib/certkit")
    before = listed(fleet, ours)
    run = operator.fleet("status", expect=ATTENTION)
    for host in fleet.hosts:
        assert kinds(run, host) == {"missing"}
    assert listed(fleet, ours) == before


def test_a_fleet_as_it_should_be_is_clean(fleet: Fleet, operator: Operator) -> None:
    operator.fleet("distribute")
    before = listed(fleet, EVERYTHING)
    run = operator.fleet("status")
    assert set(run.outcomes.values()) == {"unchanged"}
    [authority] = run.report["bundle"]
    for host in fleet.hosts:
        [runtime] = run.hosts[host.name]["runtimes"]
        standing = runtime["standing"]
        assert [one["sha256"] for one in standing["trusts"]] == [authority["sha256"]]
        assert (standing["daemon"], standing["restart_due"]) == (True, False)
        assert standing["free_bytes"] > 2**20
        assert abs(run.hosts[host.name]["clock_seconds"]) < 60
    assert listed(fleet, EVERYTHING) == before, "status writes nothing"


def test_ten_kinds_of_drift_are_found_and_named(fleet: Fleet, operator: Operator) -> None:
    one, two, three, four = fleet.hosts
    [files] = (operator.home / "registries").iterdir()
    leaf, key = (files / "server.crt").read_bytes(), (files / "server.key").read_bytes()
    trust = (files / "trust.crt").read_bytes()

    one.run(f"mv {TRUST} {HERE}/ca.pem")
    two.run(f"chmod 600 {TRUST}; chmod 777 {HERE}")
    two.write(f"{HERE}/{REGISTRY}.key", key, 0o600)
    two.write(f"{HERE}/server.crt", leaf)
    three.write(f"{HERE}/bom.crt", b"\xef\xbb\xbf" + trust)
    three.run(f"openssl x509 -in {TRUST} -outform DER -out {HERE}/der.crt")
    three.run(f"ln -s /nowhere {HERE}/gone.crt; mkdir {HERE}/old.crt")
    three.run("cd /etc/docker/certs.d && mkdir drift.lab_5000_ Drift.Lab:5000")
    four.write(TRUST, trust.rstrip(b"\n") + trust)
    four.write(DAEMON, f'{{"insecure-registries": ["{REGISTRY}"]}}')
    reload_docker(four, REGISTRY)

    run = operator.fleet("status", expect=ATTENTION)
    assert kinds(run, one) == {"missing", "misnamed"}
    assert kinds(run, two) == {"closed_mode", "lax_mode", "server_key", "unpaired", "leaf"}
    assert kinds(run, three) == {
        "bom",
        "der",
        "dangling_link",
        "subdirectory",
        "shadowed",
        "near_name",
    }
    assert kinds(run, four) == {"glued", "foreign", "insecure"}
    assert len(set.union(*(kinds(run, host) for host in fleet.hosts))) >= 15
    assert "PRIVATE KEY" not in run.stdout

    table = operator.types(
        "status", "--known-hosts", str(fleet.lab.known_hosts()), expect=ATTENTION
    )
    assert f"server_key: {two.name}: {HERE}/{REGISTRY}.key is the registry's own" in table.stdout


def test_what_docker_says_of_such_a_directory(fleet: Fleet, operator: Operator) -> None:
    pulled = fleet.trixie[0].run(["docker", "pull", f"{REGISTRY}/none:0"], check=False)
    assert pulled.returncode != 0
    assert "old.crt" in pulled.stderr or "gone.crt" in pulled.stderr


def test_distribute_heals_what_is_certkits(fleet: Fleet, operator: Operator) -> None:
    one, two, three, four = fleet.hosts
    run = operator.fleet("distribute", expect=FAILED)
    assert run.outcomes[one.name] == run.outcomes[two.name] == "changed"
    assert run.hosts[four.name]["error"]["kind"] == "conflict"
    after = operator.fleet("status", expect=ATTENTION)
    assert kinds(after, one) == set()
    assert kinds(after, two) == {"lax_mode", "server_key", "unpaired", "leaf"}
    assert kinds(after, four) == {"glued", "foreign", "insecure"}

    two.run(f"chmod 755 {HERE}; rm '{HERE}/{REGISTRY}.key' {HERE}/server.crt")
    three.run(f"rm -r {HERE}/bom.crt {HERE}/der.crt {HERE}/gone.crt {HERE}/old.crt")
    three.run("cd /etc/docker/certs.d && rmdir drift.lab_5000_ Drift.Lab:5000")
    one.run(f"rm {HERE}/ca.pem")
    four.write(DAEMON, '{"insecure-registries": []}')
    reload_docker(four)
    operator.fleet("distribute", "--force")
    clean = operator.fleet("status")
    assert set(clean.outcomes.values()) == {"unchanged"}


def test_an_alias_and_a_directory_that_left_the_inventory_are_taken_off(
    fleet: Fleet, operator: Operator
) -> None:
    one, two = fleet.bookworm
    before = json.loads(operator.inventory.read_text())
    other = f"{BASE}/other.lab:5000/ca.crt"
    one.write(other, "another registry's\n")
    wider = {**before, "aliases": [ALIAS], "hosts": {**before["hosts"]}}
    wider["hosts"][two.name] = {**before["hosts"][two.name], "certs_dir": "/srv/certs.d"}
    operator.inventory.write_text(json.dumps(wider))
    try:
        operator.fleet("distribute", "--restart", "never")
    finally:
        operator.inventory.write_text(json.dumps(before))
    moved = {f"/srv/certs.d/{name}/ca.crt" for name in (REGISTRY, ALIAS)}
    assert one.exists(f"{BASE}/{ALIAS}/ca.crt") and all(map(two.exists, moved))
    assert not two.exists(HERE), "the directory that was asked for before is left over by now"

    run = operator.fleet("status", expect=ATTENTION)
    assert kinds(run, one) == {"left_over"}
    assert kinds(run, two) == {"left_over", "missing"}
    assert set(finding_paths(run, two, "left_over")) == moved
    operator.fleet("distribute", "--restart", "never", "--limit", two.name)
    assert not two.exists("/srv/certs.d") and two.exists(TRUST)
    operator.fleet("remove", "--restart", "never", "--limit", one.name)
    assert one.run(f"cd {BASE} && find . -type f").stdout.split() == ["./other.lab:5000/ca.crt"]
    one.run(f"rm -r {BASE}/other.lab:5000")
    operator.fleet("distribute", "--restart", "never")
    assert set(operator.fleet("status").outcomes.values()) == {"unchanged"}


def finding_paths(run: Run, host: Machine, kind: str) -> list[str]:
    return [
        one["path"]
        for runtime in run.hosts[host.name]["runtimes"]
        for one in runtime["standing"]["findings"]
        if one["kind"] == kind
    ]


def test_a_restart_that_is_owed_is_drift(fleet: Fleet, operator: Operator) -> None:
    host = fleet.hosts[0]
    host.run(f"mkdir -p /var/lib/certkit/due; echo {TRUST} >/var/lib/certkit/due/docker")
    assert kinds(operator.fleet("status", expect=ATTENTION), host) == {"restart_due"}
    operator.fleet("distribute")
    assert kinds(operator.fleet("status"), host) == set()


SKEWED = r"""#!/bin/sh
time=$(date -u -d '{}' +%Y-%m-%dT%H:%M:%SZ)
/usr/bin/docker "$@" | sed "s/|20[0-9][0-9]-[^|]*|/|$time|/"
"""


def test_a_clock_and_a_disk_that_will_make_trouble_are_told(
    fleet: Fleet, operator: Operator
) -> None:
    early, late, full, _ = fleet.hosts
    # The machines share one clock, which nobody sets: what the daemon says of it is changed.
    client = "/usr/local/sbin/docker"
    early.write(client, SKEWED.format("-2 hours"), 0o755)
    # Within the hour by which certificates are backdated: no harm.
    late.write(client, SKEWED.format("50 minutes"), 0o755)
    full.run(f"cp -a {HERE} /root/kept && mount -t tmpfs -o size=64k,mode=755 none {HERE}")
    try:
        full.run(f"cp -a /root/kept/. {HERE}")
        run = operator.fleet("status", expect=ATTENTION)
    finally:
        full.run(f"umount -l {HERE} && rm -r /root/kept")
        for host in (early, late):
            host.run(f"rm {client}")
    # By that clock the authority is still to come: its clients refuse it.
    assert kinds(run, early) == {"clock", "expired_authority"}
    assert (kinds(run, late), kinds(run, full)) == (set(), {"disk"})
    [told] = [one for one in run.hosts[early.name]["findings"] if one["kind"] == "clock"]
    assert "its clock is 2 h behind this machine's" in told["message"]
    assert run.hosts[early.name]["clock_seconds"] == pytest.approx(-7200, abs=60)
    assert run.hosts[late.name]["clock_seconds"] == pytest.approx(3000, abs=60)
    [runtime] = run.hosts[full.name]["runtimes"]
    assert runtime["standing"]["free_bytes"] < 64 * 1024
    assert set(operator.fleet("status").outcomes.values()) == {"unchanged"}


def test_figures_and_page_of_a_fleet_with_a_host_gone(
    fleet: Fleet, operator: Operator, tmp_path: Path
) -> None:
    gone = fleet.hosts[-1]
    figures, page = operator.directory / "certkit.prom", operator.directory / "fleet.html"
    known = str(fleet.lab.known_hosts())
    gone.poweroff()
    try:
        operator.types(
            *("status", "--known-hosts", known, "--retries", "0"),
            *("--prometheus", str(figures), "--html", str(page)),
            expect=FAILED,
        )
    finally:
        gone.poweron()
    families = {one.name: one for one in text_string_to_metric_families(figures.read_text())}
    states = {one.labels["state"]: one.value for one in families["certkit_hosts"].samples}
    assert (states["ok"], states["unreachable"]) == (3, 1)
    assert families["certkit_hosts"].type == "gauge"
    text = page.read_text()
    assert gone.name in text
    for width in (390, 1280):
        shown = measured(text, tmp_path, width)
        assert shown.width <= width
        assert (shown.rows, shown.foreign) == (4, 0)


def test_a_daemon_that_needs_its_trust_gets_it_back(fleet: Fleet, operator: Operator) -> None:
    host = fleet.trixie[0]
    drop_in = "/etc/systemd/system/docker.service.d/needs.conf"
    host.write(drop_in, f"[Service]\nExecStartPre=/usr/bin/test -e '{TRUST}'\n")
    host.run("systemctl daemon-reload")
    content = host.read(TRUST)
    try:
        run = operator.fleet("remove", "--limit", host.name, expect=FAILED)
    finally:
        host.run(f"rm {drop_in} && systemctl daemon-reload")
    assert run.outcomes == {host.name: "rolled_back"}
    assert host.read(TRUST) == content
    assert kinds(operator.fleet("status", "--limit", host.name), host) == set()


def test_remove_leaves_nothing_but_what_others_put_there(fleet: Fleet, operator: Operator) -> None:
    theirs = fleet.bookworm[0]
    theirs.write(f"{HERE}/corporate.crt", "theirs\n")
    looked = operator.fleet("remove", "--check", "--diff", expect=ATTENTION)
    assert set(looked.outcomes.values()) == {"would_change"}
    before = {host.name: daemon_pid(host) for host in fleet.hosts}
    run = operator.fleet("remove")
    assert set(run.outcomes.values()) == {"changed"}
    notes = run.hosts[theirs.name]["runtimes"][0]["notes"]
    assert any("corporate.crt" in note and "left" in note for note in notes)
    for host in fleet.hosts:
        assert daemon_pid(host) != before[host.name]
        assert host.exists("/etc/docker/certs.d") is (host is theirs)
        left = host.run("find /var/lib/certkit -type f").stdout.split()
        # Which directories certkit made is remembered as long as they stand.
        remembered = ["/var/lib/certkit/made"] if host is theirs else []
        assert sorted(left) == ["/var/lib/certkit/lock", *remembered]
    assert theirs.run(f"ls -A {HERE}").stdout.split() == ["corporate.crt"]
    assert set(operator.fleet("remove").outcomes.values()) == {"unchanged"}
