from __future__ import annotations

import threading
import time

from certkit.transport.watchdog import Watchdog


def test_fires_in_the_order_of_deadlines_and_only_when_due() -> None:
    dog, cut = Watchdog(), []
    leases = [dog.lease(s, lambda s=s: cut.append(s)) for s in (0.15, 0.05, 0.1, 60)]
    time.sleep(0.3)
    assert cut == [0.05, 0.1, 0.15]
    assert [lease.fired for lease in leases] == [True, True, True, False]
    dog.close()


def test_a_wait_that_ended_is_not_cut() -> None:
    dog, cut = Watchdog(), []
    with dog.lease(0.05, lambda: cut.append(1)) as lease:
        pass
    time.sleep(0.15)
    assert cut == [] and not lease.fired
    dog.close()


def test_a_cut_that_fails_does_not_end_the_watch() -> None:
    dog, cut = Watchdog(), threading.Event()
    dog.lease(0.02, lambda: 1 / 0)
    dog.lease(0.04, cut.set)
    assert cut.wait(2)
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
    dog = Watchdog()
    dog.lease(60, lambda: None)
    assert any(t.name == "certkit-watchdog" for t in threading.enumerate())
    dog.close()
    assert not any(t.name == "certkit-watchdog" for t in threading.enumerate())
    Watchdog().close()
