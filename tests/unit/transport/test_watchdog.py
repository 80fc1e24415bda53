from __future__ import annotations

import threading
import time

from certkit.transport.watchdog import Watchdog


def looked(dog: Watchdog) -> None:
    """Wait until it has cut everything whose time was up."""
    # The first one is before all others, so that the thread wakes for it; the second one is last.
    for deadline in (-1e9, 0.0):
        done = threading.Event()
        dog.lease(deadline, done.set)
        assert done.wait(60)


def test_fires_in_the_order_of_deadlines_and_only_when_due() -> None:
    dog, cut, all_cut = Watchdog(), [], threading.Event()

    def note(seconds: float) -> None:
        cut.append((seconds, time.monotonic()))
        if len(cut) == 3:
            all_cut.set()

    leases = {s: dog.lease(s, lambda s=s: note(s)) for s in (0.15, 0.05, 0.1, 600)}
    assert all_cut.wait(60)
    # By the deadlines themselves: a busy machine may have come to the second one late.
    deadlines = [leases[seconds].deadline for seconds, _ in cut]
    assert deadlines == sorted(deadlines)
    assert all(at >= leases[seconds].deadline for seconds, at in cut)
    assert [lease.fired for lease in leases.values()] == [True, True, True, False]
    dog.close()


def test_a_wait_that_ended_is_not_cut() -> None:
    dog, cut = Watchdog(), []
    with dog.lease(600, lambda: cut.append(1)) as lease:
        pass
    # Its time comes only now, however long this thread was kept from ending it.
    lease.deadline = 0.0
    looked(dog)
    assert cut == [] and not lease.fired
    dog.close()


def test_a_cut_that_fails_does_not_end_the_watch() -> None:
    dog, cut = Watchdog(), threading.Event()
    dog.lease(0.02, lambda: 1 / 0)
    dog.lease(0.04, cut.set)
    assert cut.wait(60)
    dog.close()


def test_abort_cuts_what_is_and_what_comes() -> None:
    dog, cut = Watchdog(), []
    lease = dog.lease(60, lambda: cut.append("first"))
    dog.abort()
    later = dog.lease(60, lambda: cut.append("later"))
    assert cut == ["first", "later"]
    assert lease.cut_off and later.cut_off and not lease.fired
    dog.close()


def test_close_ends_the_thread() -> None:
    # Another test's may still be there.
    before = set(threading.enumerate())
    dog = Watchdog()
    dog.lease(60, lambda: None)
    [thread] = set(threading.enumerate()) - before
    assert thread.name == "certkit-watchdog"
    dog.close()
    assert not thread.is_alive()
    Watchdog().close()
