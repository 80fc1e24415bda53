"""A sliding window of threads over hosts: as one host is done, the next is started."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

from certkit.fleet.stop import Stop

_T = TypeVar("_T")

# How soon the main thread notices a stop that a signal handler asked for, in seconds.
_TICK = 0.1


def sweep(
    items: Iterable[_T],
    work: Callable[[_T], None],
    *,
    parallel: int,
    stop: Stop,
    tick: Callable[[int], None] = lambda left: None,
) -> list[_T]:
    """Do the work for each item in at most `parallel` threads, until done or stopped.

    No barrier between batches: one slow host holds one thread, not the fleet. Items are started
    in order. Returns only once everything that was started is finished.

    Args:
        items: What to work on.
        work: Called once for each item, in a worker thread; should not raise.
        parallel: How many at the same time, at least 1.
        stop: Once requested, nothing further is started.
        tick: Called by the calling thread several times a second, with the number not started.

    Returns:
        The items that were not started, in order.

    Raises:
        BaseException: What `work` raised; the other items are still finished first.
    """
    waiting = deque(items)
    done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def worker() -> None:
        failure: BaseException | None = None
        try:
            while not stop.requested():
                try:
                    item = waiting.popleft()
                except IndexError:
                    break
                work(item)
        except BaseException as error:  # noqa: BLE001 - handed to the calling thread, which raises it
            failure = error
            stop.request("certkit failed")
        done.put(failure)

    count = min(parallel, len(waiting))
    for number in range(count):
        threading.Thread(target=worker, name=f"certkit-host-{number}", daemon=True).start()
    failure: BaseException | None = None
    running = count
    while running:
        # Wakes up regularly, so that signal handlers run and the caller can look at the clock.
        tick(len(waiting))
        try:
            ended = done.get(timeout=_TICK)
        except queue.Empty:
            continue
        running -= 1
        failure = failure or ended
    if failure is not None:
        raise failure
    return list(waiting)
