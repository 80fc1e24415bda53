"""What may go wrong on the way: cut links, killed runs, two at once, and values made to execute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from certkit.errors import ErrorKind, HostError, InputError
from certkit.names import RegistryReference
from certkit.remote import program
from certkit.remote.exchange import Exchange
from certkit.remote.protocol import decode_place, decode_probe
from certkit.runtimes.catalogue import desired_state
from certkit.runtimes.state import DesiredFile, Evidence, HostState, Probe, RuntimeChoice

REFERENCE = "registry.lab:5000"
CA = f"/etc/docker/certs.d/{REFERENCE}/ca.crt"
A = b"OLD\n" * 20
B = b"NEW\n" * 20
EVIL = "a $(touch /pwned) `touch /pwned` '\"; touch /pwned; #\\ $P ${N} *"


def wanted(bundle: bytes = A, choice: RuntimeChoice | None = None) -> HostState:
    return desired_state(
        [RegistryReference.parse(REFERENCE)], bundle, choice or RuntimeChoice(("docker",))
    )


def impatient(exchange: Exchange) -> Exchange:
    return replace(exchange, stdin=exchange.stdin.replace(b"\nwait 15\n", b"\nwait 1\n"))


def test_a_cut_link_executes_nothing(host: Any) -> None:
    exchange = program.place(wanted())
    whole = exchange.stdin
    cuts = [*range(0, len(whole), 613), *range(len(whole) - 40, len(whole) - 1)]
    numbers = [host.load(exchange, stdin=whole[:cut]) for cut in cuts]
    before = host.tree()
    host.steps(f"for n in {' '.join(map(str, numbers))}; do run $n; done")
    for number in numbers:
        done = host.result(number)
        assert (done.status, done.stdout) == (97, exchange.ready + b"\n")
    assert host.tree() == before
    with pytest.raises(HostError) as caught:
        decode_place(done.stdout, exchange.nonce)
    assert caught.value.kind is ErrorKind.SHELL


def test_values_never_execute(host: Any) -> None:
    base = wanted().runtimes[0]
    assert base.activation
    place = f"/etc/docker/{EVIL.replace('/', '_')}/x/ca.crt"
    evil = replace(
        base,
        detect=(Evidence("command", EVIL), Evidence("path", EVIL), Evidence("command", "dockerd")),
        version=("docker", EVIL, "x {{.Server.Version}}"),
        files=(DesiredFile(place, EVIL.encode()),),
        shadows=(EVIL,),
        hides=(EVIL,),
        probe=replace(base.probe, verification=("docker", EVIL)),
        activation=replace(base.activation, health=("docker", EVIL)),
    )
    exchange = program.place(HostState(EVIL, (evil,)), operator=EVIL)
    done = host.run(exchange, stdin=EVIL.encode() + b"\n" + exchange.stdin)
    (file,) = decode_place(done.stdout, exchange.nonce).runtimes[0].files
    assert (file.result, file.path) == ("changed", place)
    assert host.at(place).read_bytes() == EVIL.encode()
    # The same values in the later phases.
    host.run(program.restart(evil, operator=EVIL))
    probe = Probe(("docker", "x pull", EVIL), (EVIL,), ("docker", EVIL), (EVIL,), (EVIL,))
    seen = replace(wanted().runtimes[0], probe=probe)
    exchange = program.probe(seen, "", [RegistryReference.parse(REFERENCE)], EVIL, timeout=3)
    decode_probe(host.run(exchange).stdout, exchange.nonce)
    assert not list(host.root.rglob("pwned*"))
    assert not [name for name in host.tree("io", "state", "root", "fake") if "pwned" in name]


@pytest.mark.parametrize("bad", ["two\nlines", "a\rb", "nul\0", "\ud800"])
def test_what_would_end_a_line_is_refused(bad: str) -> None:
    with pytest.raises(InputError):
        program.place(wanted(), operator=bad)


@pytest.mark.parametrize("user", ["-x", "a b", "a;b", "$(x)", "a/b"])
def test_odd_users_and_services_are_refused(user: str) -> None:
    with pytest.raises(InputError):
        program.place(wanted(A, RuntimeChoice(("docker-rootless",), rootless_user=user)))
    if user != "a;b":
        with pytest.raises(InputError):
            program.place(wanted(A, RuntimeChoice(("docker",), service=user)))


@pytest.mark.parametrize("path", ["relative/a/b", "/etc/../x/y/z", "/a", "/a//b/c", "~x/a/b/c"])
def test_odd_paths_are_refused(path: str) -> None:
    runtime = replace(wanted().runtimes[0], files=(DesiredFile(path, A),))
    with pytest.raises(InputError):
        program.place(HostState("x", (runtime,)))


def test_nul_is_refused() -> None:
    with pytest.raises(InputError):
        program.place(wanted(b"a\0b"))


def test_boot_passes_any_login_shell() -> None:
    boot = program.place(wanted()).boot
    assert not set("\n'!") & set(boot)
    first, second = (program.place(wanted()) for _ in range(2))
    assert first.boot.replace(first.nonce, "") == second.boot.replace(second.nonce, "")


def test_two_at_once(host: Any) -> None:
    host.fake("chmod", '#!/bin/sh\nsleep 0.3\nexec /bin/chmod "$@"\n')
    exchanges = [program.place(wanted(bundle)) for bundle in (A, A, B)]
    numbers = [host.load(exchange) for exchange in exchanges]
    host.steps("".join(f"run {number} & " for number in numbers) + "wait")
    reports = [
        decode_place(host.result(number).stdout, exchange.nonce)
        for number, exchange in zip(numbers, exchanges, strict=True)
    ]
    found = [one.runtimes[0].files[0].result for one in reports]
    assert found.count("changed") in (2, 3)
    assert host.at(CA).read_bytes() in (A, B)
    assert not [name for name in host.tree("etc") if ".certkit-" in name]
    assert not host.at("/var/lib/certkit/lock.link").is_symlink()


def test_held_lock_names_its_holder(host: Any) -> None:
    exchange = impatient(program.place(wanted()))
    number = host.load(exchange)
    hold = "mkdir -p -m 700 var/lib/certkit\n"
    hold += "echo ann@bastion >var/lib/certkit/lock; touch -d @1700000000 var/lib/certkit/lock\n"
    if host.userland == "gnu":
        hold += "exec 8>>var/lib/certkit/lock; flock 8\n"
    else:
        hold += (
            'sleep 20 & ln -s "$! $(cat /proc/sys/kernel/random/boot_id) ann@bastion since noon"'
            " var/lib/certkit/lock.link\n"
        )
    host.steps(f"{hold}run {number}")
    with pytest.raises(HostError) as caught:
        decode_place(host.result(number).stdout, exchange.nonce)
    assert caught.value.kind is ErrorKind.CONFLICT
    assert caught.value.retryable
    since = "2023-11-14T22:13:20Z" if host.userland == "gnu" else "noon"
    assert f"ann@bastion since {since}" in caught.value.message
    assert not host.at(CA).exists()


@pytest.mark.parametrize("holder", ["999999 {boot} x", "1 another-boot x"])
def test_stale_symlink_lock_is_taken_over(make_host: Callable[..., Any], holder: str) -> None:
    host = make_host("busybox-userland")
    exchange = impatient(program.place(wanted()))
    number = host.load(exchange)
    text = holder.format(boot="$(cat /proc/sys/kernel/random/boot_id)")
    host.steps(
        f'mkdir -p -m 700 var/lib/certkit; ln -s "{text}" var/lib/certkit/lock.link; run {number}'
    )
    decode_place(host.result(number).stdout, exchange.nonce)
    assert host.at(CA).read_bytes() == A


def test_without_flock_timeout_and_cmp(make_host: Callable[..., Any]) -> None:
    host = make_host("busybox-userland")
    host.at("/bin/cmp").unlink()
    for bundle in (A, A, B):
        exchange = program.place(wanted(bundle))
        decode_place(host.run(exchange).stdout, exchange.nonce)
        assert host.at(CA).read_bytes() == bundle


def test_stdout_closed_after_the_start(make_host: Callable[..., Any]) -> None:
    host = make_host("dash")
    number = host.load(program.place(wanted()))
    host.steps(
        f'chroot "$root" /usr/bin/env -i PATH="$PATH_INSIDE" dash -c "$(cat io/{number}.boot)" '
        f"<io/{number}.in 2>state/err | head -n 1 >state/first"
    )
    again = program.place(wanted())
    decode_place(host.run(again).stdout, again.nonce)
    assert host.at(CA).read_bytes() == A
